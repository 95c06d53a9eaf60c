"""A share of one graph's pairs: some rows with all nodes."""

import torch.nn.functional as F
from torch import Tensor

from rn_graph import ops
from rn_graph.mlp import PairMLP, PairModule, PairTerms
from rn_graph.ops.autograd import BlockedSum, Pairs, Spec
from rn_graph.ops.blocked import accumulation_dtype
from rn_graph.ops.layout import make_rows_layout
from rn_graph.ops.rows import sum_rows


def share_sum(
    g: PairMLP | PairModule,
    terms: PairTerms,
    first: int,
    count: int,
    self_pairs: bool = True,
    backend: str | None = None,
    keep_bytes: int | None = None,
) -> Tensor:
    r"""Sum g over the pairs of some rows of one graph with all its nodes.

    Args:
        g: The function of a pair.
        terms: What g needs of the nodes, receivers and senders, of one graph.
        first: First of the rows.
        count: Number of the rows.
        self_pairs: Whether a node is paired with itself. (default: ``True``)
        backend: One of :data:`~rn_graph.ops.BACKENDS`; ``None`` chooses.
            (default: ``None``)
        keep_bytes: As in :func:`~rn_graph.ops.pair_sum`. (default: ``None``)

    Returns:
        ``[N, out_channels]``, in at least float32: the sums of these rows,
        and zeros in the others.

    Raises:
        ValueError: For an unknown backend, or one that does not know this g.
    """
    backend = ops.choose(g, backend, terms.receiver)
    nodes = terms.sender.size(0)
    if backend in ("blocked", "triton"):
        assert isinstance(g, PairMLP)  # no other g is plain
        terms, weights, biases = ops.cast(terms, g)
        late = ops.late_layer(g, terms)
        if backend == "triton":
            return _by_kernels(
                terms, weights, biases, late, g.plain_last, first, count,
                self_pairs,
            )  # fmt: skip
        block = ops.largest_block(terms, weights)
        layout = make_rows_layout(nodes, first, count, block, self_pairs)
        pairs = Pairs(layout, None, nodes, block)
        spec = Spec(pairs, late, g.plain_last, ops.budget(keep_bytes))
        out: Tensor = BlockedSum.apply(spec, *terms, None, *weights, *biases)
        return out
    receiver, sender, per_row = terms

    def function(i: Tensor, j: Tensor) -> Tensor:
        late = None if per_row is None else per_row[i]
        return g(receiver[i], sender[j], late=late)

    whole = backend == "reference"
    block = ops.block_pairs(g.out_channels, sender)
    block = max(nodes, 1) ** 2 if whole else block
    layout = make_rows_layout(nodes, first, count, block, self_pairs)
    like = sender.new_empty(0, dtype=accumulation_dtype(sender.dtype))
    recompute = not whole and len(layout.blocks) > 1
    return sum_rows(function, layout, g.out_channels, like, recompute)


def _by_kernels(
    terms: PairTerms,
    weights: list[Tensor],
    biases: list[Tensor],
    late_layer: int,
    plain_last: bool,
    first: int,
    count: int,
    self_pairs: bool,
) -> Tensor:
    # Triton need not be installed.
    from rn_graph.ops.triton_plan import share_rows
    from rn_graph.ops.triton_sum import row_sum

    nodes = terms.sender.size(0)
    late = terms.late
    some = PairTerms(
        terms.receiver[first : first + count],
        terms.sender,
        None if late is None else late[first : first + count],
    )
    rows = share_rows(nodes, first, count, self_pairs)
    out = row_sum(some, weights, biases, late_layer, plain_last, rows)
    return F.pad(out, (0, 0, first, nodes - first - count))
