"""Models that do not look at the scene: what a question alone gives away."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rn_graph.checks import check_index
from rn_graph.edges import Edges
from rn_graph.models.base import SceneModel, per_question


class QuestionOnly(SceneModel):
    r"""The readout on the question alone, :math:`f(\mathbf{q})`.

    Args:
        out_channels: Number of answers.
        question_channels: Width of a question.
        readout_channels: Widths of f's hidden layers.
            (default: ``(256, 256)``)
        readout_dropout: Dropout before f's last layer. (default: ``0.0``)
    """

    def __init__(
        self,
        out_channels: int,
        question_channels: int,
        readout_channels: Sequence[int] = (256, 256),
        readout_dropout: float = 0.0,
    ) -> None:
        super().__init__(
            0,
            out_channels,
            question_channels,
            readout_channels,
            readout_dropout,
        )

    def embed(
        self,
        x: Tensor,
        question: Tensor | None,
        batch: Tensor,
        question_batch: Tensor | None,
        pos: Tensor | None,
        edges: Edges | None,
    ) -> Tensor:
        """Nothing of the objects, ``[R, 0]``."""
        return per_question(x[:, :0], batch, question_batch, None)[0]


class MostFrequentAnswer(nn.Module):
    """The answer that was most frequent for the question's type.

    Types are a program's last function (13 in CLEVR), as in `Johnson et al.
    (2017) <https://arxiv.org/abs/1612.06890>`_, section 5, "Q-type mode".

    Args:
        num_types: Number of question types.
        num_answers: Number of answers.
    """

    count: Tensor

    def __init__(self, num_types: int, num_answers: int) -> None:
        super().__init__()
        zeros = torch.zeros(num_types, num_answers, dtype=torch.long)
        self.register_buffer("count", zeros)

    def fit(self, question_type: Tensor, answer: Tensor) -> None:
        """Count training answers; further calls add to the counts.

        Args:
            question_type: Type of each question, ``[Q]``.
            answer: Answer of each question, ``[Q]``.
        """
        types, answers = self.count.shape
        check_index("question_type", question_type, upper=types)
        check_index("answer", answer, question_type.numel(), upper=answers)
        place = question_type.long() * answers + answer
        self.count.view(-1).scatter_add_(0, place, torch.ones_like(place))

    def forward(self, question_type: Tensor) -> Tensor:
        """Answer questions of the given types ``[Q]``, by index ``[Q]``.

        Among equally frequent answers the first is given.
        """
        check_index("question_type", question_type, upper=len(self.count))
        # argmax does not promise which of several maxima it returns.
        best = self.count.eq(self.count.amax(1, keepdim=True))
        first = best.to(torch.uint8).cumsum(1).eq(0).sum(1)
        return first[question_type]
