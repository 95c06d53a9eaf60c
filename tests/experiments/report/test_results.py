import math

import pandas as pd
import pytest

from experiments.report.frames import Frames
from experiments.report.results import read_results, results_of
from tests.experiments.report.made import result


def frames(*rows, curves=()):
    rows = [
        {"run": str(i), "task": "clevr", "share": None, "depth": None}
        | {"learning_rate": 0.01, "seed": 0, "batch_size": 8}
        | row
        for i, row in enumerate(rows)
    ]
    empty = pd.DataFrame({"run": []})
    points = pd.DataFrame(curves, columns=["run", "step", "val/all"])
    return Frames(pd.DataFrame(rows), points, empty)


def test_band():
    found = result("rn", curves=[{1: 0.0, 2: 0.4, 3: 1.0}, {1: 0.5, 3: 0.0}])
    assert list(found.band.index) == [1, 3]
    assert found.band.to_dict("list") == {
        "mean": [0.25, 0.5],
        "min": [0.0, 0.0],
        "max": [0.5, 1.0],
    }
    assert found.trained
    assert not result("most_frequent").trained


def test_steps_to_an_accuracy_are_of_the_mean():
    curves = [{10: 0.5, 20: 0.8, 40: 0.9}, {10: 0.5, 20: 0.6, 40: 0.9}]
    found = result("rn", curves=curves)
    assert found.steps_to(0.5) == 10
    assert found.steps_to(0.7) == 20  # the mean of both, not the first
    assert found.steps_to(0.91) is None
    assert result("most_frequent").steps_to(0.1) is None


def test_a_category_that_was_not_asked_has_no_mean():
    found = result("rn", accuracy=(0.5, 0.7))
    assert found.categories == (
        *("all", "count", "exist", "compare numbers"),
        *("query attribute", "compare attribute"),
    )
    assert found.mean("all") == pytest.approx(0.6)
    # s = 0.1414, t(0.975, 1) = 12.7062
    assert found.interval("all") == pytest.approx(1.27062, rel=1e-4)
    assert math.isnan(found.mean("count"))
    assert math.isnan(found.interval("count"))


def test_of_depths_and_rates_the_best_on_validation_stands():
    tried = [(1, 0.01, 0.6), (2, 0.01, 0.8), (2, 0.02, 0.8), (4, 0.01, 0.8)]
    rows = [
        {"model": "gcn", "depth": depth, "learning_rate": rate}
        | {"val/all": value, "test/all": 0.5}
        for depth, rate, value in tried
    ]
    [found] = results_of(frames(*rows))
    # Of equals the smallest.
    assert (found.depth, found.learning_rate) == (2, 0.01)
    # What was not tested does not stand, however good.
    rows[1]["test/all"] = None
    [found] = results_of(frames(*rows))
    assert (found.depth, found.learning_rate) == (2, 0.02)


def test_models_stand_in_their_order_and_share_their_costs():
    common = {"val/all": 0.5, "test/all": 0.5}
    rows = [
        {"model": "most_frequent", "learning_rate": None, "test/all": 0.4},
        {"model": "rn_knn", "share": 0.5} | common,
        {"model": "rn_knn", "share": 0.2, "seed": 1} | common,
        {"model": "rn_knn", "share": 0.2, "cost/step_ms": 3.0} | common,
        # Measured at the rate that lost, and does not stand.
        {"model": "rn", "cost/step_ms": 2.0, "val/all": 0.4},
        {"model": "rn", "learning_rate": 0.02} | common,
    ]
    found = results_of(frames(*rows))
    assert [(r.name, r.share) for r in found] == [
        ("rn", None),
        ("rn_knn", 0.2),
        ("rn_knn", 0.5),
        ("most_frequent", None),
    ]
    assert [r.cost("step_ms") for r in found] == [2.0, 3.0, None, None]
    assert list(found[1].runs["seed"]) == [0, 1]
    assert found[0].learning_rate == 0.02
    assert found[-1].learning_rate is None


def test_steps_that_cost_more_than_measured_have_no_minutes():
    cost = {"step_ms": 60_000.0}
    assert result("rn", cost=cost).step_minutes == 1.0
    assert result("rn").step_minutes is None
    assert result("rn", cost=cost, init="runs/a").step_minutes is None
    shrinks = {"cost": cost, "shrink_steps": 5}
    assert result("rn_knn", 0.2, **shrinks).step_minutes is None
    assert result("rn", **shrinks).step_minutes == 1.0


def test_a_folder_without_finished_runs_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"no finished.*{tmp_path}"):
        read_results(tmp_path)
    with pytest.raises(ValueError, match="no run has been tested"):
        results_of(frames({"model": "rn", "val/all": 0.5}))
