"""The how-tos' Python runs, and their commands do what the page says."""

import re
import shlex

import pytest

from experiments.__main__ import main
from tests.docs.blocks import ROOT, blocks, run

HOWTO = ROOT / "docs" / "howto"
#: The commands as they stand, but small.
SMALL = [
    *("--models", "rn,most_frequent"),
    *("--train.steps", "4", "--train.val_every", "2", "--cost_steps", "1"),
    *("--data.train", "200", "--data.val", "20", "--data.test", "20"),
]


@pytest.mark.parametrize("name", ["cnn", "pairs"])
def test_every_block_runs_and_asserts(name):
    page = HOWTO / f"{name}.md"
    found = [code for _, code in blocks(page)]
    assert len(found) >= 5
    asserting = sum("assert" in code for code in found)
    assert asserting >= len(found) - 2
    run(page)


def test_every_page_is_short():
    for page in HOWTO.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert text.count("\n") < 160, page


def test_a_task_of_a_page_is_trained_and_asked(tmp_path, monkeypatch, capsys):
    """Saved as the page says; the commands are the page's."""
    page = HOWTO / "task.md"
    (_, task), (_, from_files) = blocks(page)
    ((_, preset),) = blocks(page, "yaml")
    for text in (task, preset):
        name = re.match(r"# ([\w.]+)\n", text)[1]
        assert f"`{name}`" in page.read_text(encoding="utf-8")
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    ((_, commands),) = blocks(page, "bash")
    compare, ask = (shlex.split(line) for line in commands.splitlines())
    assert compare[:3] == ask[:3] == ["python", "-m", "experiments"]
    main([*compare[3:], *SMALL])
    printed = capsys.readouterr().out
    for label in ("RN, all pairs", "Most frequent answer"):
        assert label in printed
    main(ask[3:])
    printed = capsys.readouterr().out
    assert "are two of one kind?\n" in printed
    assert re.search(r"^(yes|no) +\d", printed, re.M)

    # The other way to a task: arrays that are there already.
    space = {"__name__": "twins_from_files"}
    exec(compile(task, str(page), "exec"), space)
    exec(compile(from_files, str(page), "exec"), space)
    made = space["TASK"].sample(None, space["np"].random.default_rng(0), 5)
    kind = made.scenes["x"].argmax(1).reshape(5, -1)
    space["load"] = lambda split: (kind, made.questions["answer"])
    space["FromFiles"]().make(None, tmp_path)
    assert {path.name for path in tmp_path.glob("*.h5")} == {
        "train.h5",
        "val.h5",
        "test.h5",
    }
