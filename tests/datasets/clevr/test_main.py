import os
from pathlib import Path
from typing import Any

import pytest

from datasets.clevr import __main__ as command_line
from datasets.clevr.__main__ import main
from datasets.store import open_store
from tests.datasets.clevr.make_folder import write_folder, write_split


def test_generate_and_import(tmp_path: Path, capsys: Any) -> None:
    """One command makes the folder and the store; import makes the same."""
    folder = tmp_path / "made"
    sizes = ["--train", "2", "--val", "1", "--test", "0", "--workers", "1"]
    main(["generate", str(folder), *sizes, "--seed", "3"])
    out = capsys.readouterr().out
    assert "train" in out
    assert "20" in out
    assert sorted(os.listdir(folder)) == [
        "questions",
        "scenes",
        "train.h5",
        "val.h5",
    ]
    store = open_store(folder / "train.h5")
    assert (store.num_scenes, store.num_questions) == (2, 20)
    assert store.info["scenes"]["generator"]["seed"] == 3
    main(["import", str(folder), "--out", str(tmp_path / "again")])
    for name in ("train.h5", "val.h5"):
        made = (folder / name).read_bytes()
        assert (tmp_path / "again" / name).read_bytes() == made


def test_generate_without_a_store(tmp_path: Path) -> None:
    sizes = ["--train", "1", "--val", "0", "--test", "0", "--workers", "1"]
    main(["generate", str(tmp_path), *sizes, "--store", "false"])
    assert sorted(os.listdir(tmp_path)) == ["questions", "scenes"]


def test_the_summary_names_what_was_left_out(
    tmp_path: Path, capsys: Any
) -> None:
    scenes, questions = write_folder(tmp_path)
    questions[0]["question"] = "How many mauve things?"
    write_split(tmp_path, "train", scenes, questions)
    _, asked = write_folder(tmp_path / "other", split="test")
    write_split(tmp_path, "test", None, asked)
    write_split(
        tmp_path, "val", write_folder(tmp_path / "o", 1, "val")[0], None
    )
    main(["import", str(tmp_path)])
    out = capsys.readouterr().out
    assert "'mauve' (1)" in out
    assert "no store: CLEVR_test_scenes.json is not there" in out
    assert "there is no questions file" in out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["import", "nowhere"], "error: `folder` is nowhere, which does not"),
        (["generate", "x", "--train", "0", "--val", "-1"], "error: `scenes`"),
    ],
)
def test_errors_are_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    args: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message):
        main(args)


def test_an_interrupt_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "import_folder", interrupt)
    with pytest.raises(SystemExit, match="no unfinished file is left"):
        main(["import", "x"])


@pytest.mark.parametrize("command", [[], ["generate"], ["import"]])
def test_help(command: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    assert "python -m datasets.clevr" in capsys.readouterr().out
