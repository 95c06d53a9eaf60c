"""The models of the comparison, on every kind of objects and questions."""

from dataclasses import replace

import pytest
import torch
from torch_geometric.data import Batch

from experiments.config import ModelConfig
from experiments.measure.matching import count_parameters
from experiments.run.models import MODELS, Inputs, Plan, label, num_objects

STATES = Inputs("states", 5, 4, most=6, vector=7)
KINDS = {
    "states": STATES,
    "words": replace(STATES, vector=0, words=9),
    "no questions": replace(STATES, vector=0),
    "edges": replace(STATES, edges=0),
    "edges with features": replace(STATES, edges=2),
    "images": Inputs("images", 3, 4, size=(13, 20), vector=7),
    "maps": Inputs("maps", 6, 4, size=(3, 4), vector=7),
    "sentences": Inputs("sentences", 9, 4, most=6, words=9),
}
#: Sizes that a kind is tried with, too.
MORE = [{"sentence_places": 7}, {"text_objects": "words"}]
#: Models that are only for some kinds of objects.
ONLY = {"residual_mlp": {"images"}, "film": {"images", "maps"}}
#: A CNN's cells of such a picture, and a map's.
CELLS = {"images": 2 * 3, "maps": 3 * 4}


def batch_of(inputs):
    """Two scenes, of 2 and 3 objects, with a question and with two."""
    scene = torch.tensor([0, 0, 1, 1, 1])
    asked = torch.tensor([0, 1, 1])
    batch = Batch(question_batch=asked)
    if inputs.objects == "states":
        batch.x, batch.pos = torch.randn(5, 5), torch.randn(5, 2)
        batch.batch = scene
    elif inputs.objects == "sentences":
        batch.words = torch.randint(1, 9, (5, 4))
        batch.num_words = torch.tensor([4, 1, 2, 3, 4])
        batch.batch = scene
    else:
        shape = (2, inputs.channels, *inputs.size)
        name = "image" if inputs.objects == "images" else "map"
        batch[name] = torch.rand(shape)
    if inputs.edges is not None:
        batch.edge_index = torch.tensor([[0, 1, 2, 4], [1, 0, 4, 3]])
    if inputs.edges:
        batch.edge_attr = torch.randn(4, inputs.edges)
    if inputs.words:
        batch.tokens = torch.randint(1, 9, (3, 5))
        batch.length = torch.tensor([5, 1, 3])
    if inputs.vector:
        batch.vector = torch.randn(3, 7)
    return batch


def plan_of(inputs, width=12, **sizes):
    sizes = ModelConfig(
        embedding_channels=6,
        question_channels=8,
        hidden_channels=12,
        readout_channels=[9],
        cnn_channels=[4, 5, 6],
        num_layers=2,
        **sizes,
    )
    return Plan(sizes, inputs, width, 2, 0.5, [0, 2, 3])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", [name for name, spec in MODELS.items() if spec.build]
)
def test_every_model_on_every_kind(name, kind):
    """One answer a question, and every parameter learns from them."""
    torch.manual_seed(0)
    inputs, spec = KINDS[kind], MODELS[name]
    assert spec.cells == (name in ONLY)
    if kind not in ONLY.get(name, KINDS):
        with pytest.raises(ValueError, match=f"objects are {inputs.objects}"):
            spec.build(plan_of(inputs))
        return
    if name == "lstm" and kind == "no questions":
        with pytest.raises(ValueError, match="the task has no questions"):
            spec.build(plan_of(inputs))
        return
    if inputs.edges is not None and name.endswith("_knn") and spec.tuned:
        with pytest.raises(ValueError, match="given edges are the pairs"):
            spec.build(plan_of(inputs))
        return
    if inputs.edges and name in ("gcn", "sage", "gin", "edge"):
        with pytest.raises(ValueError, match="would ignore features of edges"):
            spec.build(plan_of(inputs))
        return
    model = spec.build(plan_of(inputs)).train()
    scores = model(batch_of(inputs))
    steps = (8,) if name == "rn_recurrent" else ()
    assert scores.shape == (*steps, 3, 4)
    scores.square().sum().backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None]
    if spec.distilled:  # pairs learn from RN on all of them
        missing = [n for n in missing if not n.startswith("model.pairs.")]
    assert not missing


