"""Point cloud: pairs of nearest neighbours, beside all pairs and none.

Clouds of 64 noisy points lie on a sphere, a cube, a cylinder, a cone or a
torus, turned at random: which is it? A Relation Network sums g over each
point's pairs with its 8 nearest (`KNNPairs`), with 8 random ones
(`RandomPairs`), or over all 4,096; Deep Sets, which is PointNet with a sum,
sees each point alone. All have about as many parameters, and see clouds that
are drawn for each step.

    python examples/point_cloud.py
"""

import argparse
import math
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rn_graph import DeepSets, RelationNetwork
from rn_graph.pairs import KNNPairs, RandomPairs

SHAPES = ("sphere", "cube", "cylinder", "cone", "torus")
POINTS, NEAR, NOISE = 64, 8, 0.02


def draw_points(shape: int, generator: torch.Generator) -> Tensor:
    """Points ``[64, 3]`` on a shape that fits into the unit ball."""
    u, v, w = torch.rand(3, POINTS, generator=generator)
    name, angle = SHAPES[shape], 2 * math.pi * u
    circle = torch.stack([angle.cos(), angle.sin()])
    if name == "sphere":
        height = 2 * v - 1
        points = torch.stack([*(1 - height**2).sqrt() * circle, height])
    elif name == "cube":
        points = 2 * torch.stack([u, v, w]) - 1
        face = torch.randint(3, (POINTS,), generator=generator)
        points[face, torch.arange(POINTS)] = points.sign()[
            face, torch.arange(POINTS)
        ]
        points /= math.sqrt(3)
    elif name == "cylinder":
        points = torch.stack([*0.8 * circle, 1.2 * v - 0.6])
    elif name == "cone":
        points = torch.stack([*0.8 * v.sqrt() * circle, 1 - 1.6 * v.sqrt()])
    else:
        around = 2 * math.pi * v
        points = torch.stack(
            [*(0.7 + 0.3 * around.cos()) * circle, 0.3 * around.sin()]
        )
    return points.t()


def draw_clouds(
    count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Points ``[64 * count, 3]``, their clouds, and what each cloud is."""
    y = torch.randint(len(SHAPES), (count,), generator=generator)
    points = torch.stack([draw_points(s, generator) for s in y.tolist()])
    # Q of a random matrix turns at random (and mirrors, which changes none).
    turn = torch.linalg.qr(torch.randn(count, 3, 3, generator=generator)).Q
    points = points @ turn
    points = points + NOISE * torch.randn(points.shape, generator=generator)
    batch = torch.arange(count).repeat_interleave(POINTS)
    return points.flatten(0, 1), batch, y


def make_nets() -> dict[str, nn.Module]:
    """Four networks, of about the same size."""
    head = {"readout_channels": (64,), "readout_dropout": 0.0}
    rn = {"hidden_channels": 48, "num_layers": 3, "aggr": "mean", **head}
    classes = len(SHAPES)
    return {
        "no pairs": DeepSets(
            3, classes, hidden_channels=48, num_layers=3, **head
        ),
        "random pairs": RelationNetwork(
            3, classes, pairs=RandomPairs(k=NEAR), **rn
        ),
        "nearest pairs": RelationNetwork(
            3, classes, pairs=KNNPairs(k=NEAR), **rn
        ),
        "all pairs": RelationNetwork(3, classes, **rn),
    }


def train(model: nn.Module, steps: int, size: int, seed: int) -> None:
    """Train on clouds drawn for each step, never seen twice."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
    for _ in range(steps):
        pos, batch, y = draw_clouds(size, generator)
        optimizer.zero_grad()
        F.cross_entropy(model(pos, None, batch, pos=pos), y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


@torch.no_grad()
def accuracy(model: nn.Module, count: int, seed: int) -> float:
    """Share of fresh clouds that are told right."""
    generator = torch.Generator().manual_seed(seed)
    pos, batch, y = draw_clouds(count, generator)
    model.eval()
    right = model(pos, None, batch, pos=pos).argmax(1) == y
    return right.float().mean().item()


def main(argv: list[str] | None = None) -> None:
    """Train each network, and print what it reached on fresh clouds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    print(f"chance         test accuracy {100 / len(SHAPES):.1f} %")
    torch.manual_seed(args.seed)
    for name, model in make_nets().items():
        size = sum(p.numel() for p in model.parameters())
        start = time.perf_counter()
        train(model, args.steps, args.batch_size, args.seed + 1)
        print(
            f"{name:13}  {size:6,} parameters  "
            f"{time.perf_counter() - start:3.0f} s  test accuracy "
            f"{100 * accuracy(model, 1000, args.seed + 2):.1f} %"
        )


if __name__ == "__main__":
    main()
