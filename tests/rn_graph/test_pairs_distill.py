"""Scores taught by what each pair is worth to a network on all pairs."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings

from rn_graph.models import RelationNetwork
from rn_graph.pairs import AttentionPairs, Distillation, KNNPairs
from tests.rn_graph import pairs_reference as ref


def make(self_pairs=True, hidden_channels=8):
    torch.manual_seed(0)
    pairs = AttentionPairs(
        4,
        3,
        share=1.0,
        gate=False,
        symmetric=False,
        self_pairs=self_pairs,
    )
    return RelationNetwork(
        4,
        5,
        3,
        hidden_channels,
        num_layers=2,
        pairs=pairs,
        self_pairs=self_pairs,
    ).double()


def data(sizes, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(sum(sizes), 4, generator=g).double()
    question = torch.randn(len(sizes), 3, generator=g).double()
    y = torch.randint(5, (len(sizes),), generator=g)
    return x, question, ref.batch_of(sizes), y


def slow_loss(model, x, question, batch, y):
    """By the formulas, one pair after another."""
    edges, _ = model.pairs(x, question, batch)
    weight = torch.ones(edges.size(1)).double().requires_grad_()
    total = [torch.zeros(8).double() for _ in question]
    for w, (j, i) in zip(weight, edges.T.tolist(), strict=True):
        h = torch.cat([x[i], x[j], question[batch[i]]])
        for lin in model.conv.g.lins:
            h = (lin.weight @ h + lin.bias).relu()
        total[batch[i]] = total[batch[i]] + w * h
    loss = F.cross_entropy(model.readout(torch.stack(total)), y)
    worth = torch.zeros(0)
    if len(weight):
        worth = torch.autograd.grad(loss, weight)[0].abs().tolist()
    t = model.pairs.scores(x, edges, question, batch)
    terms = []
    for graph in range(len(question)):
        mine = [p for p in range(edges.size(1)) if batch[edges[1, p]] == graph]
        total = sum(worth[p] for p in mine)
        if total == 0:
            continue
        log_p = t[mine].log_softmax(0)
        terms.append(
            -sum(
                worth[p] / total * each
                for p, each in zip(mine, log_p, strict=True)
            )
        )
    return sum(terms) / len(terms) if terms else t.sum() * 0


@settings(deadline=None, max_examples=20)
@given(ref.sizes, ref.seeds)
def test_loss_equals_leaving_each_pair_out(sizes, seed):
    for self_pairs in True, False:
        model = make(self_pairs)
        x, question, batch, y = data(sizes, seed)
        if not sizes:
            continue
        with Distillation(model.pairs) as teacher:
            asked = torch.arange(len(sizes))  # also about empty scenes
            out = model(x, question, batch, question_batch=asked)
            loss = F.cross_entropy(out, y)
            found = teacher.loss(loss)
        expected = slow_loss(model, x, question, batch, y)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
        parameters = list(model.pairs.parameters())
        for a, b in zip(
            torch.autograd.grad(found, parameters, allow_unused=True),
            torch.autograd.grad(expected, parameters, allow_unused=True),
            strict=True,
        ):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_it_teaches_the_selection_alone():
    model = make()
    x, question, batch, y = data([5, 4])
    with Distillation(model.pairs) as teacher:
        loss = F.cross_entropy(model(x, question, batch), y)
        teacher.loss(loss).backward()
    for name, parameter in model.named_parameters():
        taught = parameter.grad is not None and bool(parameter.grad.any())
        assert taught == name.startswith("pairs."), name


def test_the_answer_is_that_of_all_pairs_and_nothing_stays_behind():
    model = make()
    x, question, batch, _ = data([5, 4])
    plain = model(x, question, batch)
    with Distillation(model.pairs):
        torch.testing.assert_close(model(x, question, batch), plain)
    assert model.pairs(x, question, batch).edge_weight is None


def test_it_finds_the_pairs_that_decide():
    """Only pairs with the one marked object matter; nothing else says so."""
    torch.manual_seed(3)
    model = make(hidden_channels=32).float()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    batch = ref.batch_of([8] * 32)

    def draw():
        x = torch.randn(8 * 32, 4)
        marked = F.one_hot(torch.randint(8, (32,)), 8).flatten() > 0
        x[:, 0] = marked
        return x, marked, (x[marked, 1] > 0).long()

    for _ in range(300):
        x, _, y = draw()
        with Distillation(model.pairs) as teacher:
            loss = F.cross_entropy(model(x, torch.zeros(32, 3), batch), y)
            optimizer.zero_grad()
            (loss + teacher.loss(loss)).backward()
        optimizer.step()
    model.pairs.budget = model.pairs.budget._replace(share=0.2)
    x, marked, _ = draw()
    j, i = model.pairs(x, torch.zeros(32, 3), batch).edge_index
    # 13 of 64 pairs are kept, and it is in 15 of them.
    assert (marked[i] | marked[j]).float().mean() > 0.9


def test_nothing_depends_on_any_pair():
    model = make()
    with Distillation(model.pairs) as teacher:
        out = model(*data([5, 4])[:3])
        assert teacher.loss((out * 0).sum()) == 0
        none, question, batch, _ = data([0, 0])
        assert teacher.loss(model(none, question, batch).sum()) == 0


def test_the_loss_is_that_of_the_last_forward_pass():
    model = make()
    x, question, batch, _ = data([5, 4])
    with Distillation(model.pairs) as teacher:
        early, late = (model(x, question, batch).sum() for _ in range(2))
        assert teacher.loss(late) > 0
        with torch.no_grad():
            without = model(x, question, batch).sum()
        elsewhere = torch.ones((), requires_grad=True) * 2
        for loss in early, late, without, elsewhere:
            with pytest.raises(RuntimeError, match="does not depend on"):
                teacher.loss(loss)


def test_one_teaches_at_a_time():
    model = make()
    x, question, batch, _ = data([5, 4])
    first, second = Distillation(model.pairs), Distillation(model.pairs)
    with first:
        for other in first, second:
            with pytest.raises(RuntimeError, match="being taught already"):
                other.__enter__()
        found = first.loss(model(x, question, batch).sum())
    assert model.pairs(x, question, batch).edge_weight is None
    for teacher in first, second:  # again, and the other
        with teacher:
            loss = teacher.loss(model(x, question, batch).sum())
        assert loss == found
    with pytest.raises(KeyError), first:
        raise KeyError
    assert model.pairs(x, question, batch).edge_weight is None


@pytest.mark.parametrize(
    "copy_of", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_copy_is_not_taught(copy_of):
    model = make()
    x, question, batch, _ = data([5, 4])
    with Distillation(model.pairs) as teacher:
        loss = model(x, question, batch).sum()
        copied = copy_of(model)
        assert copied.pairs(x, question, batch).edge_weight is None
        assert teacher.loss(loss) > 0
        assert model.pairs(x, question, batch).edge_weight is not None
        with Distillation(copied.pairs) as other:
            assert other.loss(copied(x, question, batch).sum()) > 0
    assert copied.state_dict().keys() == model.state_dict().keys()


def test_misuse_is_refused():
    with pytest.raises(TypeError, match="expected AttentionPairs"):
        Distillation(KNNPairs(k=2))
    with pytest.raises(ValueError, match=r"AttentionPairs\(gate=False\)"):
        Distillation(AttentionPairs(4, 3, share=1.0))
    with pytest.raises(RuntimeError, match="not run in this context"):
        Distillation(make().pairs).loss(torch.ones(()))
