"""g's weights, the same for every contender."""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn

from experiments.measure.pair_sum.shapes import Shape


class Weights(NamedTuple):
    """g as its formula says: the first layer reads ``[x_i ; x_j ; q]``.

    Attributes:
        weights: ``[out, in]`` of each layer.
        biases: ``[out]`` of each layer.
        parts: Widths of x_i, x_j and q.
        plain_last: Whether the last layer is without ReLU.
    """

    weights: list[Tensor]
    biases: list[Tensor]
    parts: tuple[int, int, int]
    plain_last: bool

    def first(self) -> tuple[Tensor, ...]:
        """The first layer's weights of x_i, x_j and q."""
        return self.weights[0].split(list(self.parts), dim=1)

    def tied(self) -> "Weights":
        """The same, x_j's weights those of x_i: a symmetric g."""
        w_i, _, w_q = self.first()
        first = torch.cat([w_i, w_i, w_q], dim=1)
        return self._replace(weights=[first, *self.weights[1:]])

    def mlp(self, first: Tensor | None = None) -> nn.Sequential:
        """A plain MLP of all layers.

        Args:
            first: The first layer's weight in another order of columns;
                ``None``: as it is.
        """
        own = self.weights[0] if first is None else first
        return _sequential(
            [own, *self.weights[1:]], self.biases, self.plain_last
        )

    def later_mlp(self) -> nn.Sequential:
        """A plain MLP of the layers after the first."""
        return _sequential(self.weights[1:], self.biases[1:], self.plain_last)


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
    return Weights(weights, biases, parts, shape.plain_last)


def linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """A layer of these weights."""
    lin = nn.Linear(weight.size(1), weight.size(0), bias is not None)
    with torch.no_grad():
        lin.weight.copy_(weight)
        if bias is not None:
            lin.bias.copy_(bias)
    return lin


def _sequential(
    weights: list[Tensor], biases: list[Tensor], plain_last: bool
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for weight, bias in zip(weights, biases, strict=True):
        layers += [linear(weight, bias), nn.ReLU()]
    return nn.Sequential(*(layers[:-1] if plain_last else layers))
