"""Sums by the Triton kernels beside the reference, in Triton's interpreter.

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

from rn_graph.mlp import PairMLP
from rn_graph.ops import pair_sum, triton_plan
from rn_graph.ops.share import share_sum


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


def compare(problem, double_backward=False):
    """Value and gradients by the kernels and by the reference."""
    sizes, hidden = problem["sizes"], problem["hidden"]
    layers, late = problem["layers"], problem["question_layer"]
    dtype = getattr(torch, problem["dtype"])
    torch.manual_seed(problem["seed"])
    triton_plan.WORKSPACE_BYTES = problem["workspace"]
    asked = late is not None
    g = PairMLP(
        5,
        5,
        problem["out"],
        hidden,
        layers,
        question_channels=3 if asked else None,
        question_layer=late or 0,
        plain_last=problem["plain_last"],
    )
    g.reset_parameters()
    g.to(dtype)
    nodes = sum(sizes)
    batch = [graph for graph, n in enumerate(sizes) for _ in range(n)]
    batch = torch.tensor(batch, dtype=torch.long)
    x = torch.randn(nodes, 5, dtype=dtype, requires_grad=True)
    question = torch.randn(len(sizes), 3, dtype=dtype, requires_grad=True)
    inputs = [x, *g.parameters(), *([question] if asked else [])]
    weight = torch.randn(nodes, problem["out"])
    results = []
    for backend in ("triton", "reference"):
        terms = g.terms(x, x, question if asked else None, None, batch)
        out = pair_sum(
            g, terms, batch, problem["self_pairs"], backend=backend
        ).float()
        # The zeros make the sum of no rows a function of its inputs.
        value = (out * weight).sum() + sum(0 * t.sum() for t in inputs)
        found = torch.autograd.grad(value, inputs, create_graph=double_backward)
        if double_backward:
            twice = sum((d * d).sum() for d in found)
            again = torch.autograd.grad(twice, inputs, allow_unused=True)
            found = (*found, *again)
        results.append([out, *found])
    return error(*results)


def compare_share(rng):
    """A share of one graph's rows, by the kernels and by the reference."""
    nodes = rng.randint(2, 20)
    first = rng.randint(0, nodes)
    count = rng.randint(0, nodes - first)
    self_pairs = rng.random() < 0.5
    torch.manual_seed(rng.randrange(2**31))
    g = PairMLP(5, 5, 16, 16, 4, question_channels=3, question_layer=2)
    g.reset_parameters()
    x = torch.randn(nodes, 5, requires_grad=True)
    question = torch.randn(1, 3)
    weight = torch.randn(nodes, 16)
    results = []
    for backend in ("triton", "reference"):
        out = share_sum(
            g, g.terms(x, x, question), first, count, self_pairs, backend
        )
        value = (out * weight).sum()
        found = torch.autograd.grad(value, [x, *g.parameters()])
        results.append([out, *found])
    case = [nodes, first, count, self_pairs]
    return {
        "case": {"share": case, "dtype": "float32"},
        "error": error(*results),
    }


def draw(rng):
    """A problem at random: sizes, widths, options."""
    hidden = rng.choice([16, 32])
    layers = rng.randint(2, 5)
    late = rng.choice([None, *range(layers)])
    return {
        "sizes": [rng.choice([0, 1, 2, 3, 5, 9, 17]) for _ in range(3)],
        "hidden": hidden,
        "out": rng.choice([hidden, 7]),
        "layers": layers,
        "question_layer": late,
        "plain_last": rng.random() < 0.5,
        "self_pairs": rng.random() < 0.5,
        "workspace": rng.choice([1, 2**28]),
        "dtype": "float32",
        "seed": rng.randrange(2**31),
    }


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(seed)
    cases = [draw(rng) for _ in range(count)]
    # One row tile longer than a block, and than a split; half precision.
    cases += [
        {**draw(rng), "sizes": [70], "workspace": 1, "hidden": 16, "out": 16},
        {**draw(rng), "sizes": [4, 6], "dtype": "float16"},
        {**draw(rng), "sizes": [0, 0]},
    ]
    torch.set_num_threads(1)
    for case in cases:
        print(json.dumps({"case": case, "error": compare(case)}), flush=True)
    case = {**draw(rng), "sizes": [4, 1, 3], "layers": 3, "question_layer": 2}
    print(json.dumps({"case": case, "error": compare(case, True)}))
    for _ in range(4):
        print(json.dumps(compare_share(rng)))


if __name__ == "__main__":
    main()
