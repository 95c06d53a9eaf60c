"""What all selections have in common: borders, budgets, bad input."""

import inspect
import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from torch.overrides import TorchFunctionMode

from rn_graph import checks
from rn_graph.batching import complete_edge_index
from rn_graph.checks import call_trusted, value_checks
from rn_graph.pairs import (
    AllPairs,
    AttentionPairs,
    Distillation,
    KNNPairs,
    PairSelector,
    RadiusPairs,
    RandomPairs,
)
from rn_graph.pairs import budget as budget_module
from rn_graph.pairs.budget import keep_best, make_budget
from tests.rn_graph import pairs_reference as ref

F, C = 5, 3
quick = settings(deadline=None, max_examples=20)


def budgeted(**budget) -> list[PairSelector]:
    return [
        KNNPairs(**budget),
        KNNPairs(**budget, by="x"),
        RandomPairs(**budget),
        RandomPairs(**budget).eval(),
        AttentionPairs(F, C, **budget),
        AttentionPairs(F, C, **budget).eval(),
    ]


def inputs(sizes: list[int], seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    n = sum(sizes)
    return (
        torch.randn(n, F, generator=g),
        torch.randn(n, 2, generator=g),
        torch.randn(len(sizes), C, generator=g),
        ref.batch_of(sizes),
    )


def is_sorted(edge_index: torch.Tensor, num_nodes: int) -> bool:
    rank = edge_index[1] * num_nodes + edge_index[0]
    return bool((rank[1:] > rank[:-1]).all())


@quick
@given(ref.sizes, ref.budgets)
def test_counts_are_exact_sorted_and_within_graphs(sizes, budget):
    for self_pairs in (True, False):
        for pairs in budgeted(**budget, self_pairs=self_pairs):
            x, pos, q, batch = inputs(sizes)
            edges, weight = pairs(x, q, batch, pos)
            assert is_sorted(edges, len(x))
            assert torch.equal(batch[edges[0]], batch[edges[1]])
            assert self_pairs or (edges[0] != edges[1]).all()
            assert weight is None or weight.shape == edges[0].shape
            kept = torch.bincount(batch[edges[1]], minlength=len(sizes))
            for n, count in zip(sizes, kept.tolist(), strict=True):
                senders = max(n - (not self_pairs), 0)
                if "k" in budget:
                    expected = n * min(budget["k"], senders)
                else:
                    wanted = math.ceil(budget["share"] * n * n - 1e-9)
                    expected = min(wanted, n * senders)
                assert count == expected
            if "k" in budget:
                degree = torch.bincount(edges[1], minlength=len(x))
                limit = (
                    torch.tensor(sizes)[batch] - int(not self_pairs)
                ).clamp(0, budget["k"])
                assert torch.equal(degree, limit)


@quick
@given(ref.sizes)
def test_full_budget_is_all_pairs(sizes):
    x, pos, q, batch = inputs(sizes)
    for self_pairs in (True, False):
        every = AllPairs(self_pairs)(x, q, batch, pos).edge_index
        expected = ref.slow_best(
            lambda i, j: 0.0, sizes, k=99, self_pairs=self_pairs
        )
        assert ref.as_list(every) == expected
        near = RadiusPairs(math.inf, self_pairs=self_pairs)
        assert torch.equal(near(x, q, batch, pos).edge_index, every)
        for budget in ({"share": 1.0}, {"k": 6}):
            for pairs in budgeted(**budget, self_pairs=self_pairs):
                kept = pairs(x, q, batch, pos).edge_index
                assert torch.equal(kept, every), pairs


@quick
@given(ref.sizes, ref.budgets, ref.seeds)
def test_alone_and_in_a_batch_are_the_same(sizes, budget, seed):
    x, pos, q, batch = inputs(sizes, seed)
    selections = [p.eval() for p in budgeted(**budget)]
    for pairs in [*selections, AllPairs(), RadiusPairs(1.0)]:
        together, weight = pairs(x, q, batch, pos)
        alone, weights, start = [], [], 0
        for b, n in enumerate(sizes):
            part = slice(start, start + n)
            one = pairs(x[part], q[b : b + 1], pos=pos[part])
            alone += ref.shifted(one.edge_index, start)
            weights.append(one.edge_weight)
            start += n
        assert ref.as_list(together) == alone, pairs
        if weight is not None:
            torch.testing.assert_close(weight, torch.cat(weights))


@quick
@given(ref.sizes, ref.budgets, ref.seeds)
def test_order_of_nodes_does_not_matter(sizes, budget, seed):
    """Permuted nodes give permuted pairs, where no two scores are equal."""
    x, pos, q, batch = inputs(sizes, seed)
    g = torch.Generator().manual_seed(seed)
    noise = torch.rand(len(x), generator=g)
    order = torch.argsort(batch + noise)  # within each graph
    # Without self-pairs: at distance 0 they all tie.
    selections = [
        KNNPairs(**budget, self_pairs=False),
        RandomPairs(**budget).eval(),
        AttentionPairs(F, C, **budget).eval(),
        AttentionPairs(F, C, **budget, symmetric=False).eval(),
        RadiusPairs(1.0),
    ]
    if "share" in budget:
        del selections[0]  # (i, j) and (j, i) tie: see the next test
        # Rounding may put either of a symmetric pair before the other.
        del selections[1]
    for pairs in selections:
        before = pairs(x, q, batch, pos).edge_index
        after = pairs(x[order], q, batch, pos[order]).edge_index
        found = sorted(ref.as_list(order[after]))
        assert found == sorted(ref.as_list(before)), pairs


@quick
@given(ref.sizes, ref.seeds)
def test_order_of_nodes_breaks_ties_of_both_directions_alone(sizes, seed):
    x, pos, q, batch = inputs(sizes, seed)
    order = torch.argsort(batch + torch.rand(len(x)))

    def undirected(edges: torch.Tensor) -> set[tuple[int, int]]:
        low, high = edges.min(0).values, edges.max(0).values
        return set(ref.as_list(torch.stack([low, high])))

    for pairs in (
        KNNPairs(share=0.3, self_pairs=False),
        AttentionPairs(F, C, share=0.3, self_pairs=False).eval(),
    ):
        before = pairs(x, q, batch, pos).edge_index
        after = order[pairs(x[order], q, batch, pos[order]).edge_index]
        assert undirected(after) == undirected(before)


@pytest.mark.parametrize("sizes", [[0], [0, 0], [1], [0, 1, 0], [3, 0]])
def test_empty_and_lone_graphs(sizes):
    x, pos, q, batch = inputs(sizes)
    for pairs in [*budgeted(k=4), AllPairs(), RadiusPairs(9.0)]:
        edges = pairs(x, q, batch, pos).edge_index
        assert edges.shape == (2, sum(n * n for n in sizes))
        assert edges.dtype == torch.long
    for pairs in budgeted(k=4, self_pairs=False):
        edges = pairs(x, q, batch, pos).edge_index
        assert edges.shape == (2, sum(n * (n - 1) for n in sizes))


def test_blocks_do_not_change_what_is_kept(monkeypatch):
    x, pos, q, batch = inputs([7, 1, 12, 7, 30])
    pos = pos.mul(2).round()  # many ties
    selections = [RadiusPairs(1.0)]
    for budget in ({"k": 3}, {"share": 0.1}, {"share": 0.6}):
        for pairs in budgeted(**budget):
            selections.append(pairs.eval())
    whole = [s(x, q, batch, pos).edge_index for s in selections]
    for size in (1, 20, 100, 500):
        monkeypatch.setattr(budget_module, "BLOCK_PAIRS", size)
        for pairs, expected in zip(selections, whole, strict=True):
            kept = pairs(x, q, batch, pos).edge_index
            assert torch.equal(kept, expected), (pairs, size)


def test_keep_best_takes_the_first_of_equals():
    scores = torch.tensor([[1.0, 2.0, 1.0, 1.0, 0.0], [0.0] * 5])
    kept = keep_best(scores, 3)
    assert kept.tolist() == [
        [True, True, True, False, False],
        [True, True, True, False, False],
    ]


@pytest.mark.parametrize(
    ("share", "size", "count"),
    [(0.05, 20, 20), (0.07, 10, 7), (5 / 9, 3, 5), (0.01, 1, 1), (1.0, 4, 16)],
)
def test_share_counts_what_was_written(share, size, count):
    assert make_budget(None, share).kept(size, True) == count


def test_all_pairs_is_the_complete_edge_index():
    x, _, _, batch = inputs([3, 0, 2])
    kept, weight = AllPairs(self_pairs=False)(x, batch=batch)
    expected = complete_edge_index(batch, self_pairs=False)
    assert torch.equal(kept, expected)
    assert weight is None


MAKERS = [KNNPairs, RandomPairs, lambda **b: AttentionPairs(F, C, **b)]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("budget", "error", "match"),
    [
        ({}, ValueError, "one of `k` and `share`, neither"),
        ({"k": 2, "share": 0.5}, ValueError, "k=2 and share=0.5"),
        ({"k": 0}, ValueError, "`k` is 0, expected an integer > 0"),
        ({"k": -3}, ValueError, "`k` is -3"),
        ({"k": 2.0}, TypeError, "`k` is 2.0, expected an integer"),
        ({"k": True}, TypeError, "`k` is True"),
        ({"share": 0.0}, ValueError, "`share` is 0.0, expected 0 < share ≤ 1"),
        ({"share": 1.01}, ValueError, "`share` is 1.01"),
        ({"share": math.nan}, ValueError, "`share` is nan"),
        ({"share": "5%"}, TypeError, "`share` is '5%'"),
        ({"share": True}, TypeError, "`share` is True"),
        ({"share": 10**400}, ValueError, "`share` is larger than any float"),
    ],
)
def test_bad_budgets(make, budget, error, match):
    with pytest.raises(error, match=match):
        make(**budget)


