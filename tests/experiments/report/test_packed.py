import re
import shutil
from zipfile import ZipFile

import pytest

from datasets.files import read_json
from experiments.report import tables as report
from experiments.report.export import EXPORTED
from experiments.report.frames import read_frames
from experiments.report.packed import PACKED, pack, unpack
from experiments.run import compare
from tests.experiments.run.fitting import data


def test_the_same_runs_are_the_same_file(smoke, tmp_path):
    for name in ("a", "b"):
        pack(smoke, tmp_path / name)
    files = [(tmp_path / name / PACKED).read_bytes() for name in ("a", "b")]
    assert files[0] == files[1]
    with ZipFile(tmp_path / "a" / PACKED) as archive:
        names = archive.namelist()
    assert "rn/seed-0/logs/part-0/metrics.csv" in names
    assert not any("checkpoint" in name for name in names)


def test_a_published_comparison_goes_on(smoke, roots, tmp_path):
    folder = tmp_path / "smoke"
    report.main([str(smoke), "--publish", str(folder)])
    assert not (folder / "rn").exists()
    argv = ["smoke", "--runs", str(tmp_path), *data(roots)]
    compare.main([*argv, "--models", "rn,set2set", "--seeds", "1"])
    # One model more, and all others as they were.
    before, after = read_frames(smoke).runs, read_frames(folder).runs
    assert {*after["run"]} - {*before["run"]} == {"set2set/seed-0"}
    for file in ("run", "val", "test", "cost"):
        paths = [f / "rn" / "seed-0" / f"{file}.json" for f in (smoke, folder)]
        assert paths[0].read_bytes() == paths[1].read_bytes()
    assert not (folder / "rn" / "seed-0" / "checkpoints").exists()
    with pytest.raises(FileNotFoundError):
        report.main(
            [
                str(folder),
                "--publish",
                str(tmp_path / "b"),
                "--weights",
                "rn/seed-0",
            ]
        )


def test_what_is_there_stays(smoke, tmp_path):
    pack(smoke, tmp_path)
    there = tmp_path / "rn" / "seed-0" / "val.json"
    there.parent.mkdir(parents=True)
    there.write_text("{}")
    assert unpack(tmp_path)
    assert there.read_text() == "{}"
    other = "rn/seed-1/val.json"
    assert read_json(tmp_path / other) == read_json(smoke / other)
    assert not (tmp_path / PACKED).exists()  # what is deleted now stays so
    assert not unpack(tmp_path)


def test_what_is_published_again_keeps_its_runs(smoke, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    weights = ["--weights", "rn/seed-0"]
    report.main([str(smoke), "--publish", str(first), *weights])
    report.main([str(first), "--publish", str(second), *weights])
    assert (first / PACKED).read_bytes() == (second / PACKED).read_bytes()
    # Beside the weights is what is read with them; the rest is in the file.
    names = {path.name for path in (first / "rn/seed-0").iterdir()}
    assert names == {"README.md", EXPORTED, "run.json", "test.json"}
    # Of figures alone no runs are made, with which others would be lost.
    (first / PACKED).unlink()
    report.main([str(first), "--publish", str(tmp_path / "third"), *weights])
    assert not (tmp_path / "third" / PACKED).exists()


@pytest.mark.parametrize(
    "name",
    ["../a/seed-0/run.json", "/etc/seed-0/run.json", "rn/seed-0/best.ckpt"],
)
def test_a_stranger_s_file_is_refused_whole(name, tmp_path):
    with ZipFile(tmp_path / PACKED, "w") as archive:
        archive.writestr("rn/seed-0/run.json", "{}")
        archive.writestr(name, "{}")
    with pytest.raises(ValueError, match=re.escape(repr(name))):
        unpack(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [PACKED]


def test_a_damaged_file_is_named(smoke, tmp_path):
    pack(smoke, tmp_path)
    path = tmp_path / PACKED
    whole = path.read_bytes()
    for spoiled in (b"", whole[: len(whole) // 2], whole[:900] + whole[1000:]):
        folder = tmp_path / str(len(spoiled))
        folder.mkdir()
        (folder / PACKED).write_bytes(spoiled)
        with pytest.raises(ValueError, match=r"runs\.zip"):
            unpack(folder)
        shutil.rmtree(folder)


def test_a_huge_member_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.report.packed._MOST", 10)
    with ZipFile(tmp_path / PACKED, "w") as archive:
        archive.writestr("rn/seed-0/run.json", " " * 11)
    with pytest.raises(ValueError, match="11 bytes, expected 10 at most"):
        unpack(tmp_path)
