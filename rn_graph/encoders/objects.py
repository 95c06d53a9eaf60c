"""Objects as functions make them: of maps, texts, descriptions of a state.

=========================== ============================================
:func:`map_to_nodes`        a feature map's cells, with coordinates
:func:`nodes_to_map`        and back
:func:`grid_size`           height and width of the maps that nodes came from
:func:`text_to_nodes`       a text's words, with their place in it
:func:`sequence_to_nodes`   what was encoded before, as sentences
:func:`attributes_to_nodes` objects described by their attributes
=========================== ============================================

All give :class:`Nodes`, which layers and models of this package take:
``model(nodes.x, question, nodes.batch, pos=nodes.pos)``. Modules that make
them of a batch, with parameters where they need some, are beside this file;
padded objects with a mask in :mod:`rn_graph.dense`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rn_graph.batching import graph_spans
from rn_graph.checks import check_features, check_index, checks_enabled


class Nodes(NamedTuple):
    """Objects of several graphs, one after the other.

    Attributes:
        x: Features, ``[N, F]``.
        batch: Graph of each node, ``[N]``, ascending.
        pos: Positions, ``[N, D]``, or ``None`` where there are none.
    """

    x: Tensor
    batch: Tensor
    pos: Tensor | None = None


def map_to_nodes(x: Tensor) -> Nodes:
    r"""Make every cell of a feature map an object, tagged with its place.

    Coordinates go from −1 (left, top) to 1 (right, bottom) at the outermost
    cells; an axis of one cell has 0. Source: `Santoro et al. (2017)
    <https://arxiv.org/abs/1706.01427>`_, section 4.

    Args:
        x: Feature maps of any CNN, ``[B, C, H, W]``.

    Returns:
        ``x [B·H·W, C + 2]``: channels, column, row; ``pos [B·H·W, 2]``:
        column, row. Cells go by rows, as in an image.

    Raises:
        TypeError: If ``x`` is not a floating-point tensor.
        ValueError: For another shape.

    Example:
        >>> nodes = map_to_nodes(torch.randn(2, 24, 5, 5))
        >>> nodes.x.shape
        torch.Size([50, 26])
        >>> nodes.pos[:3].tolist()
        [[-1.0, -1.0], [-0.5, -1.0], [0.0, -1.0]]
    """
    _check_dim("x", x, 4, "[B, C, H, W]", floating=True)
    graphs, channels, height, width = x.shape
    pos = torch.stack(
        torch.meshgrid(_line(width, x), _line(height, x), indexing="xy"), -1
    )
    pos = pos.view(-1, 2).repeat(graphs, 1)
    cells = x.permute(0, 2, 3, 1).reshape(len(pos), channels)
    batch = torch.arange(graphs, device=x.device)
    return Nodes(
        torch.cat([cells, pos], dim=1),
        batch.repeat_interleave(height * width),
        pos,
    )


def nodes_to_map(x: Tensor, size: Sequence[int]) -> Tensor:
    """Lay nodes out as feature maps again, for further layers of a CNN.

    Args:
        x: Nodes in the order of :func:`map_to_nodes`, ``[B·H·W, C]``.
        size: Height and width, as of ``feature_map.shape[-2:]``.

    Returns:
        ``[B, C, H, W]``.

    Raises:
        ValueError: If the nodes do not come out even.
    """
    _check_dim("x", x, 2, "[B·H·W, C]")
    height, width = size
    cells = height * width
    if cells < 1 or len(x) % cells:
        raise ValueError(
            f"`x` has {len(x)} rows, expected a multiple of {height} × {width}"
        )
    maps = x.view(len(x) // cells, height, width, x.size(1))
    return maps.permute(0, 3, 1, 2).contiguous()


def grid_size(
    pos: Tensor | None, batch: Tensor, num_graphs: int
) -> tuple[int, int]:
    """Find the height and width of the maps that nodes are the cells of.

    Args:
        pos: Places of the nodes, column and row, ``[N, 2]``.
        batch: Graph of each node, ``[N]``, ascending.
        num_graphs: Number of graphs, B.

    Returns:
        Height and width, with :math:`N = B H W`.

    Raises:
        ValueError: If the nodes are not those of :func:`map_to_nodes`: all
            cells of maps of one size, by rows.
    """
    expected = (
        "expected column and row [N, 2] of all cells of maps of one size, as "
        "`map_to_nodes` gives them"
    )
    if pos is None or pos.dim() != 2 or pos.size(1) != 2:
        found = "None" if pos is None else f"of shape {list(pos.shape)}"
        raise ValueError(f"`pos` is {found}, {expected}")
    cells = len(pos) // max(num_graphs, 1)
    if not cells or cells * num_graphs != len(pos):
        raise ValueError(
            f"`pos` has {len(pos)} rows of {num_graphs} graphs, {expected}"
        )
    # The first row ends where the second begins.
    width = int((pos[:cells, 1] == pos[0, 1]).sum())
    if cells % width:
        raise ValueError(f"`pos` has rows of unequal lengths, {expected}")
    height = cells // width
    if checks_enabled(pos):
        grid = pos.view(num_graphs, height, width, 2)
        graphs = torch.arange(num_graphs, device=batch.device)
        column, row = grid[0, 0, :, 0], grid[0, :, 0, 1]
        regular = (
            (batch.view(num_graphs, cells) == graphs.unsqueeze(1)).all()
            & (grid[..., 0] == column).all()
            & (grid[..., 1] == row.unsqueeze(1)).all()
            & (column.diff() > 0).all()
            & (row.diff() > 0).all()
        )
        if not regular:
            raise ValueError(f"`pos` is no grid in each graph, {expected}")
    return height, width


def text_to_nodes(x: Tensor, length: Tensor) -> Nodes:
    """Make every word of padded texts an object, tagged with its place.

    Args:
        x: Embedded words, ``[B, T, C]``; what stands after a text's end is
            not read.
        length: Number of words of each text, ``[B]``, 0 to T.

    Returns:
        As :func:`sequence_to_nodes`, without the padding.

    Raises:
        TypeError: For a tensor of the wrong type.
        ValueError: For shapes that do not fit, or a length outside 0 to T.
    """
    _check_dim("x", x, 3, "[B, T, C]")
    check_index("length", length, length=len(x))
    if checks_enabled() and len(x) and int(length.max()) > x.size(1):
        raise ValueError(
            f"`length` holds {int(length.max())}, expected at most "
            f"{x.size(1)}, the width of `x`"
        )
    steps = torch.arange(x.size(1), device=x.device)
    kept = steps < length.to(x.device).unsqueeze(1)
    return sequence_to_nodes(x[kept], kept.nonzero()[:, 0])


def sequence_to_nodes(x: Tensor, batch: Tensor) -> Nodes:
    r"""Tag each element of a sequence with its place in it.

    The tag of element t (from 0) of L is :math:`2t / (L - 1) - 1`, from −1
    for the first to 1 for the last; a single one has 0. In the same spirit
    `Santoro et al. (2017) <https://arxiv.org/abs/1706.01427>`_, section 4,
    mark each sentence of a bAbI story with its relative position:

    .. code-block:: python

        sentence = encoder(tokens, length)  # [S, C], QuestionEncoder
        nodes = sequence_to_nodes(sentence, story)  # story of each [S]

    Args:
        x: Elements, in order, ``[N, C]``.
        batch: Sequence of each element, ``[N]``, ascending.

    Returns:
        ``x [N, C + 1]``: the element and its tag; ``pos [N, 1]``: its index
        t, so that neighbours are 1 apart in short and long sequences.

    Raises:
        TypeError: For a tensor of the wrong type.
        ValueError: For shapes that do not fit, or NaN.
    """
    check_features("x", x)
    check_index("batch", batch, length=len(x), ordered=True)
    batch = batch.long()
    start, size = graph_spans(batch, batch)
    index = torch.arange(len(x), device=x.device) - start
    tag = (2 * index - size + 1) / (size - 1).clamp(min=1)
    tag, pos = (t.to(x.dtype).unsqueeze(1) for t in (tag, index))
    return Nodes(torch.cat([x, tag], dim=1), batch, pos)


def attributes_to_nodes(
    codes: Tensor,
    num_values: Sequence[int],
    pos: Tensor | None = None,
    batch: Tensor | None = None,
) -> Nodes:
    """Describe objects by their attributes, one-hot, and their position.

    Args:
        codes: Index of each attribute's value, ``[N, A]``, integers.
        num_values: Number of values of each attribute, A of them.
        pos: Positions, ``[N, D]``; they join the features. (default:
            ``None``)
        batch: Graph of each object, ``[N]``, ascending; ``None``: one.

    Returns:
        ``x [N, sum(num_values) + D]``.

    Raises:
        TypeError: For a tensor of the wrong type.
        ValueError: For shapes that do not fit, or a value out of range.

    .. code-block:: python

        # a large red cube and a small blue sphere
        attributes_to_nodes(tensor([[0, 1, 0], [1, 2, 1]]), [2, 8, 3]).x
    """
    _check_dim("codes", codes, 2, "[N, A]")
    if codes.size(1) != len(num_values):
        raise ValueError(
            f"`codes` has {codes.size(1)} columns, expected "
            f"{len(num_values)}, one for each of `num_values`"
        )
    dtype = torch.get_default_dtype() if pos is None else pos.dtype
    columns = []
    for i, (column, values) in enumerate(
        zip(codes.unbind(1), num_values, strict=True)
    ):
        check_index(f"codes[:, {i}]", column, upper=values)
        table = torch.eye(values, dtype=dtype, device=codes.device)
        columns.append(table[column.long()])
    if pos is not None:
        check_features("pos", pos)
        if len(pos) != len(codes):
            raise ValueError(
                f"`pos` has {len(pos)} rows, expected {len(codes)}, one for "
                f"each row of `codes`"
            )
        columns.append(pos)
    if batch is None:
        batch = torch.zeros(len(codes), dtype=torch.long, device=codes.device)
    check_index("batch", batch, length=len(codes), ordered=True)
    x = torch.cat(columns, 1) if columns else torch.empty(len(codes), 0)
    return Nodes(x, batch.long(), pos)


def _line(cells: int, like: Tensor) -> Tensor:
    """Coordinates of cells from −1 to 1; of a single one, 0."""
    if cells == 1:
        return like.new_zeros(1)
    return torch.linspace(-1, 1, cells, dtype=like.dtype, device=like.device)


def _check_dim(
    name: str, x: Tensor, dim: int, shape: str, floating: bool = False
) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(
            f"`{name}` is {type(x).__name__}, expected a tensor {shape}"
        )
    if floating and not x.is_floating_point():
        raise TypeError(
            f"`{name}` is {x.dtype}, expected a floating-point tensor {shape}"
        )
    if x.dim() != dim:
        raise ValueError(
            f"`{name}` has shape {list(x.shape)}, expected {shape}"
        )
