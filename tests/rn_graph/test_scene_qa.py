from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data

from rn_graph import (
    DeepSets,
    QuestionEncoder,
    RelationNetwork,
    SceneQA,
)
from rn_graph.encoders import Cells, ConvNet, Sentences, States, VectorQuestion
from rn_graph.explain import pair_contributions
from rn_graph.models import JoinedMLP
from rn_graph.pairs import KNNPairs

WORDS = 9


def words(questions, seed=0):
    g = torch.Generator().manual_seed(seed)
    return {
        "tokens": torch.randint(WORDS, (questions, 5), generator=g),
        "length": torch.randint(1, 6, (questions,), generator=g),
    }


def states(**more):
    """Two scenes of 3 and 2 objects."""
    g = torch.Generator().manual_seed(1)
    return Batch(
        x=torch.randn(5, 4, generator=g),
        pos=torch.randn(5, 2, generator=g),
        batch=torch.tensor([0, 0, 0, 1, 1]),
        **more,
    )


def network(channels=4, question=6, **options):
    options = {"hidden_channels": 8, "readout_channels": (8,), **options}
    return RelationNetwork(channels, 3, question, num_layers=2, **options)


def in_words(**options):
    torch.manual_seed(0)
    return SceneQA(States(4), QuestionEncoder(WORDS, 3, 6), network(**options))


def test_questions_in_words_reach_the_model():
    qa = in_words()
    batch = states(**words(2))
    asked = qa.encoder(batch.tokens, batch.length)
    expected = qa.model(batch.x, asked, batch.batch)
    torch.testing.assert_close(qa(batch), expected)
    batch.question_batch = torch.tensor([1, 0])
    swapped = qa.model(batch.x, asked, batch.batch, batch.question_batch)
    torch.testing.assert_close(qa(batch), swapped)
    assert not torch.allclose(swapped, expected)


def test_positions_reach_the_model():
    qa = in_words(pairs=KNNPairs(k=1, self_pairs=False))
    batch = states(**words(2))
    out = qa(batch)
    batch.pos = batch.pos[[1, 2, 0, 3, 4]]
    assert not torch.allclose(qa(batch), out)
    del batch.pos
    nodes, _ = qa.encode(batch)
    assert nodes.pos is None


def test_new_parameters_of_every_part():
    objects = Cells(ConvNet(3, (4,)), 3)
    encoder = QuestionEncoder(6, 3, 5)
    qa = SceneQA(objects, encoder, network(6, 5))
    before = {k: v.clone() for k, v in qa.state_dict().items()}
    qa.reset_parameters()
    after = qa.state_dict()
    for name in (
        "objects.cnn.convs.0.weight",
        "encoder.embedding.weight",
        "model.conv.g.lins.0.weight",
    ):
        assert not torch.equal(before[name], after[name]), name


def test_weights_have_the_names_of_their_parts():
    qa = in_words()
    keys = {name.split(".")[0] for name in qa.state_dict()}
    assert keys == {"encoder", "model"}  # states have nothing to learn


def test_pictures_are_read_once_however_many_questions():
    torch.manual_seed(0)
    objects = Cells(ConvNet(3, (4, 4)), in_channels=3)
    model = JoinedMLP(objects.out_channels, 3, 6, num_objects=4)
    qa = SceneQA(objects, VectorQuestion(6), model).eval()
    seen = []
    objects.cnn.register_forward_hook(
        lambda module, inputs, out: seen.append(len(inputs[0]))
    )
    images, vector = torch.rand(2, 3, 8, 8), torch.randn(5, 6)
    scene = torch.tensor([1, 0, 1, 1, 0])
    out = qa(SimpleNamespace(image=images, vector=vector, question_batch=scene))
    assert seen == [2]
    for i, g in enumerate(scene.tolist()):
        alone = qa(SimpleNamespace(image=images[[g]], vector=vector[[i]]))
        torch.testing.assert_close(out[i], alone[0])
    out.square().sum().backward()
    for name, p in qa.named_parameters():
        assert p.grad is not None, name


