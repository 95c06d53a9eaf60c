"""Helpers for the tests of models over sets of objects."""

from typing import Any

import torch
from torch import Tensor, nn


def assert_permutation_invariant(
    model: nn.Module,
    x: Tensor,
    question: Tensor | None = None,
    batch: Tensor | None = None,
    question_batch: Tensor | None = None,
    pos: Tensor | None = None,
    trials: int = 3,
    rtol: float = 1e-4,
    atol: float = 1e-5,
    generator: torch.Generator | None = None,
    **kwargs: Any,
) -> None:
    r"""Assert that the order of a scene's objects does not change an answer.

    .. math::
        f(\pi(X), q) = f(X, q) \quad \forall \pi \text{ within each scene}

    The model runs as in evaluation, and is put back as it was.

    Args:
        model: Called as the models of :mod:`rn_graph.models`.
        x: Objects, ``[N, in_channels]``.
        question: ``[Q, question_channels]``, or ``None``.
        batch: Scene of each object, ``[N]``, ascending; ``None``: one.
        question_batch: Scene of each question, ``[Q]``, or ``None``.
        pos: Positions, ``[N, D]``, permuted along; or ``None``.
        trials: Number of permutations. (default: ``3``)
        rtol: Relative tolerance. (default: ``1e-4``)
        atol: Absolute tolerance. (default: ``1e-5``)
        generator: Where permutations are drawn from.
        **kwargs: Further arguments of the model, handed over as they are.

    Raises:
        AssertionError: If an answer changes; it says by how much.
    """
    training = model.training
    model.eval()
    scene = x.new_zeros(len(x)) if batch is None else batch
    rest = {"batch": batch, "question_batch": question_batch, **kwargs}

    def run(order: Tensor) -> Tensor:
        moved = {} if pos is None else {"pos": pos[order]}
        out: Tensor = model(x[order], question, **rest, **moved)
        return out

    try:
        with torch.no_grad():
            expected = run(torch.arange(len(x), device=x.device))
            for _ in range(trials):
                shuffled = torch.randperm(len(x), generator=generator)
                shuffled = shuffled.to(x.device)
                order = shuffled[torch.argsort(scene[shuffled], stable=True)]
                torch.testing.assert_close(
                    run(order),
                    expected,
                    rtol=rtol,
                    atol=atol,
                    msg=lambda m: f"order changes the answer: {m}",
                )
    finally:
        model.train(training)
