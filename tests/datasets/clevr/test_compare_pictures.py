import re
from random import Random

import numpy as np
import pytest
from PIL import Image

from datasets.clevr import probe
from datasets.clevr.__main__ import main
from datasets.clevr.compare_pictures import (
    Pair,
    colors_of,
    find_pairs,
    floor_of,
    histograms_of,
    outlines_of,
)
from datasets.clevr.generate import generate
from datasets.clevr.look import to_bytes
from datasets.clevr.pictures import cast_scene
from datasets.clevr.released import NUM_LOOK
from datasets.clevr.scenes import generate_scene


@pytest.fixture(scope="module")
def pair():
    """A scene beside itself."""
    scene = generate_scene(Random("compare"), min_objects=5, max_objects=5)
    cast = cast_scene(scene, seed=None)
    picture = to_bytes(cast.light)
    return Pair(scene, picture, picture, cast.ids)


def test_a_picture_beside_itself_is_no_distance_off(pair):
    rows = [*colors_of([pair]), *floor_of([pair])]
    assert len(rows) > 5
    assert all(row[3] == row[4] and row[5:] == ["0", "0"] for row in rows)
    assert all(row[3] == "0.0" for row in histograms_of([pair]))
    for _, _, mean, far, _ in outlines_of([pair]):
        # Between two pixels a borderline lies in one of them, mixed.
        assert abs(float(mean)) < 0.6
        assert float(far) < 0.7


def test_distances_are_measured(pair):
    lighter = (pair.real.astype(int) + 10).clip(0, 255).astype(np.uint8)
    other = pair._replace(real=lighter)
    assert all(row[6] in ("17", "16") for row in floor_of([other]))
    shifted = pair._replace(real=np.roll(pair.real, 4, axis=1))
    before = {row[0]: float(row[3]) for row in outlines_of([pair])}
    for shape, _, _, far, _ in outlines_of([shifted]):
        assert float(far) > before[shape] + 2


def test_a_page_of_figures(tmp_path, monkeypatch):
    counts = {"train": NUM_LOOK + 1, "val": 1}
    generate(tmp_path, scenes=counts, workers=1, progress=False)
    names = {"train": [0, NUM_LOOK], "val": [0]}
    for split, numbers in names.items():
        folder = tmp_path / "images" / split
        folder.mkdir(parents=True)
        for i in numbers:
            gray = Image.new("RGBA", (480, 320), (99, 99, 99, 255))
            gray.save(folder / f"CLEVR_{split}_{i:06d}.png")
    # Of the first 35 pictures of training none is for the report.
    assert [p.scene["split"] for p in find_pairs(tmp_path)] == ["val"]
    out = tmp_path / "docs/page.md"
    arguments = ["pictures", str(tmp_path), "--out", str(out)]
    # A probe of few pictures: what it learns is tested elsewhere.
    monkeypatch.setattr(probe, "SCENES", {"train": 3, "val": 2})
    monkeypatch.setattr(probe, "_EPOCHS", 1)
    arguments += ["--probe", str(tmp_path / "probe")]
    main([*arguments, "--side_by_side", str(tmp_path / "beside")])
    text = out.read_text()
    assert "99, 99, 99" in text
    assert re.search(r"\| shape +\| +[\d.]+ % \| +[\d.]+ % \|", text)
    assert "1 pictures of CLEVR v1.0 (CC BY 4.0), none of them" in text
    with Image.open(out.with_suffix(".png")) as sheet:
        assert sheet.size == (960, 426)
    with Image.open(tmp_path / "beside/CLEVR_val_000000.png") as both:
        assert both.size == (960, 320)
    with pytest.raises(SystemExit, match="has no pictures for this, expected"):
        main(["pictures", str(tmp_path / "nowhere")])
