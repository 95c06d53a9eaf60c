"""The tutorial's Python blocks run, in order, in one namespace."""

import re

import pytest

from tests.docs.blocks import ROOT, blocks, run

PAGE = ROOT / "docs" / "tutorial.md"


def test_every_block_runs(capsys):
    assert len(blocks(PAGE)) >= 10
    run(PAGE)
    printed = capsys.readouterr().out.splitlines()
    commented = re.findall(
        r"^print\(.*?\)  # (.+)$", PAGE.read_text(encoding="utf-8"), re.M
    )
    assert printed == commented


def test_a_wrong_claim_fails():
    """The blocks are looked at: assertions in them count."""
    asserting = [code for _, code in blocks(PAGE) if "assert " in code]
    assert len(asserting) >= 10
    _, code = blocks(PAGE)[0]
    wrong = code.replace("(7, 32)", "(7, 33)")
    assert wrong != code
    with pytest.raises(AssertionError):
        exec(compile(wrong, str(PAGE), "exec"), {})


def test_paths_in_the_text_exist():
    text = PAGE.read_text(encoding="utf-8")
    for path in re.findall(r"`((?:examples|docs)/[\w./]+)`", text):
        assert (PAGE.parents[1] / path).exists(), path
