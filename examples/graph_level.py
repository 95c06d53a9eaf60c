"""Graph-level: is a colouring proper? RNConv beside GIN over the same edges.

A graph's nodes are coloured with four colours. The colouring is proper if no
edge joins two nodes of one colour; in half of the graphs one node has taken
its neighbour's. RNConv says something of each edge, and the graph is the sum
of that; GIN (two layers) sums the neighbours' features first. Graphs are drawn
anew for every step, and the test graphs are as fresh.

    python examples/graph_level.py
"""

import argparse
import random
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GIN, MLP, global_add_pool

from rn_graph import RNConv

COLORS = 4


def draw_graph(rng: random.Random) -> Data:
    """A coloured graph of 8 to 16 nodes, and whether its colours conflict."""
    n = rng.randint(8, 16)
    edges = {(rng.randrange(i), i) for i in range(1, n)}  # a tree, and more
    while len(edges) < 3 * n // 2:
        i, j = sorted(rng.sample(range(n), 2))
        edges.add((i, j))
    while (color := _color(n, edges, rng)) is None:
        pass
    conflict = rng.random() < 0.5
    if conflict:
        i, j = rng.sample(rng.choice(sorted(edges)), 2)
        color[i] = color[j]
    one_way = torch.tensor(sorted(edges)).t()
    return Data(
        x=F.one_hot(torch.tensor(color), COLORS).float(),
        edge_index=torch.cat([one_way, one_way.flip(0)], 1),
        y=torch.tensor([int(conflict)]),
    )


def _color(
    n: int, edges: set[tuple[int, int]], rng: random.Random
) -> list[int] | None:
    """Colour nodes one by one; ``None`` where no colour is left for one."""
    color: list[int] = []
    for i in range(n):
        taken = {color[j] for j in range(i) if (j, i) in edges}
        free = [c for c in range(COLORS) if c not in taken]
        if not free:
            return None
        color.append(rng.choice(free))
    return color


def draw_batch(count: int, rng: random.Random) -> Batch:
    """Several graphs as one."""
    return Batch.from_data_list([draw_graph(rng) for _ in range(count)])


class Net(nn.Module):
    """A conv over the edges, the sum of its nodes, and an MLP."""

    def __init__(self, conv: nn.Module, channels: int) -> None:
        super().__init__()
        self.conv = conv
        self.head = MLP([channels, channels, 2], norm=None)

    def forward(self, data: Batch) -> Tensor:
        """Score proper and conflicting, ``[B, 2]``."""
        h = self.conv(data.x, data.edge_index)
        scores: Tensor = self.head(
            global_add_pool(h, data.batch, data.num_graphs)
        )
        return scores


def make_nets() -> dict[str, Net]:
    """Both networks, of about the same size."""
    gin = GIN(COLORS, 52, num_layers=2, out_channels=52)
    return {
        "GIN": Net(gin, 52),
        "RNConv": Net(RNConv(COLORS, 48, 48, num_layers=4), 48),
    }


def train(model: nn.Module, steps: int, size: int, seed: int) -> None:
    """Train on graphs drawn for each step, never seen twice."""
    rng = random.Random(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps)
    for _ in range(steps):
        data = draw_batch(size, rng)
        optimizer.zero_grad()
        F.cross_entropy(model(data), data.y).backward()
        optimizer.step()
        schedule.step()


@torch.no_grad()
def accuracy(model: nn.Module, data: Batch) -> float:
    """Share of the graphs that are told right."""
    model.eval()
    return (model(data).argmax(1) == data.y).float().mean().item()


def main(argv: list[str] | None = None) -> None:
    """Train both, and print what they reached on fresh graphs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    test = draw_batch(2000, random.Random(args.seed + 2))
    often = test.y.bincount().max() / len(test.y)
    print(f"most frequent answer  test accuracy {100 * often:.1f} %")
    torch.manual_seed(args.seed)
    for name, model in make_nets().items():
        size = sum(p.numel() for p in model.parameters())
        start = time.perf_counter()
        train(model, args.steps, args.batch_size, args.seed + 1)
        print(
            f"{name:6}  {size:6,} parameters  "
            f"{time.perf_counter() - start:3.0f} s  "
            f"test accuracy {100 * accuracy(model, test):.1f} %"
        )


if __name__ == "__main__":
    main()
