"""g's weights, the same for every contender."""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.pair_sum.shapes import Shape


class Weights(NamedTuple):
    """g as its formula says: the first layer reads ``[x_i ; x_j ; q]``.

    Attributes:
        weights: ``[out, in]`` of each layer.
        biases: ``[out]`` of each layer.
        parts: Widths of x_i, x_j and q.
    """

    weights: list[Tensor]
    biases: list[Tensor]
    parts: tuple[int, int, int]

    def first(self) -> tuple[Tensor, ...]:
        """The first layer's weights of x_i, x_j and q."""
        return self.weights[0].split(list(self.parts), dim=1)


def draw_weights(shape: Shape, seed: int) -> Weights:
    """Draw g's weights, scaled so that activations keep their size."""
    generator = torch.Generator().manual_seed(seed)
    widths = [shape.row_channels] + [shape.width] * shape.num_layers
    weights, biases = [], []
    for into, out in itertools.pairwise(widths):
        weight = torch.randn(out, into, generator=generator)
        weights.append(weight * (2 / into) ** 0.5)
        biases.append(0.1 * torch.randn(out, generator=generator))
    parts = (shape.in_channels, shape.in_channels, shape.question_channels)
    return Weights(weights, biases, parts)


def sequential(weights: list[Tensor], biases: list[Tensor]) -> nn.Sequential:
    """A plain MLP of these weights, a ReLU after each layer."""
    layers: list[nn.Module] = []
    for weight, bias in zip(weights, biases, strict=True):
        lin = nn.Linear(weight.size(1), weight.size(0))
        with torch.no_grad():
            lin.weight.copy_(weight)
            lin.bias.copy_(bias)
        layers += [lin, nn.ReLU()]
    return nn.Sequential(*layers)
