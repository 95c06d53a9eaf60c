"""A wrong contender must not be timed: outputs and gradients compared."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor

from experiments.measure.pair_sum.contenders import CONTENDERS
from experiments.measure.pair_sum.contenders.base import Case, Contender
from experiments.measure.pair_sum.shapes import Inputs, make_inputs
from experiments.measure.pair_sum.weights import Weights, draw_weights

TRAINING = Case("training", "fp32")
#: Largest difference of outputs, as a share of the largest number, in float32.
OUTPUT_TOLERANCE = 1e-4
#: The norm of gradients' difference, as a share of their norm: where rounding
#: takes a ReLU's input across 0, one pair's gradient changes at a stroke.
GRADIENT_TOLERANCE = 2e-2


class WrongResultError(ValueError):
    """A contender computes something else than it says."""


def deviation(found: Tensor, expected: Tensor) -> float:
    """Largest difference, as a share of the largest number."""
    if found.shape != expected.shape:
        return float("inf")
    scale = float(expected.abs().max().clamp(min=1e-30))
    worst = float((found.double() - expected.double()).abs().max()) / scale
    return float("inf") if worst != worst else worst


def norm_deviation(found: Tensor, expected: Tensor) -> float:
    """Norm of the difference, as a share of the norm."""
    if found.shape != expected.shape:
        return float("inf")
    scale = float(expected.double().norm().clamp(min=1e-30))
    share = float((found.double() - expected.double()).norm()) / scale
    return float("inf") if share != share else share


def expected_results(inputs: Inputs, g: Weights) -> dict[str, Tensor]:
    """Sums and gradients by the formula, every pair a row, in float64."""
    flat = inputs.one_graph_a_question()
    x = flat.x.detach().cpu().double().requires_grad_()
    question = flat.question
    if question is not None:
        question = question.detach().cpu().double().requires_grad_()
    sums = []
    batch = flat.batch.cpu()
    for graph in range(inputs.num_sums):
        nodes = x[batch == graph]
        n = len(nodes)
        parts = [nodes.repeat_interleave(n, 0), nodes.repeat(n, 1)]
        if question is not None:
            parts.append(question[graph].expand(n * n, -1))
        h = torch.cat(parts, dim=1)
        last = len(g.weights) - 1
        for k, (weight, bias) in enumerate(
            zip(g.weights, g.biases, strict=True)
        ):
            h = h @ weight.double().T + bias.double()
            h = h if k == last and g.plain_last else h.relu()
        sums.append(h.sum(0))
    out = torch.stack(sums)
    out.sum().backward()
    found = {"out": out.detach()}
    if question is not None:
        assert question.grad is not None
        found["question"] = question.grad
    if inputs.question_batch is None:  # else x was copied for each question
        assert x.grad is not None
        found["x"] = x.grad
    return found


def check(contender: Contender) -> None:
    """Compare a contender with the formula on small batches.

    Those of another function (sparse pairs, late question) are compared with
    RNConv's own reference path instead; layers for scale are only run.

    Raises:
        WrongResultError: If it deviates.
    """
    settings = contender.settings
    for sizes in contender.check_sizes:
        shape = contender.shape.like(*sizes)
        _check(contender, make_inputs(shape, settings.seed, settings.device))


def _check(contender: Contender, inputs: Inputs) -> None:
    contender.prepare(inputs)
    with _without_noise(contender):
        contender.run(TRAINING)
    found = {"out": contender.output(), **contender.gradients()}
    if contender.kind in ("ours", "peer") or contender.tied:
        g = draw_weights(inputs.shape, contender.settings.seed)
        expected = expected_results(inputs, g.tied() if contender.tied else g)
    elif contender.kind in ("variant", "sparse"):
        expected = _by_reference(contender, inputs)
    else:
        if not found["out"].isfinite().all():
            raise WrongResultError(f"{contender.name} gives no finite numbers")
        return
    for name, value in expected.items():
        if name == "out":
            worst, limit = deviation(found[name], value), OUTPUT_TOLERANCE
        else:
            worst = norm_deviation(found[name], value)
            limit = GRADIENT_TOLERANCE
        if worst > limit:
            raise WrongResultError(
                f"{contender.name} is wrong: its {name} deviates by "
                f"{worst:.1e}, more than {limit:g}"
            )


def _by_reference(contender: Contender, inputs: Inputs) -> dict[str, Tensor]:
    """The same modules, g run on every edge at once, in float64."""
    kind = CONTENDERS[contender.name]
    other = kind(contender.shape, contender.settings)
    module = other.module.double()  # type: ignore[attr-defined]
    module.load_state_dict(
        contender.module.state_dict()  # type: ignore[attr-defined]
    )
    for part in module.modules():
        if hasattr(part, "backend"):
            part.backend = "reference"
    question = inputs.question
    other.prepare(
        Inputs(
            inputs.shape,
            inputs.x.detach().double().requires_grad_(),
            inputs.pos.double(),
            inputs.batch,
            None
            if question is None
            else question.detach().double().requires_grad_(),
            inputs.question_batch,
        )
    )
    with _without_noise(other):
        other.run(TRAINING)
    return {"out": other.output(), **other.gradients()}


@contextlib.contextmanager
def _without_noise(contender: Contender) -> Iterator[None]:
    """Let learned pairs be chosen without noise, so that they compare."""
    module = getattr(contender, "module", None)
    modules = [] if module is None else module.modules()
    noisy = [part for part in modules if hasattr(part, "noise")]
    before = [m.noise for m in noisy]
    for part in noisy:
        part.noise = 0.0
    yield
    for part, noise in zip(noisy, before, strict=True):
        part.noise = noise
