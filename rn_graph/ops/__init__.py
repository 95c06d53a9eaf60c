r"""The sum over pairs, :math:`\sum_j g(o_i, o_j, q)`, as a function.

``pair_sum`` chooses among backends that give the same value and gradients:

============= ==============================================================
``blocked``   plain MLPs: blocks of pairs, a hand-written backward pass
``rows``      any g (norm, dropout, custom module): blocks of pairs, autograd
``reference`` any g: every pair's rows at once, as the formula says
``triton``    plain MLPs on CUDA, widths of powers of two: fused kernels
============= ==============================================================
"""

import torch
from torch import Tensor

from rn_graph.edges import Edges
from rn_graph.mlp import PairMLP, PairModule, PairTerms
from rn_graph.ops.autograd import BlockedSum, Pairs, Spec, compiled_sum
from rn_graph.ops.blocked import accumulation_dtype
from rn_graph.ops.layout import make_layout
from rn_graph.ops.rows import sum_rows
from rn_graph.ops.triton_support import is_chosen, why_not

BACKENDS = ("blocked", "rows", "reference", "triton")

#: Bytes of one layer's activations in a block: small enough for the cache.
BLOCK_BYTES = 4 * 2**20
#: Activations are kept for the backward pass up to this many bytes, unless a
#: call says otherwise; those of further blocks are computed again.
KEEP_BYTES = 64 * 2**20


def pair_sum(
    g: PairMLP | PairModule,
    terms: PairTerms,
    batch: Tensor | None = None,
    self_pairs: bool = True,
    question_batch: Tensor | None = None,
    backend: str | None = None,
    keep_bytes: int | None = None,
) -> Tensor:
    r"""Sum g over the pairs of each node with the nodes of its graph.

    .. math::
        out_i = \sum_{j : b_j = b_i} g(\mathrm{terms}_i, \mathrm{terms}_j)

    Args:
        g: The function of a pair.
        terms: What g needs of the nodes: receivers and senders have one row
            each, ``[N, width]``.
        batch: Graph of each node, ``[N]``, ascending; ``None``: one graph.
        self_pairs: Whether a node is paired with itself. (default: ``True``)
        question_batch: Graph of each question, ``[Q]``, where ``terms.late``
            has a row for each node of each question: the layers before are
            then computed once for all questions of a graph. ``None``: one
            row a node. (default: ``None``)
        backend: One of :data:`BACKENDS`; ``None`` chooses. (default: ``None``)
        keep_bytes: Most bytes of activations that ``blocked`` keeps for the
            backward pass; ``None``: :data:`KEEP_BYTES`. (default: ``None``)

    Returns:
        The sums, ``[N, out_channels]``, or a row for each node of each
        question; at least float32.

    Raises:
        ValueError: For an unknown backend, or one that does not know this g.
    """
    shared = question_batch is not None
    backend = choose(g, backend, None if shared else terms.receiver)
    if backend == "blocked":
        assert isinstance(g, PairMLP)  # no other g is plain
        return _blocked(g, terms, batch, self_pairs, question_batch, keep_bytes)
    if question_batch is not None:
        raise ValueError(
            f"`question_batch` is given to the backend {backend!r}: expected "
            f"a row of terms for each node of each question instead"
        )
    if backend == "triton":
        assert isinstance(g, PairMLP)  # no other g is plain
        # Triton need not be installed.
        from rn_graph.ops import triton_sum

        return triton_sum.pair_sum(
            *cast(terms, g),
            late_layer(g, terms),
            g.plain_last,
            batch,
            self_pairs,
        )
    receiver, sender, late = terms

    def function(i: Tensor, j: Tensor) -> Tensor:
        return g(receiver[i], sender[j], late=None if late is None else late[i])

    nodes = receiver.size(0)
    whole = backend == "reference"
    block = max(nodes, 1) ** 2 if whole else block_pairs(g.out_channels, sender)
    layout = make_layout(batch, nodes, block, self_pairs)
    like = sender.new_empty(0, dtype=accumulation_dtype(sender.dtype))
    recompute = not whole and len(layout.blocks) > 1
    return sum_rows(function, layout, g.out_channels, like, recompute)


