"""Scenes and the pairs chosen in them, to and from networkx.

networkx is imported when one of these is called: the rest of the package
does without.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from rn_graph.checks import check_index

if TYPE_CHECKING:
    import networkx as nx

#: Node attribute → what it holds, for the tensors of a scene.
_TENSORS = ("x", "pos")


def to_networkx(
    x: Tensor,
    edge_index: Tensor,
    edge_weight: Tensor | None = None,
    pos: Tensor | None = None,
    attributes: Sequence[Mapping[str, Any]] | None = None,
) -> nx.DiGraph:
    """Make a directed graph of a scene and the pairs chosen in it.

    Node i is object i, with the attributes ``x`` and ``pos`` as lists of
    numbers, and what ``attributes`` says of it; the edge (j, i) is a pair
    with sender j and receiver i, with the attribute ``weight`` where there
    are weights.

    Args:
        x: Objects, ``[N, F]``.
        edge_index: Pairs, senders and receivers, ``[2, E]``.
        edge_weight: Weight of each pair, ``[E]``. (default: ``None``)
        pos: Positions, ``[N, D]``. (default: ``None``)
        attributes: Further attributes of each object by name, N of them, as
            the ``objects`` of a CLEVR scene. (default: ``None``)

    Raises:
        ImportError: Without networkx.
        ValueError: For shapes that do not fit, a pair listed twice, or an
            attribute named ``x`` or ``pos``.

    .. code-block:: python

        graph = to_networkx(x, *KNNPairs(k=3)(x, pos=pos), pos=pos)
        networkx.density(graph)
    """
    import networkx as nx

    if x.dim() != 2:
        raise ValueError(f"`x` has shape {list(x.shape)}, expected [N, F]")
    if edge_index.dim() != 2 or edge_index.size(0) != 2:
        raise ValueError(
            f"`edge_index` has shape {list(edge_index.shape)}, expected [2, E]"
        )
    check_index("edge_index", edge_index.flatten(), upper=len(x))
    num_edges = edge_index.size(1)
    if edge_weight is not None and edge_weight.shape != (num_edges,):
        raise ValueError(
            f"`edge_weight` has shape {list(edge_weight.shape)}, expected "
            f"[{num_edges}], one for each pair"
        )
    for name, value in (("pos", pos), ("attributes", attributes)):
        if value is not None and len(value) != len(x):
            raise ValueError(
                f"`{name}` has {len(value)} entries, expected {len(x)}, one "
                f"for each row of `x`"
            )
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(x)))
    for name, value in zip(_TENSORS, (x, pos), strict=True):
        if value is not None:
            rows = dict(enumerate(value.tolist()))
            nx.set_node_attributes(graph, rows, name)
    for i, values in enumerate(attributes or ()):
        for name in _TENSORS:
            if name in values:
                raise ValueError(
                    f"`attributes[{i}]` has {name!r}, which is the name of "
                    f"the scene's own: expected another"
                )
        graph.nodes[i].update(values)
    edges = edge_index.t().tolist()
    if edge_weight is None:
        graph.add_edges_from(edges)
    else:
        weights = edge_weight.tolist()
        graph.add_weighted_edges_from(
            (j, i, w) for (j, i), w in zip(edges, weights, strict=True)
        )
    if graph.number_of_edges() != num_edges:
        twice = next(pair for pair in edges if edges.count(pair) > 1)
        raise ValueError(
            f"`edge_index` lists the pair {tuple(twice)} twice, expected each "
            f"pair once"
        )
    return graph


def from_networkx(graph: nx.Graph, dtype: torch.dtype | None = None) -> Data:
    """Make a scene and its pairs of a graph.

    Nodes are numbered in the graph's order; pairs come in the order of
    :mod:`rn_graph.pairs`, by receiver, then sender. An undirected edge is two
    pairs, a loop one.

    Args:
        graph: Directed or not, its nodes of any names; the node attributes
            ``x`` and ``pos`` hold numbers, the edge attribute ``weight`` a
            number.
        dtype: Type of ``x``, ``pos`` and weights. (default: torch's default)

    Returns:
        Data with ``edge_index``, ``num_nodes`` and, where the graph has them,
        ``x``, ``pos``, ``edge_weight`` and ``attributes``: the other
        attributes of each node, a list of dictionaries. What
        :func:`to_networkx` was given comes back equal.

    Raises:
        ImportError: Without networkx.
        ValueError: For a multigraph, or an attribute that some nodes (edges)
            have and some have not.
    """
    if graph.is_multigraph():
        raise ValueError(
            f"`graph` is a {type(graph).__name__}, expected each pair once: a "
            f"DiGraph or Graph"
        )
    dtype = dtype or torch.get_default_dtype()
    index: dict[Hashable, int] = {node: i for i, node in enumerate(graph)}
    pairs = []
    for source, target, values in graph.edges(data=True):
        j, i, weight = index[source], index[target], values.get("weight")
        pairs.append((i, j, weight))
        if not graph.is_directed() and i != j:
            pairs.append((j, i, weight))
    pairs.sort(key=lambda pair: pair[:2])
    edges = [(j, i) for i, j, _ in pairs]
    edge_index = torch.tensor(edges, dtype=torch.long).view(-1, 2).t()
    data = Data(edge_index=edge_index.contiguous(), num_nodes=len(index))
    weights = [weight for _, _, weight in pairs]
    if _present("weight", weights, "edges"):
        data.edge_weight = torch.tensor(weights, dtype=dtype)
    nodes = [values for _, values in graph.nodes(data=True)]
    for name in _TENSORS:
        rows = [values.get(name) for values in nodes]
        if _present(name, rows, "nodes"):
            data[name] = torch.tensor(rows, dtype=dtype)
    others = [
        {k: v for k, v in values.items() if k not in _TENSORS}
        for values in nodes
    ]
    if any(others):
        data.attributes = others
    return data


def _present(name: str, values: list[Any], kind: str) -> bool:
    """Whether all have an attribute; not if none has."""
    missing = sum(value is None for value in values)
    if 0 < missing < len(values):
        raise ValueError(
            f"{missing} of {len(values)} {kind} of `graph` have no {name!r}, "
            f"expected all or none"
        )
    return missing < len(values)
