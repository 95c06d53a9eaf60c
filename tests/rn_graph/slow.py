"""The formula of RNConv as nested Python loops: slow, and obviously right."""

import torch
from torch import Tensor, nn

from rn_graph import RNConv


def awake(module: nn.Module) -> nn.Module:
    """The module, with biases that keep it from being zero everywhere."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("bias"):
                parameter += 1
    return module


def g(conv: RNConv, o_i: Tensor, o_j: Tensor, e: Tensor, q: Tensor) -> Tensor:
    """Run g on pairs, one a row, its input put together as the paper does."""
    mlp = conv.g
    at = mlp.question_layer
    pair = [o_i + o_j] if mlp.symmetric else [o_i, o_j]
    h = torch.cat([*pair, e] + ([q] if at == 0 else []), dim=1)
    for layer, lin in enumerate(mlp.lins):
        if layer == at > 0:
            h = torch.cat([h, q], dim=1)
        h = h @ lin.weight.t() + lin.bias
        last = layer == len(mlp.lins) - 1
        if last and mlp.plain_last:
            break
        if len(mlp.norms):
            h = mlp.norms[layer](h)
        h = h.relu()
    return h


def rnconv(
    conv: RNConv,
    x_j: Tensor,
    x_i: Tensor,
    batch: list[int],
    edges: list[tuple[int, int, int]] | None = None,
    question: Tensor | None = None,
    question_batch: list[int] | None = None,
    edge_attr: Tensor | None = None,
    edge_weight: Tensor | None = None,
) -> Tensor:
    """``edges`` are (sender, receiver, number); ``None`` means all pairs."""
    if edges is None:
        edges = [
            (j, i, -1)
            for i in range(len(x_i))
            for j in range(len(x_j))
            if batch[i] == batch[j] and (conv.self_pairs or i != j)
        ]
    if question_batch is None:
        question_batch = sorted(set(batch))
    none = x_i.new_zeros(0)
    pairs = []  # what g reads of each pair
    parts = []  # for each row, (number, weight) of its pairs
    for number, graph in enumerate(question_batch):
        q = none if question is None else question[number]
        for i in range(len(x_i)):
            if batch[i] != graph:
                continue
            parts.append([])
            for j, receiver, e in edges:
                if receiver != i:
                    continue
                attr = none if edge_attr is None else edge_attr[e]
                weight = 1.0 if edge_weight is None else edge_weight[e]
                parts[-1].append((len(pairs), weight))
                pairs.append((x_i[i], x_j[j], attr, q))
    rows = [x_i.new_zeros(conv.out_channels) for _ in parts]
    if pairs:
        value = g(
            conv, *(torch.stack(column) for column in zip(*pairs, strict=True))
        )
        for row, mine in enumerate(parts):
            for pair, weight in mine:
                rows[row] = rows[row] + value[pair] * weight
            if conv.aggr == "mean":
                rows[row] = rows[row] / max(len(mine), 1)
    return torch.stack(rows) if rows else x_i.new_zeros(0, conv.out_channels)
