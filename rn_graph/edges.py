"""Every form of edges that PyG knows, brought to one."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch_geometric import EdgeIndex
from torch_geometric.index import index2ptr, ptr2index
from torch_geometric.utils import is_torch_sparse_tensor

from rn_graph.batching import question_rows
from rn_graph.checks import checks_enabled

_LAYOUTS = (torch.sparse_coo, torch.sparse_csr, torch.sparse_csc)


class Edges(NamedTuple):
    """Edges as two index vectors.

    Attributes:
        sender: Sending node of each edge, ``[E]``.
        receiver: Receiving node of each edge, ``[E]``.
        weight: Weight of each edge ``[E]``, or ``None``.
        ptr: Where the edges stand in order of their receivers, the first
            edge of each receiver ``[N + 1]``; else ``None``.
        attr: Features of each edge ``[E, D]``, or ``None``.
    """

    sender: Tensor
    receiver: Tensor
    weight: Tensor | None = None
    ptr: Tensor | None = None
    attr: Tensor | None = None

    def num_pairs(self, like: Tensor) -> Tensor:
        """Sum of the weights of each row's edges, ``[R, 1]``.

        Args:
            like: A tensor of the rows, ``[R, ...]``, in whose type to sum.
        """
        if self.weight is None:
            ones = torch.bincount(self.receiver, minlength=like.size(0))
            return ones.unsqueeze(1)
        zeros, weight = like.new_zeros(like.size(0)), self.weight.to(like.dtype)
        return zeros.index_add(0, self.receiver, weight).unsqueeze(1)


def edges_or_none(edge_index: Any, x: Any) -> Any:
    """In a traced model: no edges where PyG hands over ``None`` for them."""
    if edge_index is not None:
        return edge_index
    device = (x[0] if isinstance(x, tuple) else x).device
    return torch.zeros(2, 0, dtype=torch.long, device=device)


def read_edges(
    edge_index: Any,
    num_senders: int,
    num_receivers: int,
    edge_weight: Tensor | None = None,
    flow: str = "source_to_target",
) -> Edges:
    """Read edges from any of PyG's forms.

    An edge that is listed twice counts twice, each time with its own weight
    (``torch.sparse`` COO tensors are not coalesced, unless gradients reach
    their values: copies of an edge are then one, with the sum of weights).

    Args:
        edge_index: ``[2, E]`` of an integer type, an :class:`EdgeIndex`, or
            the *transposed* adjacency matrix ``[receivers, senders]``, as
            everywhere in PyG, as a ``torch.sparse`` COO, CSR or CSC tensor or
            a ``torch_sparse.SparseTensor``, whose values are edge weights.
        num_senders: Number of sending nodes.
        num_receivers: Number of receiving nodes.
        edge_weight: Weight of each edge, ``[E]``; not with a sparse matrix.
        flow: As in :class:`~torch_geometric.nn.conv.MessagePassing`.

    Raises:
        TypeError: For another kind of object, or a floating-point index.
        ValueError: For a wrong shape, indices out of range, or weights given
            twice.
    """
    sparse = _is_sparse(edge_index)
    if sparse:
        if flow == "target_to_source":
            raise ValueError(
                "`edge_index` is a sparse matrix, which always stands for the "
                "flow 'source_to_target': transpose it instead"
            )
        edges, values_matter = _read_sparse(edge_index)
        shape = (
            tuple(edge_index.size())
            if isinstance(edge_index, Tensor)
            else tuple(edge_index.sizes())
        )
        if shape != (num_receivers, num_senders):
            raise ValueError(
                f"`edge_index` is a sparse matrix of shape {list(shape)}, "
                f"expected [receivers, senders] = "
                f"[{num_receivers}, {num_senders}]"
            )
        if edge_weight is not None:
            if values_matter:
                raise ValueError(
                    "`edge_weight` is given, and `edge_index` is a sparse "
                    "matrix with values: expected weights from one of them"
                )
            edges = edges._replace(weight=edge_weight)
    else:
        sizes = (num_senders, num_receivers)
        edges = _read_list(edge_index, sizes, flow)
        edges = edges._replace(weight=edge_weight)
    _check_range("sends from", edges.sender, num_senders)
    _check_range("leads to", edges.receiver, num_receivers)
    weight = edges.weight
    if weight is not None:
        if not isinstance(weight, Tensor) or weight.is_complex():
            kind = getattr(weight, "dtype", type(weight).__name__)
            raise TypeError(f"`edge_weight` is {kind}, expected a real tensor")
        if weight.dim() != 1 or weight.numel() != edges.sender.numel():
            raise ValueError(
                f"`edge_weight` has shape {list(weight.shape)}, expected "
                f"[{edges.sender.numel()}], a weight for each edge"
            )
        if checks_enabled(weight) and bool(torch.isnan(weight).any()):
            raise ValueError("`edge_weight` contains NaN, expected numbers")
    return edges


def _is_sparse(edge_index: Any) -> bool:
    if is_torch_sparse_tensor(edge_index):
        return True
    # torch-sparse is optional; its SparseTensor is told by what it offers.
    return hasattr(edge_index, "csr") and hasattr(edge_index, "sparse_sizes")


def _read_list(edge_index: Any, sizes: tuple[int, int], flow: str) -> Edges:
    if not isinstance(edge_index, Tensor):
        raise TypeError(
            f"`edge_index` is {type(edge_index).__name__}, expected a tensor "
            f"[2, E], an EdgeIndex or a sparse matrix"
        )
    if edge_index.dtype not in (torch.int64, torch.int32):
        raise TypeError(
            f"`edge_index` is {edge_index.dtype}, expected torch.int64"
        )
    if edge_index.dim() != 2 or edge_index.size(0) != 2:
        raise ValueError(
            f"`edge_index` has shape {list(edge_index.shape)}, expected [2, E]"
        )
    # torch sums int32 indices rightly, but not their gradients.
    edge_index = edge_index.long()
    i, j = (1, 0) if flow == "source_to_target" else (0, 1)
    if not isinstance(edge_index, EdgeIndex):
        return Edges(edge_index[j], edge_index[i])

    known = edge_index.sparse_size()
    for stated, size in zip((known[j], known[i]), sizes, strict=True):
        # A smaller size may have been guessed from the edges.
        if stated is not None and stated > size:
            raise ValueError(
                f"`edge_index` has the sparse size {tuple(known)}, but there "
                f"are {sizes[0]} senders and {sizes[1]} receivers"
            )
    is_sorted = (
        edge_index.is_sorted_by_col if i else edge_index.is_sorted_by_row
    )
    index = edge_index.as_tensor()
    ptr = None
    if is_sorted and known[i] == sizes[1]:
        ptr = edge_index.get_indptr()
    elif is_sorted:
        ptr = index2ptr(index[i], sizes[1])
    return Edges(index[j], index[i], None, ptr)


def _read_sparse(matrix: Any) -> tuple[Edges, bool]:
    """The edges, and whether the matrix's values say anything."""
    if not isinstance(matrix, Tensor):
        row, col, value = matrix.coo()
        return Edges(col, row, value, matrix.csr()[0]), value is not None
    if matrix.layout not in _LAYOUTS:
        raise TypeError(
            f"`edge_index` is a sparse tensor of layout {matrix.layout}, "
            f"expected COO, CSR or CSC"
        )
    ptr = None
    if matrix.layout == torch.sparse_coo:
        if matrix.requires_grad:  # only coalesced values have gradients
            matrix = matrix.coalesce()
            (row, col), value = matrix.indices(), matrix.values()
        else:
            (row, col), value = matrix._indices(), matrix._values()
    elif matrix.layout == torch.sparse_csr:
        ptr, col = matrix.crow_indices(), matrix.col_indices()
        row, value = ptr2index(ptr), matrix.values()
    else:
        col, row = ptr2index(matrix.ccol_indices()), matrix.row_indices()
        value = matrix.values()
    return Edges(col, row, value, ptr), True