def test_stories_and_questions_of_words():
    torch.manual_seed(0)
    objects = Sentences(WORDS, 3, 5)
    qa = SceneQA(
        objects, QuestionEncoder(WORDS, 3, 6), network(objects.out_channels)
    )
    told = words(4, seed=3)
    batch = Batch(
        words=told["tokens"],
        num_words=told["length"],
        batch=torch.tensor([0, 0, 0, 1]),
        **words(2),
    )
    nodes, asked = qa.encode(batch)
    assert nodes.x[:, -1].tolist() == [-1, 0, 1, 0]
    expected = qa.model(nodes.x, asked, nodes.batch)
    torch.testing.assert_close(qa(batch), expected)


def test_without_questions_each_scene_answers_whoever_asks():
    torch.manual_seed(0)
    qa = SceneQA(States(4), None, DeepSets(4, 3, hidden_channels=8))
    batch = states()
    nodes, question = qa.encode(batch)
    assert question is None
    out = qa(batch)
    torch.testing.assert_close(out, qa.model(nodes.x, None, nodes.batch))
    batch.question_batch = torch.tensor([1, 0, 1])
    torch.testing.assert_close(qa(batch), out[[1, 0, 1]])
    batch.question_batch = torch.tensor([2])
    with pytest.raises(ValueError, match=r"`batch.question_batch` .*\[0, 2\)"):
        qa(batch)


def test_an_encoder_without_fields_is_given_words():
    class Bag(nn.Module):
        def forward(self, tokens, length):
            return torch.stack(
                [
                    torch.bincount(t[:n], minlength=WORDS).float()
                    for t, n in zip(tokens, length, strict=True)
                ]
            )

    qa = SceneQA(States(4), Bag(), network(question=WORDS))
    assert qa(states(**words(2))).shape == (2, 3)


def test_explained_by_its_parts():
    qa = in_words()
    batch = states(**words(3), question_batch=torch.tensor([0, 1, 1]))
    nodes, asked = qa.encode(batch)
    found = pair_contributions(
        qa.model, nodes.x, asked, nodes.batch, batch.question_batch, nodes.pos
    )
    best = qa(batch).max(1)
    assert torch.equal(found.answer, best.indices)
    torch.testing.assert_close(found.score, best.values)


class OverEdges(nn.Module):
    """A model of given edges."""

    def forward(
        self,
        x,
        question=None,
        batch=None,
        question_batch=None,
        pos=None,
        edge_index=None,
    ):
        sums = x.new_zeros(2, x.size(1)).index_add(
            0, batch[edge_index[1]], x[edge_index[0]]
        )
        return torch.cat([sums, question], 1)


def test_given_edges_reach_a_model_that_takes_them():
    parts = [
        Data(x=torch.randn(3, 4), edge_index=torch.tensor([[0, 1], [2, 2]])),
        Data(x=torch.randn(2, 4), edge_index=torch.tensor([[1], [0]])),
    ]
    batch = Batch.from_data_list(parts)
    batch.vector = torch.randn(2, 6)
    qa = SceneQA(States(4), VectorQuestion(6), OverEdges())
    x = batch.x
    expected = torch.stack([x[0] + x[1], x[4]])
    torch.testing.assert_close(qa(batch)[:, :4], expected)
    batch.edge_attr = torch.randn(3, 1)
    with pytest.raises(
        ValueError, match=r"`batch.edge_attr` is given, but Over"
    ):
        qa(batch)
    qa = SceneQA(States(4), VectorQuestion(6), network())
    with pytest.raises(
        ValueError,
        match=r"`edge_index` is given, but this RelationNetwork takes no",
    ):
        qa(batch)


def test_fields_that_are_missing():
    qa = in_words()
    with pytest.raises(ValueError, match=r"`batch.x` is missing"):
        qa(Batch(**words(2)))
    with pytest.raises(
        ValueError, match=r"`batch.tokens` is missing, .* tokens, length"
    ):
        qa(states())
    with pytest.raises(TypeError, match=r"`batch.length` is list"):
        qa(states(**words(2) | {"length": [1, 2]}))


@pytest.mark.parametrize("name", ["objects", "encoder", "model"])
def test_parts_that_are_no_modules(name):
    parts = {"objects": States(4), "encoder": None, "model": network()}
    with pytest.raises(TypeError, match=f"`{name}` is 'x', expected a torch"):
        SceneQA(**parts | {name: "x"})
