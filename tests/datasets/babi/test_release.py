import io
import tarfile
from contextlib import suppress

import pytest

from datasets.babi.release import find_files
from tests.datasets.babi.release import NAMES, write_release


def found(source, edition="en-10k"):
    return [(f.task, f.split, f.data) for f in find_files(source, edition)]


def packed(path, mode, folder, *more):
    """A tar of a folder, and further entries."""
    with tarfile.open(path, mode) as tar:
        tar.add(folder, "tasks_1-20_v1-2")
        for entry, data in more:
            tar.addfile(entry, io.BytesIO(data))
    return path


def test_every_layout_gives_the_same(tmp_path):
    own = write_release(tmp_path)
    files = found(own)
    assert [f[:2] for f in files] == [
        (0, "test"),
        (0, "train"),
        (2, "test"),
        (2, "train"),
    ]
    assert files[1][2] == (own / f"{NAMES[1]}_train.txt").read_bytes()
    for folder in (own.parent, own.parent.parent):
        assert found(folder) == files
    for mode in ("w", "w:gz"):
        tar = packed(tmp_path / "r.tar", mode, own.parent)
        assert found(tar) == files


def test_each_edition(tmp_path):
    large, small = (
        write_release(tmp_path, count, edition=edition)
        for edition, count in (("en-10k", 100), ("en", 50))
    )
    tar = packed(tmp_path / "r.tar", "w", large.parent)
    for edition, own in (("en", small), ("en-10k", large)):
        assert found(large.parent, edition) == found(own, edition)
        assert found(tar, edition) == found(own, edition)
    assert found(small, "en") != found(large)


def test_files_of_another_name_are_not_read(tmp_path):
    own = write_release(tmp_path)
    files = found(own)
    (own / f"{NAMES[3]}_train-1k.txt").write_text("nonsense")
    (own / "notes.txt").write_text("nonsense")
    assert found(own) == files


def test_a_release_that_is_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist, expected"):
        found(tmp_path / "nope")
    with pytest.raises(ValueError, match="in these folders: none; expected"):
        found(tmp_path)
    own = write_release(tmp_path)
    with pytest.raises(ValueError, match="en-10k; expected one with those of"):
        found(own.parent, "en")
    (own / "qa1_again_train.txt").write_text("1")
    with pytest.raises(ValueError, match="two files of task 1's train split"):
        found(own)
    (own / "qa1_again_train.txt").rename(own / "qa21_again_train.txt")
    with pytest.raises(ValueError, match="is of task 21, expected 1 to 20"):
        found(own)


def test_a_tar_that_is_none(tmp_path):
    own = write_release(tmp_path)
    tar = packed(tmp_path / "r.tgz", "w:gz", own.parent)
    tar.write_bytes(tar.read_bytes()[:-2000])
    with pytest.raises(ValueError, match="is no whole tar"):
        found(tar)
    tar.write_text("no tar")
    with pytest.raises(ValueError, match="is no whole tar"):
        found(tar)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_a_tar_that_is_damaged_anywhere(tmp_path, kind):
    own = write_release(tmp_path)
    tar = packed(tmp_path / "r.tar", f"w:{kind}", own.parent)
    data = tar.read_bytes()
    for at in range(0, len(data) - 40, max(1, len(data) // 60)):
        damaged = bytearray(data)
        damaged[at : at + 40] = b"\xa5" * 40
        tar.write_bytes(damaged)
        # Or what is damaged is not read.
        with suppress(ValueError):
            found(tar)


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../b"])
def test_a_tar_whose_paths_leave_the_folder(tmp_path, name):
    own = write_release(tmp_path)
    tar = packed(
        tmp_path / "r.tar", "w", own.parent, (tarfile.TarInfo(name), b"")
    )
    with pytest.raises(ValueError, match="that leads out of it, expected none"):
        found(tar)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_tar_with_links(tmp_path, kind):
    own = write_release(tmp_path)
    link = tarfile.TarInfo("tasks_1-20_v1-2/en-10k/qa2_a_train.txt")
    link.type, link.linkname = kind, "/etc/passwd"
    tar = packed(tmp_path / "r.tar", "w", own.parent, (link, b""))
    with pytest.raises(ValueError, match="is a link, expected files"):
        found(tar)
