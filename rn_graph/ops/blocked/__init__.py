"""The sum over pairs of a plain g in blocks, with a backward pass by hand."""

from torch import Tensor

from rn_graph.batching import Complete
from rn_graph.checks import has_values
from rn_graph.edges import Edges
from rn_graph.mlp import PairMLP, PairTerms
from rn_graph.ops.blocked import memory
from rn_graph.ops.blocked.compiled import compiled_sum
from rn_graph.ops.blocked.engine import BlockedEngine
from rn_graph.ops.function import NO_EDGES, EdgeTensors, Layers, apply, cast

#: Bytes of one layer's activations in a block: small enough for the cache.
BLOCK_BYTES = 4 * 2**20
#: Activations are kept for the backward pass up to this many bytes, unless a
#: call says otherwise; those of further blocks are computed again.
KEEP_BYTES = 64 * 2**20


def block_pairs(width: int, like: Tensor) -> int:
    """Number of pairs whose activations, one layer's, fill a block."""
    return max(1, BLOCK_BYTES // (max(width, 1) * like.element_size()))


def sum_blocked(
    g: PairMLP,
    terms: PairTerms,
    layers: Layers,
    pairs: Complete | Edges,
    keep_bytes: int | None,
) -> Tensor:
    """Sum a plain g over pairs, ``[R, width]``, at least float32.

    Args:
        g: The function of a pair.
        terms: Its node terms.
        layers: Its later layers.
        pairs: Which pairs.
        keep_bytes: Most bytes of activations to keep for the backward pass;
            ``None``: :data:`KEEP_BYTES`.
    """
    terms, layers = cast(terms, layers)
    widths = [terms.receiver.size(1), *(w.size(0) for w in layers.weights)]
    block = block_pairs(max(widths), terms.receiver)
    if not has_values(terms.receiver):
        assert isinstance(pairs, Complete)  # edges are left to messages
        return compiled_sum(
            *terms,
            [*layers.weights, *layers.biases],
            pairs.batch,
            pairs.question_batch,
            pairs.self_pairs,
            layers.late_layer,
            g.symmetric,
            block,
        )
    edges = NO_EDGES
    if isinstance(pairs, Edges):  # an engine lives as long as the sums do
        attr = pairs.attr
        columns = None if attr is None else g.edge_columns()
        edges = EdgeTensors(pairs.weight, attr, columns)
        pairs = Edges(pairs.sender, pairs.receiver)
    engine = BlockedEngine(pairs, terms.receiver.size(0), block, g.symmetric)
    if keep_bytes is None:
        keep_bytes = KEEP_BYTES
    else:
        memory.keep(g, keep_bytes)
    return apply(engine, terms, layers, edges, keep_bytes)