def edge_sum(
    g: PairMLP,
    terms: PairTerms,
    edges: Edges,
    keep_bytes: int | None = None,
) -> Tensor:
    r"""Sum a plain g over the edges of each row, in blocks.

    .. math::
        out_i = \sum_{(j, i) \in \mathcal{E}} w_{ji} \,
        g(\mathrm{terms}_i, \mathrm{terms}_j)

    Args:
        g: The function of a pair, without norm and dropout.
        terms: What g needs of the nodes: receivers ``[R, width]``, senders
            ``[M, width]``.
        edges: The edges, in any order; best in that of their receivers.
        keep_bytes: As in :func:`pair_sum`. (default: ``None``)

    Returns:
        The sums, ``[R, out_channels]``, at least float32.
    """
    terms, weights, biases = cast(terms, g)
    if edges.weight is not None:
        dtype = accumulation_dtype(terms.receiver.dtype)
        edges = edges._replace(weight=edges.weight.to(dtype))
    block = largest_block(terms, weights)
    pairs = Pairs(None, edges, terms.receiver.size(0), block)
    spec = Spec(pairs, late_layer(g, terms), g.plain_last, budget(keep_bytes))
    out: Tensor = BlockedSum.apply(
        spec, *terms, edges.weight, *weights, *biases
    )
    return out


def choose(
    g: PairMLP | PairModule, backend: str | None, x: Tensor | None = None
) -> str:
    """The backend to use for g just now.

    Args:
        g: The function of a pair.
        backend: One of :data:`BACKENDS`; ``None`` chooses.
        x: A tensor of the nodes' device and type, where all pairs are to be
            summed and ``"triton"`` may be chosen. (default: ``None``)

    Raises:
        ValueError: For an unknown backend, or one that does not know this g.
    """
    if backend not in (None, *BACKENDS):
        raise ValueError(
            f"`backend` is {backend!r}, expected None or one of {BACKENDS}"
        )
    if backend == "blocked" and not g.is_plain:
        raise ValueError(
            "`backend` is 'blocked', which knows no norm, no dropout and no "
            "custom g: expected 'rows', 'reference' or None"
        )
    if x is not None:
        dtype = compute_dtype(x)
        if backend == "triton" and (reason := why_not(g, dtype, x.device)):
            raise ValueError(f"`backend` is 'triton', but {reason}")
        if backend is None and is_chosen(g, dtype, x.device):
            return "triton"
    return backend or ("blocked" if g.is_plain else "rows")


def _blocked(
    g: PairMLP,
    terms: PairTerms,
    batch: Tensor | None,
    self_pairs: bool,
    question_batch: Tensor | None,
    keep_bytes: int | None,
) -> Tensor:
    terms, weights, biases = cast(terms, g)
    block = largest_block(terms, weights)
    late = late_layer(g, terms)
    if torch.compiler.is_compiling():
        return compiled_sum(
            *terms,
            [*weights, *biases],
            batch,
            question_batch,
            self_pairs,
            late,
            g.plain_last,
            block,
        )
    nodes = terms.receiver.size(0)
    layout = make_layout(batch, nodes, block, self_pairs, question_batch)
    pairs = Pairs(layout, None, layout.num_rows, block)
    spec = Spec(pairs, late, g.plain_last, budget(keep_bytes))
    out: Tensor = BlockedSum.apply(spec, *terms, None, *weights, *biases)
    return out


def budget(keep_bytes: int | None) -> int:
    """Bytes of activations to keep: as asked, or the default.

    None without gradients. A ``Function`` cannot tell: what its inputs need
    is the same under ``no_grad``.
    """
    if not torch.is_grad_enabled():
        return 0
    return KEEP_BYTES if keep_bytes is None else keep_bytes


def compute_dtype(x: Tensor) -> torch.dtype:
    """The type that products of ``x`` are computed in, by autocast's rules."""
    device = x.device.type
    # Autocast leaves float64 alone, here as everywhere in torch.
    if x.dtype == torch.float64 or not torch.is_autocast_enabled(device):
        return x.dtype
    return torch.get_autocast_dtype(device)


def cast(
    terms: PairTerms, g: PairMLP
) -> tuple[PairTerms, list[Tensor], list[Tensor]]:
    """Terms, later weights and biases as autocast would have them.

    It does not reach into the blocks, so it is done by hand.
    """
    dtype = compute_dtype(terms.receiver)
    late = None if terms.late is None else terms.late.to(dtype)
    terms = PairTerms(terms.receiver.to(dtype), terms.sender.to(dtype), late)
    # A layer's weight may be a part of a wider one: oneDNN is very slow at it.
    weights = [w.to(dtype).contiguous() for w in g.later_weights()]
    return terms, weights, [b.to(dtype) for b in g.later_biases()]


def late_layer(g: PairMLP, terms: PairTerms) -> int:
    """Layer of g that the late terms enter at; 0: there are none."""
    return 0 if terms.late is None else g.question_layer


def largest_block(terms: PairTerms, weights: list[Tensor]) -> int:
    """Number of pairs of a block, for the widest of the layers."""
    widths = [terms.receiver.size(1), *(w.size(0) for w in weights)]
    return block_pairs(max(widths), terms.receiver)


def block_pairs(width: int, like: Tensor) -> int:
    """Number of pairs whose activations, one layer's, fill a block."""
    return max(1, BLOCK_BYTES // (max(width, 1) * like.element_size()))
