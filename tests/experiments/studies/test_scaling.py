from io import StringIO

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
import torch
import yaml

from experiments.measure.matching import count_parameters
from experiments.report.frames import read_csv
from experiments.studies import scaling
from experiments.studies.scaling import ScalingConfig, Step, hidden_widths, main
from experiments.studies.scaling_models import (
    LABELS,
    build,
    degrees,
    pairs_a_scene,
)
from rn_graph.models.gnn import CONVS

mpl.use("agg")


def test_models_have_equal_parameters():
    config = ScalingConfig(hidden_channels=64)
    widths = hidden_widths(config)
    assert list(widths) == list(LABELS)
    counts = {
        name: count_parameters(build(name, width, 2, 8, degrees(name, 5)))
        for name, width in widths.items()
    }
    for name, count in counts.items():
        assert abs(count / counts["rn"] - 1) <= 0.1, name


@pytest.mark.parametrize("name", list(LABELS))
@pytest.mark.parametrize("objects", [1, 6])
def test_a_step_reaches_every_parameter(name, objects):
    step = Step(name, 12, objects, ScalingConfig(scenes=3))
    step()
    grads = [p.grad for p in step.model.parameters()]
    assert all(grad is not None for grad in grads)
    assert any(grad.abs().sum() > 0 for grad in grads)


def pairs_seen(step):
    """How many pairs a model's first layer sums over."""
    step()
    seen = []
    layer = next(m for m in step.model.modules() if hasattr(m, "propagate"))
    layer.register_propagate_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0].size(1))
    )
    step()
    return seen[0]


@pytest.mark.parametrize("k", [4, 8])
@pytest.mark.parametrize("name", ["rn", "rn_knn", "rn_attention", "sage"])
def test_pairs_are_those_that_layers_see(name, k):
    step = Step(name, 8, 6, ScalingConfig(scenes=3, k=k))
    assert pairs_seen(step) == 3 * pairs_a_scene(name, 6, k)


@pytest.mark.parametrize("name", ["rn", "rnconv", "edge", "pna"])
def test_given_edges_are_those_that_layers_see(name):
    step = Step(name, 8, 6, ScalingConfig(scenes=3, edges=4, models=[name]))
    edges = step.inputs["edge_index"]
    assert edges.shape == (2, 3 * 6 * 4)
    assert torch.equal(edges[0] // 6, edges[1] // 6)  # of one scene
    assert (torch.bincount(edges[1]) == 4).all()
    assert pairs_seen(step) == 3 * pairs_a_scene(name, 6, 8, edges=4)
    assert pairs_a_scene(name, 6, 8, edges=4) == (36 if name == "rn" else 24)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": -1}, "`edges` is -1, expected 0 or more"),
        (
            {"edges": 4, "models": ["rn", "deep_sets"]},
            "`models` is rn, deep_sets, expected some of rn, ",
        ),
    ],
)
def test_edges_that_cannot_be_given_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        ScalingConfig(**changes)


def test_a_set_has_no_pairs_and_gnns_have_all_but_loops():
    assert pairs_a_scene("deep_sets", 7, 4) == 0
    assert {pairs_a_scene(name, 7, 4) for name in CONVS} == {42}


def test_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        scaling, "peak_memory_apart", lambda name, *_: len(name) << 20
    )
    names = ["rn", "rn_knn", "gcn", "pna", "set2set"]
    threads = torch.get_num_threads()
    argv = ["--objects", "[2,4]", "--models", ",".join(names)]
    argv += ["--scenes", "2", "--steps", "2", "--hidden_channels", "40"]
    try:
        main([*argv, "--threads", "1", "--runs", str(tmp_path)])
    finally:
        torch.set_num_threads(threads)
    folder = tmp_path / "scaling"
    assert sorted(p.name for p in folder.iterdir()) == [
        "config.yaml", "runs.csv", "scaling.png",
    ]  # fmt: skip
    rows = read_csv(folder / "runs.csv")
    printed = read_csv(StringIO(capsys.readouterr().out))
    assert rows[list(printed)].equals(printed)
    assert list(zip(rows["objects"], rows["model"], strict=True)) == [
        (size, name) for size in (2, 4) for name in names
    ]
    assert (rows["step_ms_min"] > 0).all()
    assert (rows["step_ms_min"] <= rows["step_ms"]).all()
    assert list(rows["memory_mib"]) == list(rows["model"].str.len())
    assert rows[["commit", "machine.cpu"]].notna().all(None)
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    assert settings["objects"] == [2, 4]
    assert plt.imread(folder / "scaling.png").ndim == 3


def test_memory_grows_with_pairs_in_a_fresh_process():
    config = ScalingConfig(scenes=4, threads=1)
    few = scaling.peak_memory_apart("edge", 32, 4, config)
    many = scaling.peak_memory_apart("edge", 32, 60, config)
    # The first layer's input alone, 4 · 60 · 59 rows of 64 floats.
    assert many - few > 4 * 60 * 59 * 64 * 4


def _killed(*_):
    import os

    os._exit(9)


def test_a_killed_process_leaves_memory_unknown(monkeypatch):
    monkeypatch.setattr(scaling, "peak_memory", _killed)
    config = ScalingConfig()
    assert scaling.peak_memory_apart("rn", 8, 2, config) is None
    rows = [
        {"model": "rn", "objects": size, "step_ms": 1.5, "memory_mib": memory}
        for size, memory in ((5, 1.0), (10, None))
    ]
    time, memory = scaling.plot(pd.DataFrame(rows), config).axes
    assert list(time.lines[0].get_xdata()) == [5, 10]
    assert list(memory.lines[0].get_xdata()) == [5]


def test_bad_options():
    with pytest.raises(ValueError, match="unknown model 'rnn'"):
        ScalingConfig(models="rn,rnn")
    with pytest.raises(ValueError, match="`objects` is 0"):
        ScalingConfig(objects=[0, 5])
    with pytest.raises(ValueError, match="`objects` is empty"):
        ScalingConfig(objects=[])
    with pytest.raises(ValueError, match="`steps` is 0"):
        ScalingConfig(steps=0)
