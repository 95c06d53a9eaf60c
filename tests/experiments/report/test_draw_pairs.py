import json
import math
import random
from dataclasses import replace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.patches import Arc, FancyArrowPatch

from datasets.clevr.draw import draw_pairs, from_above
from datasets.clevr.layout import scenes_path
from datasets.clevr.scenes import generate_scene
from datasets.clevr.vocabulary import TOKENS
from experiments.config import CompareConfig
from experiments.report.draw_pairs import (
    DrawConfig,
    choose_pairs,
    draw,
    learned_pairs,
    main,
    objects_of,
    save,
)
from experiments.run.models import MODELS, Plan
from experiments.run.runs import Run
from rn_graph import QuestionAnswering, QuestionEncoder, RelationNetwork
from rn_graph.pairs import AttentionPairs, KNNPairs, PairSelection

mpl.use("agg")


@pytest.fixture
def scene():
    return generate_scene(random.Random(4), min_objects=6, max_objects=6)


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


@pytest.fixture
def folder(tmp_path):
    """A CLEVR folder of two scenes, and a picture of the second."""
    scenes = [generate_scene(random.Random(i), i, "val") for i in range(2)]
    path = scenes_path(tmp_path, "val")
    path.parent.mkdir()
    info = {"split": "val", "version": "1.0", "date": "", "license": ""}
    path.write_text(json.dumps({"info": info, "scenes": scenes}))
    images = tmp_path / "images"
    images.mkdir()
    picture = np.random.default_rng(0).random((32, 48, 3))
    plt.imsave(images / scenes[1]["image_filename"], picture)
    return tmp_path


def arrows(axes):
    return [p for p in axes.patches if isinstance(p, FancyArrowPatch)]


def loops(axes):
    return [p for p in axes.patches if isinstance(p, Arc)]


def test_an_arrow_for_each_pair_and_a_loop_for_each_self_pair(scene, axes):
    x, pos = objects_of(scene)
    pairs = KNNPairs(k=3)(x, pos=pos)
    from_above(axes, scene, pairs)
    assert len(arrows(axes)) == 12
    assert len(loops(axes)) == 6


def test_arrows_go_from_sender_to_receiver(axes):
    places = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 9.0]])
    pairs = PairSelection(torch.tensor([[0, 2], [1, 1]]))
    draw_pairs(axes, places, np.full(3, 0.5), pairs, "black")
    for arrow, sender in zip(arrows(axes), (0, 2), strict=True):
        start, end = (np.array(p) for p in arrow._posA_posB)
        assert np.linalg.norm(start - places[sender]) < 1
        assert np.linalg.norm(end - places[1]) < 1


def test_opacity_grows_with_weight(axes):
    places = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    edges = torch.tensor([[0, 1, 2, 0], [1, 2, 0, 2]])
    weight = torch.tensor([1.5, 0.5, 1.0, 0.0])
    pairs = PairSelection(edges, weight)
    draw_pairs(axes, places, np.full(3, 0.5), pairs, "black")
    opacity = [arrow.get_alpha() for arrow in arrows(axes)]  # faint ones first
    assert opacity == sorted(opacity)
    assert opacity == pytest.approx([0.1, 0.1 + 0.8 / 3, 0.1 + 1.6 / 3, 0.9])


def test_left_of_in_the_scene_is_left_in_the_drawing(scene, axes):
    from_above(axes, scene, PairSelection(torch.zeros(2, 0).long()))
    pictures = [image.get_extent() for image in axes.images]
    centres = [((a + b) / 2, (c + d) / 2) for a, b, c, d in pictures]
    assert len(centres) == 6
    for name, axis, sign in (("left", 0, -1), ("behind", 1, 1)):
        for i, others in enumerate(scene["relationships"][name]):
            for j in others:
                assert sign * (centres[j][axis] - centres[i][axis]) > 0.2 - 1e-6


def test_selections_keep_their_budget(scene):
    for budget, kept in ({"k": 2}, 12), ({"share": 0.25}, 9):
        chosen = choose_pairs(scene, DrawConfig(**budget))
        assert list(chosen) == [
            "all pairs", "nearest", "random", "attention, untrained",
        ]  # fmt: skip
        counts = [pairs.edge_index.size(1) for pairs in chosen.values()]
        assert counts == [36, kept, kept, kept]


def test_a_figure_for_any_number_of_selections(scene):
    for count in range(1, 5):
        names = ["all", "nearest", "random", "attention"][:count]
        chosen = choose_pairs(scene, DrawConfig(selections=names))
        image = np.zeros((4, 6, 3))
        for picture, drawn in ((None, count), (image, 2 * count)):
            figure = draw(scene, chosen, picture)
            used = [axes for axes in figure.axes if axes.patches]
            assert len(used) == drawn
            plt.close(figure)


