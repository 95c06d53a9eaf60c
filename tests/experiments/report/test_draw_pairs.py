import math
from dataclasses import replace

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import torch

from datasets.clevr.task import TASK, ClevrData
from datasets.task import Source
from experiments.config import CompareConfig, ModelConfig
from experiments.report.draw_pairs import (
    DrawConfig,
    choose_pairs,
    learned_pairs,
    main,
    save,
)
from experiments.run.models import MODELS, Plan
from experiments.run.runs import Run, load_model
from rn_graph import QuestionEncoder, RelationNetwork, SceneQA
from rn_graph.encoders import Nodes, States
from rn_graph.pairs import AttentionPairs

mpl.use("agg")


@pytest.fixture
def scene():
    return TASK.find_scene(Source(seed=4), TASK.settings())


@pytest.fixture
def nodes(scene):
    batch = TASK.batch(scene, TASK.example, ClevrData())
    return Nodes(batch.x, batch.batch, batch.pos)


def test_selections_keep_their_budget(nodes):
    for budget, kept in ({"k": 2}, 12), ({"share": 0.25}, 9):
        chosen = choose_pairs(nodes, DrawConfig(**budget))
        assert list(chosen) == [
            "all pairs", "nearest", "random", "attention, untrained",
        ]  # fmt: skip
        counts = [pairs.edge_index.size(1) for pairs in chosen.values()]
        assert counts == [36, kept, kept, kept]


def test_pairs_within_a_radius(nodes):
    config = DrawConfig(selections="radius", r=3.0)
    [(title, pairs)] = choose_pairs(nodes, config).items()
    assert title == "within 3"
    far = torch.cdist(nodes.pos, nodes.pos)
    assert pairs.edge_index.size(1) == int((far <= 3).sum()) - len(nodes.pos)


@pytest.mark.parametrize("task", ["clevr", "sort_of_clevr"])
def test_a_made_scene_of_any_task(tmp_path, capsys, task):
    out = tmp_path / "new" / "pairs.svg"
    argv = ["--task", task, "--selections", "nearest", "--out", str(out)]
    main(argv)
    assert "<svg" in out.read_text()
    assert "6 objects" in capsys.readouterr().err
    assert [p.name for p in out.parent.iterdir()] == ["pairs.svg"]


def test_nothing_is_left_behind_by_a_wrong_name(tmp_path):
    figure = plt.figure()
    with pytest.raises(ValueError, match=r"`out` is 'a\.jpgg'.*png"):
        save(figure, tmp_path / "a.jpgg")
    assert not list(tmp_path.iterdir())


def with_weights(config, name, plan):
    """Begin a run, and give it random weights; its folder and model."""
    planned = Run.plan(config, name, 0, plan)
    planned.begin()
    model = planned.build()
    planned.checkpoint.parent.mkdir(parents=True)
    state = {f"model.{k}": v for k, v in model.state_dict().items()}
    torch.save({"state_dict": state}, planned.checkpoint)
    return planned.folder, model.eval()


@pytest.fixture
def config(tmp_path):
    return CompareConfig(
        "clevr",
        name="c",
        runs=str(tmp_path),
        data=ClevrData(),
        model=ModelConfig(),
    )


@pytest.fixture
def trained(config, inputs, monkeypatch):
    """A run with learned pairs of objects that saw the question."""

    def build(plan):
        width = plan.inputs.channels + plan.hidden_channels
        model = RelationNetwork(
            plan.inputs.channels,
            28,
            7,
            plan.hidden_channels,
            2,
            AttentionPairs(width, 7, share=0.3),
            readout_channels=[5],
            object_layers=1,
        )
        objects = States(plan.inputs.channels)
        return SceneQA(objects, QuestionEncoder(84, 4, 7), model)

    spec = replace(MODELS["rn"], label="learned", build=build)
    monkeypatch.setitem(MODELS, "learned", spec)
    return with_weights(config, "learned", Plan(config.model, inputs, 6))


def test_learned_pairs_are_those_of_the_checkpoint(trained, scene, tmp_path):
    folder, model = trained
    asked = "What size is the red cube?"
    batch = TASK.batch(scene, asked, ClevrData())
    _, loaded = load_model(folder)
    nodes, question = loaded.encode(batch)
    edges, weight = learned_pairs(loaded, nodes, question)
    assert edges.size(1) == math.ceil(0.3 * 36)
    question = model.encoder(batch.tokens, batch.length)
    seen = model.model.objects(batch.x, question, batch.batch)
    expected = model.model.pairs(seen, question, pos=batch.pos)
    assert torch.equal(edges, expected.edge_index)
    assert torch.equal(weight, expected.edge_weight)

    out = tmp_path / "pairs.svg"
    argv = ["--run", str(folder), "--question", asked, "--out", str(out)]
    main([*argv, "--selections", "all,attention"])
    text = out.read_text()
    # matplotlib says in a comment what each text of a picture is.
    for title in (f"learned  ·  {edges.size(1)} of 36", "all pairs", asked):
        assert f"<!-- {title}" in text
    assert "untrained" not in text


def test_a_run_without_learned_pairs_is_refused(config, inputs):
    plan = Plan(config.model, inputs, 8, depth=1)
    for name in ("rn", "gcn"):
        folder, _ = with_weights(config, name, plan)
        with pytest.raises(ValueError, match="a model without learned pairs"):
            main(["--run", str(folder), "--question", "Is there a cube?"])


def test_bad_options():
    with pytest.raises(ValueError, match="unknown selection 'near'"):
        DrawConfig(selections="all, near")
    with pytest.raises(ValueError, match="`selections` is empty"):
        DrawConfig(selections=[])
    with pytest.raises(ValueError, match="`run` and `question` together"):
        DrawConfig(run="runs/a")
    with pytest.raises(ValueError, match="`index` is -1"):
        DrawConfig(index=-1)
    with pytest.raises(ValueError, match="`task` is '', expected one of"):
        main([])
