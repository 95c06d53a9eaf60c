"""Node-level: RNConv over the edges of one graph, where GCNConv would stand.

Every node of a random graph has one of three colours, of which its features
are a noisy copy. Has a node at least three neighbours of its own colour? The
answer lies in the edges one by one: whether *these two* have the same colour.
RNConv sees both ends of an edge at once; GCNConv averages them, and SAGEConv
has a node beside the mean of its neighbours. Nodes are split at random; the
step best on validation is the one that is tested.

    python examples/node_level.py
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import MLP, GCNConv, SAGEConv
from torch_geometric.transforms import RandomNodeSplit
from torch_geometric.utils import erdos_renyi_graph

from rn_graph import RNConv

COLORS, NEIGHBORS, NOISE = 3, 8, 0.2


def make_graph(num_nodes: int) -> Data:
    """A random graph of coloured nodes, about eight neighbours each."""
    edge_index = erdos_renyi_graph(num_nodes, NEIGHBORS / num_nodes)
    color = torch.randint(COLORS, (num_nodes,))
    x = F.one_hot(color, COLORS) + NOISE * torch.randn(num_nodes, COLORS)
    sender, receiver = edge_index
    same = (color[sender] == color[receiver]).long()
    own = torch.zeros(num_nodes, dtype=torch.long).index_add(0, receiver, same)
    data = Data(x=x, edge_index=edge_index, y=(own >= 3).long(), color=color)
    split = RandomNodeSplit(num_val=0.2, num_test=0.2)
    return split(data)


class Net(nn.Module):
    """A conv layer of PyG's kind, then an MLP of each node."""

    def __init__(self, conv: nn.Module, channels: int) -> None:
        super().__init__()
        self.conv = conv
        self.head = MLP([channels, channels, 2], norm=None)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Score no and yes of each node, ``[N, 2]``."""
        scores: Tensor = self.head(self.conv(x, edge_index).relu())
        return scores


def make_nets() -> dict[str, Net]:
    """The three networks; each starts from fresh weights."""
    return {
        "GCNConv": Net(GCNConv(COLORS, 96), 96),
        "SAGEConv": Net(SAGEConv(COLORS, 96), 96),
        "RNConv": Net(RNConv(COLORS, 48, hidden_channels=48), 48),
    }


@torch.no_grad()
def accuracy(model: nn.Module, data: Data, mask: Tensor) -> float:
    """Share of the nodes of a split that are answered right."""
    model.eval()
    right = model(data.x, data.edge_index).argmax(1) == data.y
    return right[mask].float().mean().item()


def fit(model: nn.Module, data: Data, steps: int) -> tuple[float, float]:
    """Train; accuracy on validation and test, where validation was best."""
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    best = (0.0, 0.0)
    for _ in range(steps):
        model.train()
        optimizer.zero_grad()
        scores = model(data.x, data.edge_index)
        F.cross_entropy(
            scores[data.train_mask], data.y[data.train_mask]
        ).backward()
        optimizer.step()
        val = accuracy(model, data, data.val_mask)
        if val > best[0]:
            best = (val, accuracy(model, data, data.test_mask))
    return best


def main(argv: list[str] | None = None) -> None:
    """Train each network on the same graph, and print what it reached."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nodes", type=int, default=3000)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    torch.manual_seed(args.seed)
    data = make_graph(args.nodes)
    often = data.y[data.test_mask].bincount().max() / data.test_mask.sum()
    print(f"most frequent answer  test accuracy {100 * often:.1f} %")
    for name, model in make_nets().items():
        size = sum(p.numel() for p in model.parameters())
        start = time.perf_counter()
        val, test = fit(model, data, args.steps)
        print(
            f"{name:8}  {size:6,} parameters  "
            f"{time.perf_counter() - start:3.0f} s  validation "
            f"{100 * val:.1f} %  test accuracy {100 * test:.1f} %"
        )


if __name__ == "__main__":
    main()
