"""An RN layer dropped into a small CNN, on a task about pairs.

Every image shows four squares on black, each of one of seven colours. In half
of the images two of the squares have the same colour: is this such an image?
No single place of an image tells; one has to compare. The CNN is the same in
both networks: one hands its feature map to an MLP, as usual, the other's goes
through an RN layer over all pairs of cells first. Both have about the same
number of parameters, see the same images, and are tested on fresh ones.

    python examples/cnn_relations.py
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn import MLP, global_add_pool

from rn_graph import RNConv
from rn_graph.encoders import map_to_nodes

CELLS, SQUARES = 3, 4
#: The corners of the RGB cube, but black.
COLORS = [[float(c >> i & 1) for i in range(3)] for c in range(1, 8)]
CHANNELS = 24


def draw_images(
    count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw images ``[count, 3, 12, 12]`` and their answers ``[count]``.

    Four of the nine cells of 4×4 pixels hold a square of 3×3 pixels.
    """
    same = torch.rand(count, generator=generator) < 0.5
    color = torch.rand(count, len(COLORS), generator=generator).argsort(1)
    color = color[:, :SQUARES]  # different ones, or the first one twice
    color[:, 1] = torch.where(same, color[:, 0], color[:, 1])
    colors = torch.tensor(COLORS)[color]
    # The first of a random order of cells: different ones.
    order = torch.rand(count, CELLS**2, generator=generator).argsort(1)
    cells = torch.zeros(count, CELLS**2, 3)
    cells.scatter_(1, order[:, :SQUARES, None].expand(-1, -1, 3), colors)
    grid = cells.view(count, CELLS, CELLS, 3).permute(0, 3, 1, 2)
    images = grid.repeat_interleave(4, 2).repeat_interleave(4, 3)
    images[:, :, ::4] = 0
    images[:, :, :, ::4] = 0
    return images, same.long()


def cnn() -> nn.Sequential:
    """Two convolutions: images to feature maps ``[B, 24, 3, 3]``."""
    return nn.Sequential(
        nn.Conv2d(3, CHANNELS, 2, stride=2),
        nn.BatchNorm2d(CHANNELS),
        nn.ReLU(),
        nn.Conv2d(CHANNELS, CHANNELS, 2, stride=2),
        nn.BatchNorm2d(CHANNELS),
        nn.ReLU(),
    )


class WithoutRN(nn.Module):
    """CNN, then an MLP on the whole feature map."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = cnn()
        self.head = MLP([CHANNELS * CELLS**2, 58, 58, 2], norm=None)

    def forward(self, images: Tensor) -> Tensor:
        """Score no and yes, ``[B, 2]``."""
        scores: Tensor = self.head(self.cnn(images).flatten(1))
        return scores


class WithRN(nn.Module):
    """The same CNN, then an RN layer over all pairs of cells."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = cnn()
        # A cell compared with itself says nothing here.
        self.relate = RNConv(
            CHANNELS + 2, 64, hidden_channels=64, num_layers=3, self_pairs=False
        )
        self.head = MLP([64, 64, 2], norm=None)

    def forward(self, images: Tensor) -> Tensor:
        """Score no and yes, ``[B, 2]``."""
        nodes = map_to_nodes(self.cnn(images))
        h = self.relate(nodes.x, batch=nodes.batch)
        scores: Tensor = self.head(global_add_pool(h, nodes.batch))
        return scores


def train(model: nn.Module, steps: int, batch_size: int, seed: int) -> None:
    """Train on images drawn for each step, never seen twice."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, steps)
    for _ in range(steps):
        images, answers = draw_images(batch_size, generator)
        optimizer.zero_grad()
        F.cross_entropy(model(images), answers).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()


@torch.no_grad()
def accuracy(model: nn.Module, count: int, seed: int) -> float:
    """Share of right answers on fresh images."""
    generator = torch.Generator().manual_seed(seed)
    images, answers = draw_images(count, generator)
    model.eval()
    parts = zip(images.split(256), answers.split(256), strict=True)
    right = [(model(x).argmax(1) == y).sum().item() for x, y in parts]
    return sum(right) / count


def main(argv: list[str] | None = None) -> None:
    """Train both, and print both accuracies."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    for name, kind in (("without RN", WithoutRN), ("with RN", WithRN)):
        torch.manual_seed(args.seed)
        model = kind()
        size = sum(p.numel() for p in model.parameters())
        start = time.perf_counter()
        train(model, args.steps, args.batch_size, args.seed + 1)
        seconds = time.perf_counter() - start
        share = accuracy(model, 4096, args.seed + 2)
        print(
            f"CNN {name:10}  {size:6,} parameters  {seconds:4.0f} s  "
            f"accuracy {100 * share:.1f} %"
        )


if __name__ == "__main__":
    main()
