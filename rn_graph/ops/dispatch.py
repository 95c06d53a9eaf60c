"""The one place that chooses who sums, and says why another does not fit."""

import torch
from torch import Tensor

from rn_graph.batching import Complete
from rn_graph.checks import has_values
from rn_graph.dtypes import compute_dtype
from rn_graph.edges import Edges
from rn_graph.mlp import PairMLP, PairTerms
from rn_graph.ops import blocked, triton
from rn_graph.ops.dense import sum_dense
from rn_graph.ops.function import Layers, apply, cast
from rn_graph.ops.rows import sum_rows

#: Names of the backends.
BACKENDS = ("dense", "blocked", "rows", "reference", "triton")

#: Bytes of one layer's activations that the dense form takes at most; and in
#: training in half precision, where passes weigh more than fresh memory.
DENSE_BYTES = (2 * 2**20, 8 * 2**20)
#: Graphs from this size on gain more from computing half of a symmetric g's
#: pairs than from the dense form's few operators.
_MIRRORED_SIZE = 16


def choose(
    g: PairMLP,
    x: Tensor,
    pairs: Complete | Edges,
    backend: str | None = None,
) -> str:
    """The backend to use for g just now.

    Args:
        g: The function of a pair.
        x: The nodes, ``[N, ...]``, for their device and type, and for their
            number where ``pairs`` do not know it.
        pairs: Which pairs to sum.
        backend: One of :data:`BACKENDS`; ``None`` chooses.

    Raises:
        ValueError: For an unknown backend, or one that does not know this.
    """
    if backend is not None:
        if reason := why_not(g, x, pairs, backend):
            raise ValueError(f"`backend` is {backend!r}, but {reason}")
        return backend
    if not g.is_plain:
        return "rows"
    if isinstance(pairs, Edges) or pairs.question_batch is not None:
        return "blocked"
    if not has_values(x):
        return "blocked"
    if x.is_cuda and triton.is_chosen(_widths(g), compute_dtype(x), x.device):
        return "triton"
    return "dense" if _is_small(g, x, pairs) else "blocked"


def why_not(
    g: PairMLP, x: Tensor, pairs: Complete | Edges, backend: str
) -> str | None:
    """Why a backend cannot sum this; ``None`` where it can."""
    if backend not in BACKENDS:
        return f"expected None or one of {BACKENDS}"
    if backend in ("dense", "blocked", "triton") and not g.is_plain:
        return (
            "it knows no norm, no dropout, no custom g and no layers that "
            "are more than a weight and a bias: expected 'rows', 'reference' "
            "or None"
        )
    if backend == "blocked":
        return None
    if isinstance(pairs, Edges):
        return "it sums all pairs, not edges: expected 'blocked' or None"
    if pairs.question_batch is not None:
        return (
            "it needs a row of terms for each node of each question: expected "
            "'blocked', or None, with a `question_batch`"
        )
    if backend == "triton":
        return triton.why_not(_widths(g), compute_dtype(x), x.device)
    if backend == "dense":
        if pairs.share or not has_values(x):
            return "it sums whole graphs, and is not for compilers"
        if len(set(pairs.sizes(x.size(0)))) > 1:
            return "the graphs are of different sizes"
    return None


def _widths(g: PairMLP) -> list[int]:
    """Widths of the layers that pairs need, of a plain g."""
    return [g.lins[0].weight.size(0), *(w.size(0) for w in g.later()[0])]


def _is_small(g: PairMLP, x: Tensor, pairs: Complete) -> bool:
    """Whether the dense form pays: equal graphs, with few pairs in all."""
    nodes = x.size(0) if pairs.batch is None else pairs.batch.numel()
    dtype = x.dtype
    if nodes**2 * g.widest * dtype.itemsize > DENSE_BYTES[0]:
        dtype = compute_dtype(x)  # what is narrower fits all the more
    passes = dtype.itemsize < 4 and torch.is_grad_enabled()
    most = DENSE_BYTES[passes] // (g.widest * dtype.itemsize)
    if not 0 < nodes <= most or pairs.share:
        return False
    sizes = pairs.sizes(nodes)
    if sizes[0] * nodes > most or len(set(sizes)) > 1:
        return False
    return not g.symmetric or sizes[0] < _MIRRORED_SIZE


def pair_sum(
    g: PairMLP,
    terms: PairTerms,
    pairs: Complete | Edges,
    backend: str | None = None,
    keep_bytes: int | None = None,
) -> Tensor:
    r"""Sum g over pairs.

    .. math::
        out_i = \sum_{(j, i)} w_{ji} \, g(\mathrm{terms}_i,
        \mathrm{terms}_j)

    Args:
        g: The function of a pair.
        terms: What g needs of the nodes: receivers ``[R, width]``, senders
            ``[M, width]``; over all pairs of graphs R = M.
        pairs: All pairs, or edges. Where all pairs have a
            ``question_batch``, ``terms.late`` has a row for each node of each
            question, and g one layer at least before it.
        backend: One of :data:`BACKENDS`; ``None`` chooses. (default: ``None``)
        keep_bytes: Most bytes of activations that ``"blocked"`` keeps for the
            backward pass. (default: ``None``: 64 MiB)

    Returns:
        The sums, ``[R, out_channels]``, or a row for each node of each
        question; at least float32.

    Raises:
        ValueError: For an unknown backend, or one that does not know this.
    """
    name = choose(g, terms.receiver, pairs, backend)
    return run(g, terms, pairs, name, keep_bytes)


def run(
    g: PairMLP,
    terms: PairTerms,
    pairs: Complete | Edges,
    backend: str,
    keep_bytes: int | None = None,
) -> Tensor:
    """:func:`pair_sum` by the backend that :func:`choose` gave."""
    if backend in ("rows", "reference"):
        assert isinstance(pairs, Complete)
        out = sum_rows(g, terms, pairs, backend == "reference")
    else:
        weights, biases = g.later()
        late, at = terms.late, g.question_layer
        if late is None or at > len(weights):
            late, at = None, 0  # a plain last layer's question waits, too
        some = PairTerms(terms.receiver, terms.sender, late)
        layers = Layers(weights, biases, at)
        if backend == "blocked":
            out = blocked.sum_blocked(g, some, layers, pairs, keep_bytes)
        elif backend == "dense":
            assert isinstance(pairs, Complete)
            out = sum_dense(some, layers, pairs)
        else:  # Triton need not be installed
            from rn_graph.ops.triton.engine import TritonEngine

            assert isinstance(pairs, Complete)
            sizes = pairs.sizes(len(some.receiver))
            engine = TritonEngine(
                torch.tensor(sizes, dtype=torch.long, device="cpu"),
                pairs.self_pairs,
                some.receiver.device,
                pairs.share,
            )
            out = apply(engine, *cast(some, layers))
    if not g.is_summed_first:
        return out
    return g.finish(out, pairs.num_pairs(out), terms.late)