@pytest.mark.parametrize("more", MORE)
@pytest.mark.parametrize("name", ["rn", "rn_knn", "sequence", "lstm"])
def test_stories_in_other_forms(name, more):
    torch.manual_seed(0)
    inputs = KINDS["sentences"]
    model = MODELS[name].build(plan_of(inputs, **more)).train()
    batch = batch_of(inputs)
    assert model(batch).shape == (3, 4)
    if name != "lstm":
        objects = model.objects(batch).x
        words = more.get("text_objects") == "words"
        assert objects.shape == ((14, 6 + 2) if words else (5, 32 + 1 + 7))


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("rn", {"sentence_places": 5}, "is 5, expected 0 or at least 6"),
        ("mlp", {"text_objects": "words"}, "is words, of which stories have"),
    ],
)
def test_stories_in_forms_that_do_not_fit(name, more, message):
    with pytest.raises(ValueError, match=message):
        MODELS[name].build(plan_of(KINDS["sentences"], **more))


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, spec in MODELS.items()
        if spec.build and not (spec.cells or name == "lstm")
    ],
)
def test_every_model_is_told_of_given_edges(name):
    inputs = KINDS["edges"]
    if name.endswith("_knn") and MODELS[name].tuned:
        return
    torch.manual_seed(1)
    model = MODELS[name].build(replace(plan_of(inputs), share=1.0)).eval()
    batch = batch_of(inputs)
    first = model(batch)
    batch.edge_index = batch.edge_index[:, 1:]
    assert (model(batch) - first).abs()[..., 0, :].max() > 0


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "no questions"])
def test_the_question_alone_sees_no_scene(kind):
    inputs = KINDS[kind]
    model = MODELS["lstm"].build(plan_of(inputs)).eval()
    batch, other = batch_of(inputs), batch_of(inputs)
    for key in ("tokens", "length", "vector"):
        if key in batch:
            other[key] = batch[key]
    torch.testing.assert_close(model(batch), model(other), rtol=0, atol=0)
    encoder = count_parameters(model.encoder)
    assert count_parameters(model) == encoder + count_parameters(model.model)


@pytest.mark.parametrize("kind", CELLS)
def test_cells_are_counted_as_the_cnn_makes_them(kind):
    plan = plan_of(KINDS[kind])
    nodes = MODELS["rn"].build(plan).objects(batch_of(KINDS[kind]))
    assert num_objects(plan) == CELLS[kind]
    assert len(nodes.x) == 2 * CELLS[kind]


@pytest.mark.parametrize(
    "name",
    [name for name, spec in MODELS.items() if spec.build and name != "lstm"],
)
def test_a_residual_cnn_is_a_choice_for_every_model(name):
    torch.manual_seed(0)
    plain = MODELS[name].build(plan_of(KINDS["images"]))
    model = MODELS[name].build(plan_of(KINDS["images"], cnn_blocks=2))
    blocks = model.objects.cnn.blocks
    assert len(blocks) == 2
    # What stands behind it stays as it is.
    assert count_parameters(model.model) == count_parameters(plain.model)
    model(batch_of(KINDS["images"])).square().sum().backward()
    assert all(p.grad is not None for p in blocks.parameters())


@pytest.mark.parametrize("name", ["rn", "rn_distilled", "film", "mlp"])
@pytest.mark.parametrize("layer", [0, 1])
def test_where_the_question_enters_is_a_choice_of_models_with_g(name, layer):
    """Behind any CNN; the others are what they are."""
    plan = plan_of(KINDS["images"], cnn_blocks=1, question_layer=layer)
    model = MODELS[name].build(plan)
    assert model(batch_of(KINDS["images"])).shape == (3, 4)
    if name.startswith("rn"):
        assert model.model.conv.g.question_layer == layer
    else:
        first = MODELS[name].build(replace(plan, sizes=plan_of(None).sizes))
        assert count_parameters(first.model) == count_parameters(model.model)


def test_the_residual_baseline_has_four_blocks_or_as_many_as_all():
    for sizes, count in ({}, 4), ({"cnn_blocks": 3}, 3):
        plan = plan_of(KINDS["images"], **sizes)
        model = MODELS["residual_mlp"].build(plan)
        assert len(model.objects.cnn.blocks) == count


@pytest.mark.parametrize("name", ["rn", "film", "stacked_attention"])
def test_the_papers_cnn_for_clevr(name):
    """Its 8 × 8 cells of 24 channels, with coordinates."""
    inputs = replace(KINDS["images"], size=(128, 128), vector=0, words=9)
    plan = plan_of(inputs)
    sizes = replace(plan.sizes, cnn_channels=[24] * 4)
    plan = replace(plan, sizes=sizes)
    model = MODELS[name].build(plan).eval()
    batch = batch_of(inputs)
    nodes = model.objects(batch)
    assert nodes.x.shape == (2 * 64, 24 + 2)
    assert num_objects(plan) == 64
    assert model(batch).shape == (3, 4)


@pytest.mark.parametrize("size", [(13, 21), (15, 20)])
def test_pictures_of_another_size_are_refused(size):
    inputs = KINDS["images"]
    model = MODELS["mlp"].build(plan_of(inputs))
    with pytest.raises(ValueError, match="expected"):
        model(batch_of(replace(inputs, size=(29, 20))))
    # Within a stride they have as many cells, and are as good.
    assert model(batch_of(replace(inputs, size=size))).shape == (3, 4)


def test_nearest_pairs_are_of_two_objects(sizes, inputs):
    """A small budget is not spent on objects paired with themselves."""
    for name in "rn_knn", "edge_knn":
        plan = Plan(sizes, inputs, 12, depth=1, share=0.2)
        model = MODELS[name].build(plan).model
        x, pos = torch.randn(10, 18), torch.randn(10, 3)
        edges = model.pairs(x, pos=pos).edge_index
        assert edges.size(1) == 20
        assert (edges[0] != edges[1]).all()


def test_labels():
    assert label("rn", None, None) == "RN, all pairs"
    assert label("gcn_knn", 0.125, 1) == "GCN, nearest pairs (12.5 %), 1 layer"
