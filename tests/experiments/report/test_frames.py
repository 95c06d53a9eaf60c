import shutil
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.clevr.features import SCHEMA
from datasets.files import read_json, write_json
from experiments.config import CompareConfig, load_preset, read
from experiments.report import export
from experiments.report.frames import (
    check_unpublished,
    collect,
    read_csv,
    read_frames,
    read_log,
    write_frames,
)
from experiments.report.results import results_of
from experiments.run import compare
from experiments.run.runs import Run

RESULTS = Path(__file__).parents[3] / "results"


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_numbers_read_back_as_they_were(values):
    text = pd.DataFrame({"value": values}).to_csv(index=False)
    assert read_csv(StringIO(text))["value"].tolist() == values


def test_what_is_collected_reads_back(smoke, tmp_path):
    frames = collect(smoke)
    write_frames(frames, tmp_path)
    assert [p.name for p in sorted(tmp_path.iterdir())] == [
        "curves.csv",
        "families.csv",
        "runs.csv",
    ]
    for found, again in zip(frames, read_frames(tmp_path), strict=True):
        pd.testing.assert_frame_equal(found, again, check_exact=True)


def test_a_run_has_a_row_with_all_its_figures(smoke):
    frames = collect(smoke)
    runs = frames.runs.set_index("run")
    paths = smoke.glob("*/seed-*")
    assert set(runs.index) == {p.relative_to(smoke).as_posix() for p in paths}
    name = "pna_knn-share-0.35-depth-2/seed-0"
    row, folder = runs.loc[name], smoke / name
    about, val, test, cost = (
        read_json(folder / f"{key}.json")
        for key in ("run", "val", "test", "cost")
    )
    settings = about["settings"]
    for key in ("task", "model", "share", "depth", "seed", "hidden_channels"):
        assert row[key] == settings[key]
    assert row["learning_rate"] == settings["train"]["learning_rate"]
    for part, values in (("val", val["accuracy"]), ("test", test["accuracy"])):
        assert {k: row[f"{part}/{k}"] for k in values} == values
    assert row["cost/step_ms"] == cost["step_ms"]
    assert row["cost/parameters"] == cost["parameters"]
    assert row["seconds"] == val["seconds"]
    assert row["commit"] == about["commit"]
    assert row["versions.torch"] == about["versions"]["torch"]
    assert row["machine.cpu"] == about["machine"]["cpu"]
    assert row["stores.train.content"] == about["data"]["train"]["content"]
    untrained = runs.loc["most_frequent/seed-0"]
    assert pd.isna(untrained["learning_rate"])
    assert pd.isna(untrained["val/all"])
    families = frames.families.set_index("run").loc[name].dropna()
    assert {
        SCHEMA.families.index(family): value
        for family, value in families.items()
    } == {int(i): value for i, value in test["families"].items()}


def test_settings_have_columns_where_runs_differ(smoke, tmp_path):
    folder = tmp_path / "smoke"
    shutil.copytree(smoke, folder)
    assert "train.accelerator" not in collect(folder).runs
    path = folder / "rn/seed-1/run.json"
    about = read_json(path)
    about["settings"]["train"]["accelerator"] = "auto"
    about["settings"]["sizes"]["readout_channels"] = [16, 16]
    write_json(path, about)
    runs = collect(folder).runs.set_index("run")
    assert runs["train.accelerator"].value_counts()["auto"] == 1
    assert runs.loc["rn/seed-1", "sizes.readout_channels"] == "[16, 16]"


def test_later_parts_of_a_log_replace_earlier_ones(tmp_path):
    def part(number, text):
        path = tmp_path / "logs" / f"part-{number}" / "metrics.csv"
        path.parent.mkdir(parents=True)
        path.write_text(text)

    part(2, "epoch,step,train/loss\n0,11,0.25\n")
    part(10, "epoch,step,train/loss\n0,11,0.125\n")
    part(1, "epoch,step,train/loss,val/accuracy/all\n0,3,4.0,\n0,7,2.0,\n"
            "0,7,,0.5\n0,11,1.0,\n0,11,,0.75\n")  # fmt: skip
    part(3, "")
    log = read_log(tmp_path)
    assert log.to_dict("list") == {
        "step": [4, 8, 12],
        "train/loss": [4.0, 2.0, 0.125],
        "val/all": [pytest.approx(float("nan"), nan_ok=True), 0.5, 0.75],
    }
    assert read_log(tmp_path / "none").empty


def test_a_live_folder_is_its_runs_and_nothing_else(smoke, tmp_path):
    folder = tmp_path / "smoke"
    shutil.copytree(smoke, folder)
    shutil.rmtree(folder / "lstm")
    assert "lstm" in set(read_csv(folder / "runs.csv")["model"])
    assert "lstm" not in set(read_frames(folder).runs["model"])
    # What is not finished has no row.
    (folder / "rn/seed-1/val.json").unlink()
    (folder / "rn/seed-1/test.json").unlink()
    assert "rn/seed-1" not in set(read_frames(folder).runs["run"])
    with pytest.raises(FileNotFoundError, match="no finished run"):
        read_frames(tmp_path / "none")
    for path in folder.glob("*/seed-*"):
        if path.parent.name != "most_frequent":
            shutil.rmtree(path)
    [result] = results_of(read_frames(folder))
    assert (result.name, result.learning_rate) == ("most_frequent", None)
    assert not result.trained


@pytest.mark.parametrize(
    "path",
    [*RESULTS.glob("*/config.yaml"), *RESULTS.glob("map/*/config.yaml")],
    ids=lambda path: path.parent.relative_to(RESULTS).as_posix(),
)
def test_published_results_are_read(path):
    if path.parent.name == "scaling":  # has a form of its own
        assert {"model", "objects"} <= set(read_csv(path.with_name("runs.csv")))
        return
    config = read(CompareConfig, load_preset(str(path)))
    frames = read_frames(path.parent)
    assert config.name == path.parent.name
    assert set(frames.runs["task"]) == {config.task}
    assert set(config.models) <= set(frames.runs["model"])
    assert set(frames.curves["run"]) <= set(frames.runs["run"])
    assert frames.runs["commit"].notna().all()


@pytest.mark.parametrize(
    "path",
    RESULTS.rglob("model.safetensors"),
    ids=lambda path: path.parent.relative_to(RESULTS).as_posix(),
)
def test_published_weights_are_loaded(path):
    run = Run.read(path.parent)
    run.load()
    runs = read_frames(path.parents[2]).runs.set_index("run")
    row = runs.loc[path.parent.relative_to(path.parents[2]).as_posix()]
    test = read_json(path.parent / "test.json")["accuracy"]
    assert {key: row[f"test/{key}"] for key in test} == test
    assert row["seed"] == run.seed


def test_published_figures_are_not_compared_away(smoke, tmp_path):
    """Neither where weights are left of a run, nor where nothing is."""
    for name, kept in (("weights", ["rn/seed-0"]), ("nothing", [])):
        folder = tmp_path / name
        folder.mkdir()
        for file in ("runs.csv", "curves.csv", "config.yaml"):
            shutil.copy(smoke / file, folder)
        for run in kept:
            export.main([str(smoke / run), "--out", str(folder / run)])
        before = (folder / "runs.csv").read_bytes()
        with pytest.raises(ValueError, match="15 runs without their logs"):
            compare.main(["smoke", "--name", name, "--runs", str(tmp_path)])
        assert (folder / "runs.csv").read_bytes() == before
    check_unpublished(smoke)
    check_unpublished(tmp_path / "not there")
