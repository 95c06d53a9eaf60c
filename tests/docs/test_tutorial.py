"""The tutorial's Python blocks run, in order, in one namespace."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[int, str]]:
    """Each block and the line of the page that it starts at."""
    text = PAGE.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, match.start(1)), match[1])
        for match in _BLOCK.finditer(text)
    ]


def test_every_block_runs(capsys):
    namespace = {"__name__": "tutorial"}
    found = blocks()
    assert len(found) >= 10
    for line, code in found:
        # Errors name the page and its line.
        exec(compile("\n" * line + code, str(PAGE), "exec"), namespace)
    printed = capsys.readouterr().out.splitlines()
    commented = re.findall(
        r"^print\(.*?\)  # (.+)$", PAGE.read_text(encoding="utf-8"), re.M
    )
    assert printed == commented


def test_a_wrong_claim_fails():
    """The blocks are looked at: assertions in them count."""
    asserting = [code for _, code in blocks() if "assert " in code]
    assert len(asserting) >= 10
    _, code = blocks()[0]
    wrong = code.replace("(7, 32)", "(7, 33)")
    assert wrong != code
    with pytest.raises(AssertionError):
        exec(compile(wrong, str(PAGE), "exec"), {})


def test_paths_in_the_text_exist():
    text = PAGE.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:examples|docs)/[\w./]+)`", text):
        assert (PAGE.parents[1] / path).exists(), path
