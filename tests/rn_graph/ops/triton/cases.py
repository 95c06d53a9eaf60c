"""Sums by the Triton kernels beside their formula, in Triton's interpreter.

A program of its own, since the interpreter must be chosen before Triton is
imported. Draws problems from the seed that is its argument; prints each, and
the largest error relative to the norm, as a line of JSON.
"""

import json
import os
import random
import sys

os.environ["TRITON_INTERPRET"] = "1"

import torch

from rn_graph.batching import Complete, complete_edge_index
from rn_graph.mlp import PairMLP, PairTerms
from rn_graph.ops import pair_sum
from rn_graph.ops.function import (
    NO_EDGES,
    Layers,
    PairList,
    PairSum,
    formula,
)
from rn_graph.ops.triton import plan
from rn_graph.ops.triton.engine import TritonEngine


def error(found, expected):
    """The largest relative error among tensors."""
    worst = 0.0
    for a, b in zip(found, expected, strict=True):
        if b is None or a is None:
            assert b is None or not b.any()
            assert a is None or not a.any()
            continue
        assert a.shape == b.shape
        if b.numel():
            a, b = a.detach().double(), b.detach().double()
            distance = float((a - b).norm())
            worst = max(worst, distance / max(float(b.norm()), 1e-3))
            assert worst == worst
    return worst


def derive(out, weight, inputs, twice):
    """The sums, their gradients, and gradients of those."""
    # The zeros make the sum of no rows a function of its inputs.
    value = (out.float() * weight).sum() + sum(0 * t.sum() for t in inputs)
    found = torch.autograd.grad(value, inputs, create_graph=twice)
    if twice:
        squares = sum((d * d).sum() for d in found)
        again = torch.autograd.grad(squares, inputs, allow_unused=True)
        found = (*found, *again)
    return [out, *found]


def list_pairs(sizes, self_pairs, share):
    """Every pair, by its definition."""
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    j, i = complete_edge_index(batch, sum(sizes), self_pairs)
    if share is not None:
        some = (i >= share[0]) & (i < sum(share))
        i, j = i[some], j[some]
    return PairList(i, j, i)


def compare(problem, twice=False):
    """Value and gradients by the kernels and by the formula."""
    sizes, hidden = problem["sizes"], problem["hidden"]
    depth, late_layer = problem["depth"], problem["late_layer"]
    self_pairs, share = problem["self_pairs"], problem["share"]
    dtype = getattr(torch, problem["dtype"])
    torch.manual_seed(problem["seed"])
    plan.WORKSPACE_BYTES = problem["workspace"]

    def draw(*shape):
        # Small integers: no sum is rounded to the other side of a ReLU.
        x = torch.randn(shape).round().clamp(-2, 2)
        return x.to(dtype).requires_grad_()

    nodes, widths = sum(sizes), [hidden] * depth + [problem["out"]]
    receiver, sender = draw(nodes, hidden), draw(nodes, hidden)
    late = draw(nodes, widths[late_layer]) if late_layer else None
    weights = [draw(w, hidden) for w in widths[1:]]
    biases = [draw(w) for w in widths[1:]]
    parameters = [*weights, *biases]
    inputs = [receiver, sender, *([late] if late_layer else []), *parameters]
    weight = torch.randn(nodes, problem["out"])

    engine = TritonEngine(
        torch.tensor(sizes), self_pairs, torch.device("cpu"), share
    )
    terms = PairTerms(receiver, sender, late)
    out = PairSum.apply(engine, late_layer, 0, *terms, *NO_EDGES, *parameters)
    pairs = list_pairs(sizes, self_pairs, share)
    layers = Layers(weights, biases, late_layer)
    expected = formula(pairs, nodes, terms, layers, NO_EDGES)
    assert out.dtype == torch.float32
    listed = torch.stack(engine.listed(out.device), 1).tolist()
    assert sorted(listed) == sorted(torch.stack(pairs, 1).tolist())
    return error(
        derive(out, weight, inputs, twice),
        derive(expected, weight, inputs, twice),
    )


def compare_public(problem):
    """The same through the public function, beside the reference."""
    torch.manual_seed(problem["seed"])
    plan.WORKSPACE_BYTES = problem["workspace"]
    sizes, out, late = problem["sizes"], problem["out"], problem["late_layer"]
    share = problem["share"]
    g = PairMLP(
        5,
        5,
        out,
        problem["hidden"],
        4,
        question_channels=3,
        question_layer=late,
        plain_last=problem["plain_last"],
    )
    g.reset_parameters()
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    x = torch.randn(sum(sizes), 5, requires_grad=True)
    question = torch.randn(len(sizes), 3, requires_grad=True)
    weight = torch.randn(sum(sizes), out)
    pairs = Complete(
        None if share else batch, problem["self_pairs"], None, share
    )
    results = []
    for backend in ("triton", "reference"):
        terms = g.terms(x, x, question, None, batch)
        found = pair_sum(g, terms, pairs, backend=backend)
        inputs = [x, question, *g.parameters()]
        results.append(derive(found, weight, inputs, False))
    return error(*results)


def draw_problem(rng):
    """A problem at random: sizes, widths, options."""
    hidden = rng.choice([16, 32])
    depth = rng.randint(1, 4)
    return {
        "sizes": [rng.choice([0, 1, 2, 3, 5, 9, 17]) for _ in range(3)],
        "share": None,
        "hidden": hidden,
        "out": rng.choice([hidden, 7]),
        "depth": depth,
        "late_layer": rng.randint(0, depth),
        "self_pairs": rng.random() < 0.5,
        "workspace": rng.choice([1, 2**28]),
        "dtype": "float32",
        "seed": rng.randrange(2**31),
    }


def draw_share(rng):
    """Some rows of one graph."""
    nodes = rng.randint(2, 20)
    first = rng.randint(0, nodes)
    share = first, rng.randint(0, nodes - first)
    return {**draw_problem(rng), "sizes": [nodes], "share": share}


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(seed)
    cases = [draw_problem(rng) for _ in range(count)]
    # One row tile longer than a block, and than a split; half precision.
    cases += [
        {
            **draw_problem(rng),
            "sizes": [70],
            "workspace": 1,
            "hidden": 16,
            "out": 16,
        },
        {**draw_problem(rng), "sizes": [4, 6], "dtype": "float16"},
        {**draw_problem(rng), "sizes": [5, 5, 3]},
        {**draw_problem(rng), "sizes": [0, 0]},
        *[draw_share(rng) for _ in range(4)],
    ]
    torch.set_num_threads(1)
    for case in cases:
        print(json.dumps({"case": case, "error": compare(case)}), flush=True)
    late = {"depth": 2, "late_layer": 2}
    for case in (
        {**draw_problem(rng), **late, "sizes": [1, 4, 3]},
        {**draw_share(rng), **late},
    ):
        print(json.dumps({"case": case, "error": compare(case, True)}))
    few, share = {"sizes": [3, 0, 4]}, {"sizes": [6], "share": [2, 3]}
    for case in (
        {**draw_problem(rng), **few, "late_layer": 1, "plain_last": True},
        {**draw_problem(rng), **few, "late_layer": 3, "plain_last": False},
        {**draw_problem(rng), **share, "late_layer": 2, "plain_last": True},
    ):
        print(json.dumps({"case": case, "error": compare_public(case)}))


if __name__ == "__main__":
    main()
