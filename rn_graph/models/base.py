"""What every model of a scene shares: rows, pooling, and the readout f."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.nn import MLP
from torch_geometric.nn.inits import reset

from rn_graph.batching import question_rows
from rn_graph.checks import (
    call_trusted,
    check_channels,
    check_features,
    check_place,
    check_questions,
    check_rows,
    checks_enabled,
)
from rn_graph.dtypes import accumulation_dtype, is_autocast
from rn_graph.edges import Edges, read_edges, repeat_edges


class SceneModel(nn.Module):
    r"""A model that sums over a scene's objects, and reads the answer off.

    .. math::
        \mathrm{answer} = f\Big(\Big[\sum_i \mathbf{h}_i ; \mathbf{q}
        \Big]\Big)

    Subclasses compute :math:`\mathbf{h}` in :meth:`embed`, or all that f is
    given in :meth:`summarize`.

    Args:
        pooled_channels: Width of the pooled :math:`\mathbf{h}_i`.
        out_channels: Number of answers.
        question_channels: Width of a question; ``None``: no question.
        readout_channels: Widths of f's hidden layers.
        readout_dropout: Dropout in f, before its last layer.
        question_in_readout: Whether the question is given to f.
    """

    #: Width of an object, where a subclass leaves its check to this class.
    in_channels: int | None = None
    #: Width of the features of given edges, 0 for edges without features;
    #: ``None``, if there are no edges.
    edge_channels: int | None = None

    def __init__(
        self,
        pooled_channels: int,
        out_channels: int,
        question_channels: int | None,
        readout_channels: Sequence[int] = (256, 256),
        readout_dropout: float = 0.0,
        question_in_readout: bool = True,
    ) -> None:
        super().__init__()
        check_channels("out_channels", out_channels)
        if question_channels is not None:
            check_channels("question_channels", question_channels)
        for width in readout_channels:
            check_channels("readout_channels", width)
        if not 0 <= readout_dropout < 1:
            raise ValueError(
                f"`readout_dropout` is {readout_dropout}, expected 0 ≤ "
                f"readout_dropout < 1"
            )
        self.question_channels = question_channels
        self.question_in_readout = (
            question_in_readout and question_channels is not None
        )
        extra = question_channels or 0 if self.question_in_readout else 0
        widths = [pooled_channels + extra, *readout_channels, out_channels]
        dropout = [0.0] * (len(widths) - 1)
        if readout_channels:
            dropout[-2] = readout_dropout
        self.readout = MLP(widths, dropout=dropout, norm=None)

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for module in self.children():
            reset(module)

    def embed(
        self,
        x: Tensor,
        question: Tensor | None,
        batch: Tensor,
        question_batch: Tensor | None,
        pos: Tensor | None,
        edges: Edges | None,
    ) -> Tensor:
        """Compute h of each object of each question's scene.

        Arguments are those of :meth:`forward`; ``edges`` are given ones.

        Returns:
            ``[R, pooled_channels]``, in the order of
            :func:`~rn_graph.question_rows`.
        """
        raise NotImplementedError

    def pool(self, h: Tensor, row: Tensor, count: int) -> Tensor:
        """Pool the objects of each question's scene: their sum.

        Under autocast the sum is float32, as :class:`~rn_graph.RNConv`'s is.

        Args:
            h: What :meth:`embed` gave, ``[R, C]``.
            row: Question of each row, ``[R]``, ascending.
            count: Number of questions, Q.

        Returns:
            ``[Q, pooled_channels]``.
        """
        if is_autocast(h):
            h = h.to(accumulation_dtype(h.dtype))
        return h.new_zeros(count, h.size(1)).index_add(0, row, h)

    def summarize(
        self,
        x: Tensor,
        question: Tensor | None,
        batch: Tensor,
        question_batch: Tensor | None,
        pos: Tensor | None,
        edges: Edges | None,
        count: int,
    ) -> Tensor:
        """Embed each question's objects, and pool them.

        Arguments are those of :meth:`embed`, and ``count``, the number of
        questions, Q, or without questions of scenes.

        Returns:
            ``[count, pooled_channels]``, or ``[steps, count,
            pooled_channels]`` of a model that answers at each of its steps.
        """
        row = batch
        if question_batch is not None:
            row = question_rows(batch, question_batch).question
        h = self.embed(x, question, batch, question_batch, pos, edges)
        return self.pool(h, row, count)

    def read(self, pooled: Tensor, question: Tensor | None) -> Tensor:
        """Read the answers off, f.

        Args:
            pooled: What :meth:`summarize` gave, ``[..., Q,
                pooled_channels]``.
            question: ``[Q, question_channels]``, or ``None``.

        Returns:
            Scores of the answers, ``[..., Q, out_channels]``.
        """
        if self.question_in_readout:
            assert question is not None
            asked = question.expand(*pooled.shape[:-1], -1)
            pooled = torch.cat([pooled, asked], dim=-1)
        scores: Tensor = self.readout(pooled)
        return scores

    def forward(
        self,
        x: Tensor,
        question: Tensor | None = None,
        batch: Tensor | None = None,
        question_batch: Tensor | None = None,
        pos: Tensor | None = None,
        edge_index: Any = None,
        edge_attr: Tensor | None = None,
    ) -> Tensor:
        """Answer questions about scenes.

        Args:
            x: Objects, ``[N, in_channels]``.
            question: ``[Q, question_channels]``; ``None`` for a model made
                without.
            batch: Scene of each object, ``[N]``, ascending; ``None``: one.
            question_batch: Scene of each question, ``[Q]``; ``None``: one
                question a scene.
            pos: Positions of the objects, ``[N, D]``, for pairs that depend
                on them.
            edge_index: Given edges between objects of the same scene, in any
                form of PyG's, for a model that takes them; ``None``: none are
                given.
            edge_attr: Their features, ``[E, edge_channels]``.

        Returns:
            Scores of the answers, ``[Q, out_channels]``; without questions
            one row a scene. A model that answers at each of its steps gives
            ``[steps, Q, out_channels]``.

        Raises:
            TypeError: For a tensor of the wrong type.
            ValueError: For shapes, counts or indices that do not fit.
        """
        check_features("x", x, self.in_channels)
        check_questions(
            x.size(0), self.question_channels, question, batch, question_batch
        )
        if pos is not None:
            check_features("pos", pos)
            check_rows("pos", pos, x.size(0))
        weight = self.readout.lins[0].weight
        what = "the model's parameters are"
        for name, value in (("x", x), ("question", question)):
            check_place(name, value, weight, what, dtype=True)
        scenes = 1
        if batch is None:
            batch = torch.zeros(x.size(0), dtype=torch.long, device=x.device)
        elif question is None:
            scenes = int(batch.max()) + 1 if len(batch) else 0
        count = scenes if question is None else question.size(0)
        edges = self._read_edges(x, batch, edge_index, edge_attr)
        pooled = self.summarize(
            x, question, batch, question_batch, pos, edges, count
        )
        return self.read(pooled, question)

    def _read_edges(
        self,
        x: Tensor,
        batch: Tensor,
        edge_index: Any,
        edge_attr: Tensor | None,
    ) -> Edges | None:
        """Given edges, checked; their width is that of ``edge_channels``."""
        width = self.edge_channels
        if edge_index is None:
            if edge_attr is not None or width is not None:
                raise ValueError(
                    f"`edge_index` is None, expected edges: `edge_attr` is "
                    f"{'given' if edge_attr is not None else 'None'} and the "
                    f"model was made for edges of {width or 0} channels"
                )
            return None
        if width is None:
            raise ValueError(
                f"`edge_index` is given, but this {type(self).__name__} takes "
                f"no edges: expected None, or a model made with "
                f"`edge_channels`"
            )
        edges = read_edges(edge_index, x.size(0), x.size(0))
        if edges.weight is not None:
            raise ValueError(
                "`edge_index` has weights, which the models would ignore: "
                "expected edges without, or `edge_attr`"
            )
        if checks_enabled(batch) and bool(
            (batch[edges.sender] != batch[edges.receiver]).any()
        ):
            raise ValueError(
                "`edge_index` joins objects of different scenes, expected "
                "edges within each scene"
            )
        if (edge_attr is None) != (width == 0):
            raise ValueError(
                f"`edge_attr` is {'None' if edge_attr is None else 'given'}, "
                f"but the model was made for edges of {width} channels"
            )
        if edge_attr is not None:
            check_features("edge_attr", edge_attr, width)
            check_rows("edge_attr", edge_attr, edges.sender.numel())
        return edges._replace(attr=edge_attr)


def check_pairs(pairs: object) -> None:
    """Check that ``pairs`` is a selection, or ``None``.

    Raises:
        TypeError: If it is neither.
    """
    if pairs is not None and not isinstance(pairs, nn.Module):
        raise TypeError(
            f"`pairs` is {pairs!r}, expected None or a module of "
            f"rn_graph.pairs, as in KNNPairs(k=4)"
        )


def check_edge_channels(edge_channels: int | None) -> int | None:
    """Check the width of given edges, and return it.

    Raises:
        TypeError | ValueError: If it is no number from 0, nor ``None``.
    """
    if edge_channels is not None:
        check_channels("edge_channels", edge_channels, least=0)
    return edge_channels


def check_pairs_or_edges(pairs: object, edge_channels: int | None) -> None:
    """Check both where given edges take the place of pairs.

    Raises:
        TypeError | ValueError: As of :func:`check_pairs` and
            :func:`check_edge_channels`, or if both are given.
    """
    check_pairs(pairs)
    check_edge_channels(edge_channels)
    if edge_channels is not None and pairs is not None:
        raise ValueError(
            f"`pairs` is {type(pairs).__name__} and `edge_channels` "
            f"{edge_channels}, expected one of them: given edges are the "
            f"pairs"
        )


def messages_over(
    pairs: nn.Module | None, question: Tensor | None, rows: "Rows"
) -> dict[str, Tensor | None]:
    """Over which edges RNConv sends messages, by the names of its arguments.

    Args:
        pairs: A selection, or ``None``: all pairs, unless edges are given.
        question: ``[Q, question_channels]``, or ``None``.
        rows: The objects, with given edges where there are any.
    """
    edges = rows.edges
    if edges is not None:
        edge_index = torch.stack([edges.sender, edges.receiver])
        return {"edge_index": edge_index, "edge_attr": edges.attr}
    if pairs is None:
        return {"edge_index": None}
    edge_index, weight = call_trusted(
        pairs, rows.x, question, rows.row, rows.pos
    )
    return {"edge_index": edge_index, "edge_weight": weight}


class Rows(NamedTuple):
    """Objects, once for each question of their scene.

    Attributes:
        x: Objects, ``[R, F]``.
        row: Question of each, ``[R]``, ascending.
        pos: Their places, ``[R, D]``, or ``None``.
        edges: Given edges between the rows, or ``None``.
    """

    x: Tensor
    row: Tensor
    pos: Tensor | None
    edges: Edges | None


def per_question(
    x: Tensor,
    batch: Tensor,
    question_batch: Tensor | None,
    pos: Tensor | None,
    edges: Edges | None = None,
) -> Rows:
    """Repeat each scene's objects, and edges, for each of its questions."""
    if question_batch is None:
        return Rows(x, batch, pos, edges)
    node, row = question_rows(batch, question_batch)
    if edges is not None:
        edges = repeat_edges(edges, batch, question_batch, row)
        # Senders are rows, too: the one of the receiver's question.
        first_row = torch.searchsorted(row, row[edges.receiver])
        first_node = torch.searchsorted(batch, batch[edges.sender])
        edges = edges._replace(sender=edges.sender + first_row - first_node)
    return Rows(x[node], row, None if pos is None else pos[node], edges)


