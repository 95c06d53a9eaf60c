import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.clevr import render
from datasets.clevr.__main__ import main
from datasets.clevr.generate import generate
from datasets.clevr.images import read_picture, resample
from datasets.clevr.layout import read_scenes, scenes_path
from datasets.clevr.pictures import render_scene
from datasets.clevr.render import render_pictures, render_stores
from datasets.dataset import QuestionDataset
from datasets.store import open_store

SIZE = (48, 32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two splits; one has more scenes than a block."""
    path = tmp_path_factory.mktemp("clevr")
    counts = {"train": render.BLOCK + 7, "val": 3}
    generate(path, scenes=counts, seed=5, workers=1, progress=False)
    return path


def files_of(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_files_for_any_number_of_workers(folder, tmp_path):
    counts = {}
    for workers in (1, 2):
        out = tmp_path / str(workers)
        counts = render_pictures(
            folder, out, None, SIZE, 1, workers, progress=False
        )
    assert counts == {"train": render.BLOCK + 7, "val": 3}
    made = files_of(tmp_path / "1")
    assert made == files_of(tmp_path / "2")
    assert len(made) == render.BLOCK + 10 + 2
    scene = read_scenes(scenes_path(folder, "train"))[-1]
    path = tmp_path / "1/images/train" / scene["image_filename"]
    assert (read_picture(path, [SIZE]) == render_scene(scene, SIZE, 1)).all()


def test_what_is_there_is_kept(folder, tmp_path, monkeypatch):
    whole = tmp_path / "whole"
    render_pictures(folder, whole, None, SIZE, 1, 1, progress=False)
    left = iter(range(20))

    def broken(*args):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return render_scene(*args)

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(render, "render_scene", broken)
        with pytest.raises(KeyboardInterrupt):
            render_pictures(folder, out, None, SIZE, 1, 1, progress=False)
    first = {p: p.stat().st_mtime_ns for p in out.rglob("*.png")}
    assert len(first) == 20
    assert not list(out.rglob(".*"))
    render_pictures(folder, out, None, SIZE, 1, 1, progress=False)
    assert all(p.stat().st_mtime_ns == t for p, t in first.items())
    assert files_of(out) == files_of(whole)


def test_stores_go_on_after_a_break(folder, tmp_path, monkeypatch):
    whole = tmp_path / "whole"
    render_stores(folder, whole, ["train"], 32, progress=False)
    out, seen = tmp_path / "out", []

    def counted(*args):
        seen.append(args)
        if len(seen) == render.BLOCK + 3:
            raise KeyboardInterrupt
        return render_scene(*args)

    with monkeypatch.context() as patch:
        patch.setattr(render, "render_scene", counted)
        with pytest.raises(KeyboardInterrupt):
            render_stores(folder, out, ["train"], 32, 0, 1, progress=False)
        assert not (out / "train.h5").exists()
        before = len(seen)
        render_stores(folder, out, ["train"], 32, 0, 1, progress=False)
        assert len(seen) - before == 7  # the second block alone
    assert [path.name for path in out.iterdir()] == ["train.h5"]
    assert files_of(out) == files_of(whole)


@pytest.mark.nightly
def test_a_killed_rendering_goes_on(folder, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "out"
    command = [sys.executable, "-m", "datasets.clevr", "render", str(folder)]
    subprocess.run([*command, "--out", str(whole)], check=True)
    root = Path(render.__file__).parents[2]
    process = subprocess.Popen([*command, "--out", str(out)], cwd=root)
    while len(list(out.rglob("CLEVR*.png"))) < 5 and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert 5 <= len(list(out.rglob("CLEVR*.png"))) < render.BLOCK + 10
    subprocess.run([*command, "--out", str(out)], check=True, cwd=root)
    assert files_of(out) == files_of(whole)


def test_a_store_holds_states_pictures_and_questions(folder, tmp_path):
    (summary,) = render_stores(folder, tmp_path, ["val"], 32, progress=False)
    assert summary.num_scenes == 3
    store = open_store(tmp_path / "val.h5")
    scenes = read_scenes(scenes_path(folder, "val"))
    expected = [resample(render_scene(scene), 32) for scene in scenes]
    assert (store.columns["scenes/image"] == np.stack(expected)).all()
    batch = QuestionDataset(tmp_path / "val.h5", objects="images")[[0, 25]]
    assert batch.image.shape == (2, 3, 32, 32)
    there = (255 * batch.image[1]).round().permute(1, 2, 0).numpy()
    assert (there == expected[2]).all()


def test_rendered_files_import_as_rendered_stores_do(folder, tmp_path):
    render_stores(folder, tmp_path / "direct", ["val"], 32, progress=False)
    out = tmp_path / "files"
    render_pictures(folder, out, ["val"], progress=False)
    for part in ("scenes", "questions"):
        (out / part).symlink_to(folder / part)
    main(["import", str(out), "--splits", "[val]", "--images", "32"])
    made = [tmp_path / "direct/val.h5", out / "val.h5"]
    assert made[0].read_bytes() == made[1].read_bytes()


def test_scenes_without_a_picture(folder, tmp_path):
    out = tmp_path / "out"
    render_pictures(folder, out, ["val"], progress=False)
    for part in ("scenes", "questions"):
        (out / part).symlink_to(folder / part)
    arguments = ["import", str(out), "--splits", "[val]", "--images", "32"]
    first = sorted((out / "images/val").glob("*.png"))[0]
    Image.new("RGB", (480, 300)).save(first)
    with pytest.raises(SystemExit, match="is a picture of 480×300, expected"):
        main(arguments)
    first.unlink()
    with pytest.raises(SystemExit, match=r"000000\.png is missing, expected a"):
        main(arguments)
    assert not list(out.glob("*.h5"))
    assert not list(out.glob(".*"))


def test_pictures_of_others_are_left_alone(folder, tmp_path):
    render_pictures(folder, tmp_path, ["val"], SIZE, progress=False)
    before = files_of(tmp_path)
    for size, seed in ((SIZE, 1), ((60, 40), 0)):
        with pytest.raises(FileExistsError, match="holds pictures already"):
            render_pictures(folder, tmp_path, ["val"], size, seed)
    assert files_of(tmp_path) == before
    (tmp_path / "images/val/rendered.json").unlink()
    with pytest.raises(FileExistsError, match="and was not rendered here"):
        render_pictures(folder, tmp_path, ["val"], SIZE)


def test_pictures_of_other_scenes_are_not_taken_for_these(folder, tmp_path):
    out = tmp_path / "out"
    render_pictures(folder, out, ["val"], SIZE, progress=False)
    other = tmp_path / "other"
    generate(other, scenes={"val": 3}, seed=6, workers=1, progress=False)
    before = files_of(out)
    with pytest.raises(FileExistsError, match="holds pictures already"):
        render_pictures(other, out, ["val"], SIZE, progress=False)
    assert files_of(out) == before


def test_a_full_disk_leaves_no_part_of_a_picture(folder, tmp_path, monkeypatch):
    def full(self, path, **options):
        Path(path).write_bytes(b"part")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match=r"No space left.*000000\.png"):
        render_pictures(folder, tmp_path, ["val"], SIZE, progress=False)
    assert [p.name for p in tmp_path.rglob("*.*")] == ["rendered.json"]


def test_bad_arguments(folder, tmp_path):
    with pytest.raises(SystemExit, match="`width` is 3, expected 8 to 8192"):
        main(["render", str(folder), "--width", "3"])
    with pytest.raises(SystemExit, match="`store` is 9999, expected 8 to 8192"):
        main(["render", str(folder), "--store", "9999"])
    with pytest.raises(SystemExit, match="`workers` is 0, expected ≥ 1"):
        main(["render", str(folder), "--workers", "0", "--splits", "[val]"])
    with pytest.raises(SystemExit, match="nowhere, which does not exist"):
        main(["render", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit, match="has no scenes files, expected for"):
        main(["render", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"test_scenes\.json does not exist"):
        main(["render", str(folder), "--splits", "[test]"])
    with pytest.raises(SystemExit, match="`images` is 64, expected 0 with `fe"):
        main(["import", str(folder), "--images", "64", "--features", "a.h5"])