@pytest.mark.parametrize(
    ("r", "error"),
    [
        (-1.0, ValueError),
        (math.nan, ValueError),
        pytest.param(10**400, ValueError, id="10**400"),
        ("1", TypeError),
        (True, TypeError),
        (None, TypeError),
    ],
)
def test_bad_radius(r, error):
    with pytest.raises(error, match=r"`r` is .*(expected a number|any float)"):
        RadiusPairs(r)


@pytest.mark.parametrize("r", [2**70, 1e300])
def test_a_radius_beyond_every_distance(r):
    x, pos, _, _ = inputs([4])
    assert RadiusPairs(r)(x, pos=pos).edge_index.shape == (2, 16)


@pytest.mark.parametrize(
    ("noise", "error"),
    [
        (-1, ValueError),
        (math.nan, ValueError),
        (math.inf, ValueError),
        (1e30, ValueError),
        pytest.param(10**400, ValueError, id="10**400"),
        ("1", TypeError),
        (True, TypeError),
    ],
)
def test_bad_noise(noise, error):
    with pytest.raises(error, match=r"`noise` is .*(expected|any float)"):
        AttentionPairs(F, C, k=1, noise=noise)


def test_bad_by():
    with pytest.raises(ValueError, match="`by` is 'posi', expected one of"):
        KNNPairs(k=1, by="posi")


