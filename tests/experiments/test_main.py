import shlex
from itertools import chain
from pathlib import Path

import pytest

from experiments.__main__ import COMMANDS, EXAMPLES, RUN, main, usage
from experiments.config import PRESETS, CompareConfig, load_preset, read
from tests.experiments.test_tasks import error_of

ROOT = Path(__file__).parents[2]


def test_alone_it_teaches(capsys):
    main([])
    text = capsys.readouterr().out
    assert text.strip() == usage()
    assert all(len(line) <= 80 for line in text.splitlines())
    examples = [*EXAMPLES.values()]
    assert list(examples[0])[:2] == ["show", "ask"]
    # Each command once, with an example.
    assert sorted(COMMANDS) == sorted(chain(*examples))
    for name, options in chain(*(group.items() for group in examples)):
        assert f"$ {name} {options}".rstrip() in text


def test_examples_name_what_is_there():
    assert (ROOT / RUN / "run.json").is_file()
    named = [v for group in EXAMPLES.values() for v in group.values()]
    words = [word for options in named for word in shlex.split(options)]
    for word in words:
        if word.startswith("results/"):
            assert (ROOT / word).is_dir(), word
    assert words.count(RUN) == 2


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert f"experiments {name}" in text
    words = {"show": "FOLDER", "ask": "QUESTION", "compare": "[PRESET]"}
    assert f"experiments {name} {words.get(name, '')}" in text


def test_a_missing_preset_is_asked_for():
    text = error_of("compare")
    first = min(path.stem for path in PRESETS.glob("*.yaml"))
    expected = f"error: a preset is missing: expected one of {first}, "
    assert text.startswith(expected)
    assert text.endswith("as in compare first")


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (["comapre"], "compare"),
        (["compare", "frist"], "first"),
        (["compare", "first", "--models", "rn,deepsets"], "deep_sets"),
        (["ask", "What colour is it?", "--run", RUN], "color"),
        (
            ["ask", "What color is it?", "--run", "results/full/gcn/seed-0"],
            "results/full/rn/seed-0",
        ),
    ],
)
def test_mistyped_words_are_guessed(argv, meant, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert error_of(*argv).endswith(f"did you mean '{meant}'?")


def test_a_folder_of_runs_is_no_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    text = error_of("ask", "What color is it?", "--run", "results/full/rn")
    assert "as results/full/rn/seed-0" in text


def test_from_another_folder_published_runs_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = error_of("ask", "What color is it?", "--run", RUN)
    assert str(ROOT / RUN) in text
    text = error_of("show", "results/full")
    assert str(ROOT / "results" / "full") in text


def test_the_first_preset_is_as_its_help_says():
    config = read(CompareConfig, load_preset("first"))
    assert config.models[-1] == "most_frequent"
    assert len(config.models) == 5  # "four models"
