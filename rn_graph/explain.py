"""What each pair contributed to an answer, and PyG's explainers over pairs."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rn_graph.batching import complete_edge_index, question_rows
from rn_graph.models.relation_network import RelationNetwork
from rn_graph.pairs import PairSelection


class PairContributions(NamedTuple):
    """What each pair contributed to the score of an answer.

    Attributes:
        edge_index: Senders and receivers among the objects, ``[2, P]``.
        question: Question of each pair, ``[P]``.
        contribution: Share of each pair in its question's score, ``[P]``.
        answer: The answer that was explained, ``[Q]``.
        score: Its score, ``[Q]``.
        baseline: Its score without any pair, ``[Q]``: of the empty sum, or of
            that over objects alone (``object_sum``). A question's
            contributions sum to ``score - baseline``.
    """

    edge_index: Tensor
    question: Tensor
    contribution: Tensor
    answer: Tensor
    score: Tensor
    baseline: Tensor


def pair_contributions(
    model: RelationNetwork,
    x: Tensor,
    question: Tensor | None = None,
    batch: Tensor | None = None,
    question_batch: Tensor | None = None,
    pos: Tensor | None = None,
    answer: Tensor | None = None,
    steps: int = 128,
    edge_index: Any = None,
    edge_attr: Tensor | None = None,
) -> PairContributions:
    r"""Share the score of an answer out among the pairs.

    The readout f sees only the sum :math:`\mathbf{s} = \sum_p \mathbf{m}_p`
    of the pairs' messages :math:`\mathbf{m}_p = w_p \, g(\cdot)`, beside what
    objects say without a pair, :math:`\mathbf{r}` (``object_sum``; nought
    without it). Its change from the empty sum is integrated along the
    straight line, `integrated gradients <https://arxiv.org/abs/1703.01365>`_
    over messages:

    .. math::
        c_p = \left\langle \mathbf{m}_p, \int_0^1 \nabla f_a(\mathbf{r} + t \,
        \mathbf{s}) \, \mathrm{d}t \right\rangle, \qquad
        \sum_p c_p = f_a(\mathbf{r} + \mathbf{s}) - f_a(\mathbf{r})

    Args:
        model: The network, with any selection of pairs. It runs as in
            evaluation, and is put back as it was.
        x: Objects, ``[N, in_channels]``.
        question: ``[Q, question_channels]``, or ``None``.
        batch: Scene of each object, ``[N]``, ascending; ``None``: one.
        question_batch: Scene of each question, ``[Q]``, or ``None``.
        pos: Positions, ``[N, D]``, or ``None``.
        answer: The answer to explain, ``[Q]``; ``None``: the one given.
        steps: Points of the integral's midpoint rule. (default: ``128``)
        edge_index: Given edges, ``[2, E]``, for a model that is told of them.
        edge_attr: Their features, ``[E, D]``.

    Raises:
        TypeError: For another kind of model.
        ValueError: For input that the model refuses, or an answer for each
            question missing.
    """
    if not isinstance(model, RelationNetwork):
        kind = type(model).__name__
        raise TypeError(f"`model` is {kind}, expected a RelationNetwork")
    if steps < 1:
        raise ValueError(f"`steps` is {steps}, expected ≥ 1")
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            messages, edges, pooled = _watch(
                model,
                (x, question, batch, question_batch, pos),
                edge_index=edge_index,
                edge_attr=edge_attr,
            )
        if batch is None:
            batch = torch.zeros(len(x), dtype=torch.long, device=x.device)
        node, row = None, batch
        if question_batch is not None:
            node, row = question_rows(batch, question_batch)
        owner = row[edges[1]]
        with torch.no_grad():
            total = torch.zeros_like(pooled).index_add(0, owner, messages)
            # Objects without a pair are what the pairs do not account for.
            rest = torch.zeros_like(pooled)
            if model.object_sum is not None:
                rest = pooled - total
            scores = model.read(pooled, question)
            empty = model.read(rest, question)
        if answer is None:
            answer = scores.argmax(-1)
        elif answer.shape != (len(scores),):
            raise ValueError(
                f"`answer` has shape {list(answer.shape)}, expected "
                f"[{len(scores)}], one a question"
            )
        pick = answer.unsqueeze(1)
        slope = torch.zeros_like(pooled)
        for step in range(steps):
            at = (rest + total * ((step + 0.5) / steps)).requires_grad_()
            with torch.enable_grad():
                score = model.read(at, question).gather(1, pick).sum()
            slope += torch.autograd.grad(score, at)[0] / steps
    finally:
        model.train(training)
    return PairContributions(
        edges if node is None else node[edges],
        owner,
        (messages * slope[owner]).sum(-1),
        answer,
        scores.gather(1, pick).squeeze(1),
        empty.gather(1, pick).squeeze(1),
    )


def _watch(
    model: RelationNetwork, given: Sequence[Tensor | None], **edges: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """Messages of the pairs, as they are summed, their rows, and the sum."""
    seen: dict[str, Tensor] = {}

    def before(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        seen["edges"] = inputs[0]

    def message(
        module: nn.Module, inputs: tuple[Any, ...], out: Tensor
    ) -> None:
        seen["messages"] = out

    def pooled(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        seen["pooled"] = inputs[0]

    conv = model.conv
    hooks = [
        conv.register_propagate_forward_pre_hook(before),
        conv.register_message_forward_hook(message),
        model.readout.register_forward_pre_hook(pooled),
    ]
    try:
        model(*given, **edges)
    finally:
        for hook in hooks:
            hook.remove()
    pairs, messages = seen["edges"], seen["messages"]
    if conv.flow == "target_to_source":
        pairs = pairs.flip(0)
    if conv.aggr == "mean":
        count = torch.bincount(pairs[1], minlength=1).clamp(min=1)
        messages = messages / count[pairs[1]].unsqueeze(1)
    width = conv.out_channels  # what follows is the question
    return messages, pairs, seen["pooled"][:, :width]


class OverEdges(nn.Module):
    """A Relation Network over pairs that are handed in, as PyG's explainers do.

    .. code-block:: python

        network = OverEdges(model)
        edge_index, weight = network.select(x, question)
        explainer = Explainer(network, AttentionExplainer(), ...)
        explanation = explainer(
            x, edge_index, question=question, edge_weight=weight
        )

    Args:
        model: The network whose layer and readout are used.
    """

    def __init__(self, model: RelationNetwork) -> None:
        super().__init__()
        if model.edge_channels is not None:
            raise ValueError(
                f"`model` was made with `edge_channels` "
                f"{model.edge_channels}, expected one without: what pairs are "
                f"told of given edges would be lost"
            )
        self.model = model

    def select(
        self,
        x: Tensor,
        question: Tensor | None = None,
        batch: Tensor | None = None,
        pos: Tensor | None = None,
    ) -> PairSelection:
        """The pairs that the model itself would sum, and their weights."""
        if self.model.pairs is not None:
            x, _ = self._encode(x, question, batch)
            chosen: PairSelection = self.model.pairs(x, question, batch, pos)
            return chosen
        self_pairs = self.model.conv.self_pairs
        return PairSelection(
            complete_edge_index(batch, len(x), self_pairs, x.device)
        )

    def _encode(
        self, x: Tensor, question: Tensor | None, batch: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Objects that have seen the question, and the scene of each."""
        row = x.new_zeros(len(x), dtype=torch.long) if batch is None else batch
        return self.model.objects(x, question, row), row

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        question: Tensor | None = None,
        batch: Tensor | None = None,
        edge_weight: Tensor | None = None,
    ) -> Tensor:
        """Answer from the given pairs, ``[Q, answers]``.

        Args:
            x: Objects, ``[N, in_channels]``.
            edge_index: Pairs, ``[2, P]``.
            question: ``[Q, question_channels]``, one a scene, or ``None``.
            batch: Scene of each object, ``[N]``, ascending; ``None``: one.
            edge_weight: Weight of each pair, ``[P]``, or ``None``.
        """
        count = 1 if batch is None else int(batch.max()) + 1 if len(x) else 0
        if question is not None:
            count = len(question)
        x, row = self._encode(x, question, batch)
        h = self.model.conv(
            x, edge_index, question, batch, edge_weight=edge_weight
        )
        h = self.model.add_objects(h, x)
        return self.model.read(self.model.pool(h, row, count), question)
