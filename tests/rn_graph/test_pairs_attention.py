"""Learned pairs: the best by their scores, and scores that learn."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from rn_graph.conv import RNConv
from rn_graph.pairs import AttentionPairs
from tests.rn_graph import pairs_reference as ref

quick = settings(deadline=None, max_examples=60)


def make(**options) -> AttentionPairs:
    torch.manual_seed(0)
    pairs = AttentionPairs(4, 3, **options)
    for parameter in pairs.parameters():  # scores far from one another
        torch.nn.init.normal_(parameter)
    return pairs.double().eval()


def slow_score(pairs: AttentionPairs, x, q, i: int, j: int, nodes):
    """The formula of the docstring, for one pair, head by head."""
    d, heads = pairs.channels, pairs.heads

    def project(n: int):
        scale, shift = pairs.lin_question(q).chunk(2)
        h = ((1 + scale) * pairs.lin_x(x[n]) + shift).relu()
        return pairs.lin_out(h).view(heads, -1)

    def raw(a: int, b: int):
        pa, pb = project(a), project(b)
        key, v = pb[:, :d], pb[:, d]
        if pairs.symmetric:
            sign = torch.tensor([(-1.0) ** c for c in range(d)])
            query, u = pa[:, :d] * sign, pa[:, d]
        else:
            query, u, v = pa[:, d + 1 : -1], pa[:, d], pb[:, -1]
        return (query * key).sum(-1) / d**0.5 + u + v

    mean = torch.stack([raw(a, b) for a in nodes for b in nodes]).mean(0)
    joint = (raw(i, j) - mean).exp().mean().log()
    return 2 * torch.tanh(joint / 2)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("heads", [1, 3])
def test_weights_equal_reference(symmetric, heads):
    sizes = [4, 0, 1, 3]
    pairs = make(share=1.0, channels=2, symmetric=symmetric, heads=heads)
    x, q = torch.randn(8, 4).double(), torch.randn(4, 3).double()
    batch = ref.batch_of(sizes)
    edges, weight = pairs(x, q, batch)
    for (j, i), w in zip(ref.as_list(edges), weight, strict=True):
        nodes = (batch == batch[i]).nonzero().flatten().tolist()
        score = slow_score(pairs, x, q[batch[i]], i, j, nodes)
        torch.testing.assert_close(w, 2 * score.sigmoid())


def test_scores_of_listed_pairs_are_those_before_bound_and_gate():
    pairs = make(share=1.0)
    x, q = torch.randn(8, 4).double(), torch.randn(3, 3).double()
    batch = ref.batch_of([4, 1, 3])
    edges, weight = pairs(x, q, batch)
    some = torch.randperm(edges.size(1))[:9]
    found = pairs.scores(x, edges[:, some], q, batch)
    expected = 2 * torch.sigmoid(2 * torch.tanh(found / 2))
    torch.testing.assert_close(expected, weight[some])


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([[0, 8], [1, 0]], r"`edge_index` sends from nodes 0 to 8"),
        ([[0, 1], [-1, 0]], r"`edge_index` leads to nodes -1 to 0"),
        ([[0, 1, 2]], r"`edge_index` has shape \[1, 3\], expected \[2, E\]"),
        ([[0.0], [1.0]], r"`edge_index` is torch.float32"),
        ([[0, 3], [1, 4]], r"`edge_index` joins nodes of different graphs"),
    ],
)
def test_pairs_to_score_are_checked(edges, message):
    pairs = make(share=1.0)
    x, q = torch.randn(8, 4).double(), torch.randn(3, 3).double()
    with pytest.raises((TypeError, ValueError), match=message):
        pairs.scores(x, torch.tensor(edges), q, ref.batch_of([4, 1, 3]))


@quick
@given(ref.sizes, ref.budgets, ref.seeds, st.booleans(), st.booleans())
def test_the_best_are_kept(sizes, budget, seed, symmetric, self_pairs):
    """Against a sort of all pairs' weights, ties by rounding set aside."""
    pairs = make(**budget, symmetric=symmetric, self_pairs=self_pairs)
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(sum(sizes), 4, generator=g).double() / 4
    q = torch.randn(len(sizes), 3, generator=g).double() / 4
    batch = ref.batch_of(sizes)
    full = make(share=1.0, symmetric=symmetric)
    with torch.no_grad():
        every, weight = full(x, q, batch)
    known = {
        (i, j): -round(float(w), 9)
        for (j, i), w in zip(ref.as_list(every), weight, strict=True)
    }
    expected = ref.slow_best(
        lambda i, j: known[i, j], sizes, **budget, self_pairs=self_pairs
    )
    kept, kept_weight = pairs(x, q, batch)
    cost = sorted(known[i, j] for j, i in ref.as_list(kept))
    assert cost == sorted(known[i, j] for j, i in expected)
    assert kept_weight.tolist() == pytest.approx(
        [-known[i, j] for j, i in ref.as_list(kept)]
    )


def test_equal_objects_tie_by_index():
    x, q = torch.ones(6, 4).double(), torch.ones(1, 3).double()
    kept = make(k=2)(x, q).edge_index
    assert ref.as_list(kept) == [(j, i) for i in range(6) for j in (0, 1)]