def _check_range(verb: str, index: Tensor, size: int) -> None:
    if not checks_enabled(index) or index.numel() == 0:
        return
    low, high = int(index.min()), int(index.max())
    if low < 0 or high >= size:
        raise ValueError(
            f"`edge_index` {verb} nodes {low} to {high}, expected indices in "
            f"[0, {size})"
        )


def repeat_edges(
    edges: Edges, batch: Tensor, question_batch: Tensor, row_question: Tensor
) -> Edges:
    """Copy each graph's edges for each of its questions.

    Args:
        edges: Edges between nodes.
        batch: Graph of each receiving node, ``[N]``, ascending.
        question_batch: Graph of each question, ``[Q]``.
        row_question: Question of each row, as ``question_rows`` gives it.

    Returns:
        The edges, whose receivers are now rows.
    """
    # In order of their graphs, edges are rows of questions as nodes are.
    edge_graph, order = torch.sort(batch[edges.receiver], stable=True)
    slot, question = question_rows(edge_graph, question_batch)
    copy = order[slot]
    questions = torch.arange(question_batch.numel(), device=batch.device)
    first_row = torch.searchsorted(row_question, questions)
    first_node = torch.searchsorted(batch, question_batch)
    return Edges(
        edges.sender[copy],
        edges.receiver[copy] + (first_row - first_node)[question],
        None if edges.weight is None else edges.weight[copy],
        None,
        None if edges.attr is None else edges.attr[copy],
    )


def pair_features(edge_index: Tensor, edges: Edges, x: Tensor) -> Tensor:
    """Say of pairs whether they are given edges, and with what features.

    Of an edge that is listed several times the first one counts.

    Args:
        edge_index: Senders and receivers of the pairs, ``[2, P]``.
        edges: The given edges.
        x: Nodes, ``[N, F]``, whose number and type are used.

    Returns:
        ``[P, 1 + D]``: 1 and the features of pairs that are edges, noughts of
        others.
    """
    count = x.size(0)
    known, order = torch.sort(
        edges.receiver * count + edges.sender, stable=True
    )
    wanted = edge_index[1] * count + edge_index[0]
    slot = torch.searchsorted(known, wanted)
    found = torch.cat([known, known.new_full((1,), -1)])[slot] == wanted
    width = 0 if edges.attr is None else edges.attr.size(1)
    out = x.new_zeros(wanted.numel(), 1 + width)
    out[:, 0] = found.to(x.dtype)
    if edges.attr is not None:
        out[found, 1:] = edges.attr[order[slot[found]]].to(x.dtype)
    return out