def count_scenes(
    batch: Tensor, question_batch: Tensor | None, count: int
) -> int:
    """How many scenes there are, as far as nodes and questions name them.

    Args:
        batch: Scene of each object, ``[N]``, ascending.
        question_batch: Scene of each question; ``None``: one each.
        count: Number of questions.
    """
    if question_batch is None:
        return count
    named = torch.cat([batch[-1:], question_batch])
    return int(named.max()) + 1 if len(named) else 0


class ObjectEncoder(nn.Module):
    r"""Lets an object see the question before it meets the others.

    .. math::
        \mathbf{o}'_i = [\mathbf{o}_i ; \phi(\mathbf{o}_i, \mathbf{q})]

    "Is this the red cube that is asked for?" is then found once an object,
    and what follows has only to combine such findings.

    Args:
        in_channels: Width of an object.
        question_channels: Width of a question; ``None``: no question.
        hidden_channels: Width of :math:`\phi`'s layers.
        num_layers: Layers of :math:`\phi`; ReLU follows each. With 0 the
            objects stay as they are.

    Attributes:
        out_channels: Width of an object that has seen the question.
    """

    def __init__(
        self,
        in_channels: int,
        question_channels: int | None,
        hidden_channels: int,
        num_layers: int,
    ) -> None:
        super().__init__()
        check_channels("object_layers", num_layers, least=0)
        self.phi: nn.Module | None = None
        self.out_channels = in_channels
        if num_layers:
            check_channels("in_channels", in_channels, least=0)
            width = in_channels + (question_channels or 0)
            self.phi = MLP(
                [width, *[hidden_channels] * num_layers],
                norm=None,
                plain_last=False,
            )
            self.out_channels += hidden_channels

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        reset(self.phi)

    def forward(
        self, x: Tensor, question: Tensor | None, row: Tensor
    ) -> Tensor:
        """Encode objects.

        Args:
            x: Objects, ``[R, in_channels]``.
            question: ``[Q, question_channels]``, or ``None``.
            row: Question of each object, ``[R]``.

        Returns:
            ``[R, out_channels]``.
        """
        if self.phi is None:
            return x
        seen = self.phi(with_question(x, question, row))
        return torch.cat([x, seen.to(x.dtype)], dim=-1)


def with_question(x: Tensor, question: Tensor | None, row: Tensor) -> Tensor:
    """Join each row's object and question, ``[x_i ; q]``."""
    return x if question is None else torch.cat([x, question[row]], dim=-1)