def test_a_seed_has_63_bits():
    for seed in (2**63, 2**70):
        with pytest.raises(ValueError, match=r"expected 0 ≤ seed < 2\*\*63"):
            RandomPairs(k=1, seed=seed)
    with pytest.raises(ValueError, match="`seed` is -1, expected"):
        RandomPairs(k=1, seed=-1)
    with pytest.raises(TypeError, match=r"`seed` is 1\.5, expected an integer"):
        RandomPairs(k=1, seed=1.5)
    pairs = RandomPairs(k=1, seed=2**63 - 1).eval()
    assert pairs(torch.ones(3, 1)).edge_index.shape == (2, 3)


def test_a_budget_beyond_all_pairs_keeps_them():
    x, pos, q, batch = inputs([3, 2])
    for pairs in budgeted(k=2**70):
        assert pairs(x, q, batch, pos).edge_index.shape == (2, 13)


@pytest.mark.parametrize(
    "pairs",
    [
        AllPairs(),
        KNNPairs(k=2),
        RadiusPairs(1.0),
        RandomPairs(k=2).eval(),
        AttentionPairs(F, C, k=2),
    ],
    ids=lambda p: type(p).__name__,
)
def test_bad_input(pairs):
    x, pos, q, batch = inputs([3, 2])
    nan = pos.clone()
    nan[1, 0] = math.nan
    with pytest.raises(ValueError, match="`pos` contains NaN"):
        pairs(x, q, batch, nan)
    with pytest.raises(ValueError, match="`x` contains NaN"):
        pairs(x * math.nan, q, batch, pos)
    with pytest.raises(ValueError, match="`pos` has 4 rows, expected 5"):
        pairs(x, q, batch, pos[:4])
    with pytest.raises(ValueError, match="`batch` is not sorted"):
        pairs(x, q, batch.flip(0), pos)
    with pytest.raises(ValueError, match="`batch` has shape"):
        pairs(x, q, batch[:3], pos)
    with pytest.raises(ValueError, match=r"`batch` holds values from 0 to 1"):
        pairs(x, q[:1], batch, pos)
    with pytest.raises(ValueError, match="`question` has 2 rows and `batch`"):
        pairs(x, q, None, pos)
    with pytest.raises(ValueError, match="`x` has shape"):
        pairs(x.unsqueeze(0), q, batch, pos)
    with pytest.raises(TypeError, match=r"`x` is torch\.int64"):
        pairs(x.long(), q, batch, pos)
    with pytest.raises(TypeError, match=r"`batch` is torch\.float32"):
        pairs(x, q, batch.float(), pos)


