"""What is built is what was trained, and nothing else is overwritten."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from datasets.task import find_task
from experiments import cli
from experiments.__main__ import main
from experiments.config import ModelConfig
from experiments.play import build as module
from experiments.play.build import build
from experiments.play.command import ROOT, RUNS
from experiments.run.models import MODELS, Inputs, Plan

COUNTING = "tests.experiments.counting"


def error_of(*argv):
    """The one line that a command ends with."""
    with pytest.raises(SystemExit) as stop:
        cli.run(main, [str(word) for word in argv])
    text = str(stop.value)
    assert text.startswith("error: ")
    assert "\n" not in text
    return text


def test_the_page_is_whole_and_small(page_folder):
    files = [path for path in page_folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 10e6
    about = json.loads((page_folder / "page.json").read_text("utf-8"))
    assert len(about["models"]) == len(RUNS)
    for run, model in zip(RUNS, about["models"], strict=True):
        copied = page_folder / model["weights"]
        original = ROOT / run / "model.safetensors"
        assert copied.read_bytes() == original.read_bytes()
        test = json.loads((ROOT / run / "test.json").read_text("utf-8"))
        assert model["accuracy"] == test["accuracy"]
    assert [model["share"] for model in about["models"]] == [
        *(None, 0.2, None, None),
    ]


@pytest.mark.parametrize("text", ["{}", "[]", '{"accuracy": {"all": "x"}}'])
def test_figures_that_are_none(tmp_path, text):
    shutil.copytree(ROOT / RUNS[0], tmp_path / "run")
    (tmp_path / "run/test.json").write_text(text)
    out = tmp_path / "page"
    assert "test.json holds no figures of a run, expected" in error_of(
        "play", "--runs", tmp_path / "run", "--out", out
    )
    assert not out.exists()


def test_it_names_no_other_host(page_folder):
    for path in page_folder.rglob("*"):
        if path.is_file() and path.suffix != ".safetensors":
            text = path.read_text("utf-8")
            assert not re.search(
                r"\b(?:https?|wss?)://|[^:/]//\w+\.\w", text
            ), path


def test_what_is_imported_is_there(page_folder):
    scripts = list(page_folder.rglob("*.js"))
    assert len(scripts) > 15
    named = {page_folder / "main.js"}
    for path in scripts:
        for name in re.findall(r'from "(.+?)"', path.read_text("utf-8")):
            assert (path.parent / name).is_file(), (path, name)
            named.add((path.parent / name).resolve())
    assert {path.resolve() for path in scripts} == {
        path.resolve() for path in named
    }


def test_a_page_is_built_again_in_its_place(tmp_path, capsys):
    out = tmp_path / "pages" / "page"
    one = ("play", "--out", out, "--runs", ROOT / RUNS[0])
    main([str(word) for word in one])
    assert f"{out}: " in capsys.readouterr().out
    (out / "left.txt").write_text("from before")
    main([str(word) for word in one])
    assert not (out / "left.txt").exists()
    assert (out / "index.html").is_file()
    assert [path.name for path in out.parent.iterdir()] == ["page"]


def test_other_files_are_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    text = error_of("play", "--out", tmp_path, "--runs", ROOT / RUNS[0])
    assert f"`out` is {tmp_path}, which holds other files" in text
    text = error_of("play", "--out", tmp_path / "mine.txt")
    assert "mine.txt, a file, expected a folder" in text
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_nothing_half_built_stays(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(module, "write", fails)
    with pytest.raises(OSError, match="the disk is full"):
        build([ROOT / RUNS[3]], tmp_path / "page")
    assert not list(tmp_path.iterdir())


def test_weights_that_are_missing(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(ROOT / RUNS[3], run)
    (run / "model.safetensors").unlink()
    text = error_of("play", "--out", tmp_path / "page", "--runs", run)
    assert "has the run been trained?" in text
    text = error_of("play", "--out", tmp_path / "page", "--runs", "nowhere")
    assert "nowhere/run.json is missing" in text
    assert not (tmp_path / "page").exists()


def test_runs_that_do_not_go_together(tmp_path):
    rn, pictures = ROOT / RUNS[0], ROOT / "results/sort_of_clevr/rn/seed-0"
    out = ("--out", tmp_path / "page")
    text = error_of("play", *out, "--runs", f"{rn},{pictures}")
    assert "expected runs of one task" in text
    text = error_of("play", *out, "--runs", pictures)
    assert "has no page to play with" in text
    gcn = ROOT / "results/full/gcn-depth-2/seed-0"
    text = error_of("play", *out, "--runs", gcn)
    assert f"{gcn} holds a model that the page cannot run" in text
    other = tmp_path / "other"
    shutil.copytree(ROOT / RUNS[3], other)
    settings = json.loads((other / "run.json").read_text())
    settings["settings"]["data"]["features"] = "ordinal"
    (other / "run.json").write_text(json.dumps(settings))
    text = error_of("play", *out, "--runs", f"{rn},{other}")
    assert "in another form than" in text
    assert not (tmp_path / "page").exists()


SIZES = ModelConfig(
    hidden_channels=8, readout_channels=[4, 4], question_heads=2
)
INPUTS = Inputs("states", 18, 28, most=10, words=84)


@pytest.mark.parametrize(
    ("model", "sizes"),
    [
        ("rn", replace(SIZES, aggr="mean")),
        ("rn", replace(SIZES, norm="layer_norm")),
        ("rn", replace(SIZES, question_layer=1)),
        ("rn", replace(SIZES, readout_channels=[4])),
        ("rn", replace(SIZES, question_heads=0)),
        ("rn_symmetric", SIZES),
        ("rn_attention", SIZES),
        ("rn_knn", SIZES),
        ("sage", SIZES),
        ("set2set", SIZES),
        ("lstm", SIZES),
    ],
)
def test_models_that_the_page_cannot_run(model, sizes):
    plan = Plan(sizes, INPUTS, 8, depth=1, share=0.5)
    built = MODELS[model].build(plan)
    with pytest.raises(ValueError, match="that the page cannot run"):
        module._of_model(built, Path("run"))


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("rn", "relation_network"),
        ("rn_distilled", "relation_network"),
        ("edge", "edge_conv"),
        ("deep_sets", "deep_sets"),
    ],
)
def test_models_that_it_runs(model, kind):
    plan = Plan(SIZES, INPUTS, 8, depth=1, share=0.5)
    built = MODELS[model].build(plan)
    found = module._of_model(built, Path("run"))
    share = 0.5 if model == "rn_distilled" else None
    assert found == {"kind": kind, "share": share}


def test_a_task_without_a_page():
    task = find_task(COUNTING)
    with pytest.raises(ValueError, match="has no page to play with"):
        task.page(task.settings())


def test_settings():
    assert "`port` is 70000" in error_of("play", "--port", "70000")