def test_gradients_reach_every_parameter_from_the_answer_alone():
    pairs = AttentionPairs(4, 3, share=0.3, heads=2)
    conv = RNConv(4, 8, hidden_channels=8, num_layers=2, question_channels=3)
    x, q = torch.randn(12, 4), torch.randn(2, 3)
    batch = ref.batch_of([6, 6])
    edges, weight = pairs(x, q, batch)
    out = conv(x, edges, q, batch, edge_weight=weight)
    out.square().sum().backward()
    for name, parameter in pairs.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_gradient_of_weights_is_right():
    pairs = make(k=2, heads=2)
    x = torch.randn(5, 4).double().requires_grad_()
    q = torch.randn(1, 3).double().requires_grad_()

    def weights(x, q):
        return pairs(x, q).edge_weight

    assert torch.autograd.gradcheck(weights, (x, q))


def test_gates_are_no_softmax_and_start_near_one():
    torch.manual_seed(1)
    pairs = AttentionPairs(4, 3, share=0.1).eval()
    x, q = torch.randn(100, 4), torch.randn(1, 3)
    weight = pairs(x, q).edge_weight
    assert weight.shape == (1000,)
    assert 0.7 < weight.mean() < 1.76
    assert weight.min() > 0.23
    assert weight.max() < 1.77


def test_noise_explores_in_training_only():
    torch.manual_seed(0)
    pairs = AttentionPairs(4, 3, share=0.2, noise=1.0)
    x, q = torch.randn(10, 4), torch.randn(1, 3)
    drawn = {str(pairs(x, q).edge_index.tolist()) for _ in range(5)}
    assert len(drawn) > 1
    pairs.eval()
    fixed = {str(pairs(x, q).edge_index.tolist()) for _ in range(5)}
    assert len(fixed) == 1
    quiet = AttentionPairs(4, 3, share=0.2, noise=0.0)
    fixed = {str(quiet(x, q).edge_index.tolist()) for _ in range(5)}
    assert len(fixed) == 1


def test_noise_draws_in_proportion_to_exp_score():
    """Of two candidates, one is kept with odds exp(difference / noise)."""
    torch.manual_seed(2)
    pairs = AttentionPairs(
        4, 3, k=1, noise=0.7, symmetric=False, self_pairs=False
    ).double()
    for parameter in pairs.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    x = torch.randn(3, 4).double().repeat(20000, 1)
    q = torch.randn(1, 3).double().repeat(20000, 1)
    batch = ref.batch_of([3] * 20000)
    sender = pairs(x, q, batch).edge_index[0].view(-1, 3)[:, 0] % 3
    pairs.budget = pairs.budget._replace(k=2)
    weight = pairs(x[:3], q[:1]).edge_weight[:2]  # of (1, 0), (2, 0)
    odds = ((weight / 2).logit() / 0.7).exp()
    expected = odds[0] / odds.sum()
    assert abs((sender == 1).double().mean() - expected) < 0.02


def test_reset_parameters_and_lazy_widths():
    pairs = AttentionPairs(-1, 3, k=2)
    x, q = torch.randn(5, 7), torch.randn(1, 3)
    pairs(x, q)
    before = pairs.lin_x.weight.clone()
    pairs.reset_parameters()
    assert before.shape == (64, 7)
    assert not torch.equal(before, pairs.lin_x.weight)


def test_training_moves_the_scores_to_what_the_answer_needs():
    """A target that one kind of object sends raises that object's pairs."""
    torch.manual_seed(0)
    pairs = AttentionPairs(4, None, share=0.25, symmetric=False)
    conv = RNConv(4, 1, hidden_channels=16, num_layers=2, plain_last=True)
    optimizer = torch.optim.Adam(
        [*pairs.parameters(), *conv.parameters()], 0.01
    )
    batch = ref.batch_of([6] * 16)
    losses = []
    for _ in range(120):
        x = torch.randn(16, 6, 4)
        x[..., 0] = -1.0
        x[:, 0, 0] = 1.0  # the object that matters
        x = x.flatten(0, 1)
        edges, weight = pairs(x, batch=batch)
        out = conv(x, edges, None, batch, edge_weight=weight)
        answer = out.new_zeros(16, 1).index_add(0, batch, out)
        loss = F.mse_loss(answer, x.view(16, 6, 4)[:, 0, 1:2])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-20:]) < 0.5 * sum(losses[:20])
    sender = pairs.eval()(x, batch=batch).edge_index[0]
    receiver = pairs(x, batch=batch).edge_index[1]
    named = (sender % 6 == 0) | (receiver % 6 == 0)
    assert named.double().mean() > 0.6  # 11 of 36 by chance


def test_parameters_that_diverged_are_named():
    pairs = AttentionPairs(4, None, k=2)
    with torch.no_grad():
        pairs.lin_out.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="have diverged"):
        pairs(torch.ones(3, 4))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("in_channels", 0),
        ("in_channels", -5),
        ("in_channels", "3"),
        ("question_channels", 0),
        ("heads", 1.5),
        ("channels", 0),
    ],
)
def test_widths_are_checked(key, value):
    widths = {"in_channels": 3, "question_channels": 4, key: value}
    with pytest.raises((TypeError, ValueError), match=f"`{key}` is {value!r}"):
        AttentionPairs(**widths, k=2)
