import errno
from contextlib import suppress
from pathlib import Path

import pytest

from datasets.files import whole, write, write_json
from experiments import cli


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write(path, "first")
    with suppress(KeyboardInterrupt), whole(path) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    with pytest.raises(TypeError):
        write_json(path, {"not": object()})
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", [".", "..", "", "folder"])
def test_a_folder_is_no_file_to_write(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write(Path(name), "text")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_a_disk_that_is_full_is_named_with_the_file(
    tmp_path, monkeypatch, capsys
):
    def full(argv):
        with whole(tmp_path / "a.png"):
            raise OSError(errno.ENOSPC, "as a write says it, without a name")

    with pytest.raises(SystemExit) as stop:
        cli.run(full, [])
    assert "No space left on device" in str(stop.value)
    assert "a.png" in str(stop.value)
    assert "goes on from there" in str(stop.value)
    assert not list(tmp_path.iterdir())