def test_input_that_is_missing_or_infinite():
    x, pos, q, batch = inputs([3, 2])
    for pairs in (KNNPairs(k=1), RadiusPairs(1.0)):
        with pytest.raises(ValueError, match="`pos` is None, expected"):
            pairs(x, q, batch)
        with pytest.raises(ValueError, match="`pos` contains infinity"):
            pairs(x, q, batch, pos / 0.0)
    pairs = AttentionPairs(F, C, k=1)
    with pytest.raises(ValueError, match="`question` is None, expected"):
        pairs(x, None, batch, pos)
    with pytest.raises(ValueError, match=r"`x` has shape \[5, 4\], expected"):
        pairs(x[:, :4], q, batch, pos)
    with pytest.raises(ValueError, match=r"`question` has shape \[2, 2\]"):
        pairs(x, q[:, :2], batch, pos)


class Scans(TorchFunctionMode):
    """Counts how often each tensor is searched for what it must not hold."""

    def __init__(self):
        super().__init__()
        self.of = Counter()

    def __enter__(self):
        self.has_nan = checks.has_nan

        def counted(x):
            self.of[x.data_ptr()] += 1
            return self.has_nan(x)

        checks.has_nan = counted
        return super().__enter__()

    def __exit__(self, *error):
        checks.has_nan = self.has_nan
        return super().__exit__(*error)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function.__name__ in ("isnan", "isfinite", "isinf", "min"):
            self.of[args[0].data_ptr()] += 1
        return function(*args, **(kwargs or {}))


SELECTIONS = [
    AllPairs(),
    KNNPairs(k=2),
    KNNPairs(k=2, by="x"),
    RadiusPairs(1.0),
    RandomPairs(k=2),
    RandomPairs(k=2).eval(),
    AttentionPairs(F, C, k=2),
    AttentionPairs(F, C, k=2, gate=False),
    AttentionPairs(F, k=2),
    AttentionPairs(F, share=1.0),
]


@pytest.mark.parametrize("pairs", SELECTIONS, ids=lambda p: p.extra_repr())
def test_each_tensor_is_searched_once(pairs):
    x, pos, q, batch = inputs([3, 2])
    with Scans() as scans:
        pairs(x, question=q, batch=batch, pos=pos)
    assert [scans.of[t.data_ptr()] for t in (x, pos, q, batch)] == [1] * 4


def test_scores_search_each_tensor_once():
    x, _, q, batch = inputs([3, 2])
    pairs = AttentionPairs(F, C, share=1.0, gate=False)
    edges = complete_edge_index(batch)
    with Scans() as scans:
        pairs.scores(x, edges, q, batch)
    assert [scans.of[t.data_ptr()] for t in (x, q, batch)] == [1] * 3
    with Distillation(pairs), Scans() as scans:
        pairs(x, q, batch)
    assert [scans.of[t.data_ptr()] for t in (x, q, batch)] == [1] * 3


@pytest.mark.parametrize("pairs", SELECTIONS, ids=lambda p: p.extra_repr())
def test_of_what_the_caller_has_checked_only_what_decides_is_searched(pairs):
    """A caller lets infinity pass, which here would choose the pairs."""
    x, pos, q, batch = inputs([3, 2])
    with Scans() as scans:
        call_trusted(pairs, x, q, batch, pos)
    decides = pairs._goes_by()
    for name, value in (("x", x), ("question", q), ("pos", pos)):
        assert scans.of[value.data_ptr()] == (name in decides)
    assert scans.of[batch.data_ptr()] == 0
    for name in decides:
        bad = {"x": x, "question": q, "pos": pos}
        bad[name] = bad[name] / 0.0
        with pytest.raises(ValueError, match=f"`{name}` contains infinity"):
            call_trusted(pairs, batch=batch, **bad)


def test_the_order_of_arguments_is_that_of_the_models():
    for function in (PairSelector.forward, PairSelector.select):
        names = list(inspect.signature(function).parameters)
        assert names[1:5] == ["x", "question", "batch", "pos"]
    for kind in (AllPairs, KNNPairs, RadiusPairs, RandomPairs, AttentionPairs):
        names = list(inspect.signature(kind.select).parameters)
        assert names[1:] == ["x", "question", "batch", "pos", "sizes"]
    names = list(inspect.signature(AttentionPairs.scores).parameters)
    assert names[1:] == ["x", "edge_index", "question", "batch"]


def test_value_checks_can_be_switched_off():
    x, pos, q, batch = inputs([3, 2])
    pos[0] = math.nan
    with value_checks(False):
        KNNPairs(k=1)(x, q, batch, pos)


def test_inputs_may_be_given_without_batch_or_question():
    x, pos, _, _ = inputs([4])
    for pairs in (KNNPairs(k=2), RandomPairs(k=2), AttentionPairs(F, k=2)):
        edges = pairs(x, pos=pos).edge_index
        assert edges.shape == (2, 8)


def test_repr():
    assert "k=3" in repr(KNNPairs(k=3))
    assert "share=0.1" in repr(AttentionPairs(F, C, share=0.1))
    assert "r=2" in repr(RadiusPairs(2))
    assert "seed=7" in repr(RandomPairs(k=1, seed=7))