def test_command(folder, tmp_path, capsys):
    out = tmp_path / "new" / "pairs.png"
    file = str(scenes_path(folder, "val"))
    argv = ["--scene", file, "--index", "1", "--out", str(out)]
    main([*argv, "--image", str(folder / "images")])
    assert plt.imread(out).ndim == 3
    assert [p.name for p in out.parent.iterdir()] == ["pairs.png"]
    with pytest.raises(FileNotFoundError, match="CLEVR_val_000000"):
        main([*argv[:3], "0", "--image", str(folder / "images")])
    with pytest.raises(ValueError, match=r"`index` is 2, but .* fewer"):
        main([*argv[:3], "2"])
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        main(["--scene", str(folder / "none.json")])


def test_a_generated_scene(tmp_path):
    out = tmp_path / "pairs.svg"
    main(["--objects", "4", "--selections", "nearest", "--out", str(out)])
    assert "<svg" in out.read_text()


def test_nothing_is_left_behind_by_a_wrong_name(tmp_path):
    figure = plt.figure()
    with pytest.raises(ValueError, match=r"`out` is 'a\.jpgg'.*png"):
        save(figure, tmp_path / "a.jpgg")
    assert not list(tmp_path.iterdir())


def with_weights(planned):
    """Begin a run, and give it random weights; its model."""
    planned.begin()
    model = planned.build()
    planned.checkpoint.parent.mkdir(parents=True)
    state = {f"model.{k}": v for k, v in model.state_dict().items()}
    torch.save({"state_dict": state}, planned.checkpoint)
    return model.eval()


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """The folder of a run with learned pairs, its weights drawn at random."""

    def build(plan):
        width = plan.in_channels + plan.hidden_channels
        pairs = AttentionPairs(width, 7, share=0.3)
        model = RelationNetwork(
            plan.in_channels,
            28,
            7,
            plan.hidden_channels,
            2,
            pairs,
            readout_channels=[5],
            object_layers=1,
        )
        return QuestionAnswering(QuestionEncoder(84, 4, 7), model)

    spec = replace(MODELS["rn"], label="learned", build=build)
    monkeypatch.setitem(MODELS, "learned", spec)
    config = CompareConfig(name="c", runs=str(tmp_path))
    planned = Run.plan(config, "learned", 0, Plan(config.model, 18, 6))
    return planned.folder, with_weights(planned)


def test_learned_pairs_are_those_of_the_checkpoint(trained, scene):
    folder, model = trained
    edges, weight = learned_pairs(scene, folder, "What size is the red cube?")
    assert edges.size(1) == math.ceil(0.3 * 36)
    x, pos = objects_of(scene)
    words = ["what", "size", "is", "the", "red", "cube", "?"]
    tokens = torch.tensor([[TOKENS.index(word) for word in words]])
    question = model.encoder(tokens, torch.tensor([7]))
    seen = model.model.objects(x, question, torch.zeros(6).long())
    expected = model.model.pairs(seen, question, pos=pos)
    assert torch.equal(edges, expected.edge_index)
    assert torch.equal(weight, expected.edge_weight)
    chosen = choose_pairs(
        scene,
        DrawConfig(run=str(folder), question="Is there a cube?"),
    )
    assert list(chosen)[-1] == "learned"  # the run's model


def test_a_run_without_learned_pairs_is_refused(tmp_path, scene):
    config = CompareConfig(name="c", runs=str(tmp_path))
    planned = Run.plan(config, "rn", 0, Plan(config.model, 18, 6))
    with_weights(planned)
    with pytest.raises(ValueError, match="'rn', expected a model whose pairs"):
        learned_pairs(scene, planned.folder, "Is there a cube?")


def test_bad_options():
    with pytest.raises(ValueError, match="unknown selection 'near'"):
        DrawConfig(selections="all, near")
    with pytest.raises(ValueError, match="`run` and `question` together"):
        DrawConfig(run="runs/a")
    with pytest.raises(ValueError, match="`image` is given without `scene`"):
        DrawConfig(image="images")
    with pytest.raises(ValueError, match="`index` is -1"):
        DrawConfig(index=-1)


def test_pairs_within_a_radius(scene):
    config = DrawConfig(selections="radius", r=3.0)
    [(title, pairs)] = choose_pairs(scene, config).items()
    assert title == "within 3"
    pos = objects_of(scene)[1]
    far = torch.cdist(pos, pos)
    assert pairs.edge_index.size(1) == int((far <= 3).sum()) - len(pos)
