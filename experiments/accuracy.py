"""Accuracy overall and in CLEVR's five categories."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from datasets.clevr.vocabulary import CATEGORIES, QUESTION_TYPES

#: Questions a batch where nothing is learned from them.
EVALUATION_BATCH = 1024


class Tally:
    """Counts right answers by question type.

    Attributes:
        counts: [2, 13]; right answers and questions of each type.
    """

    def __init__(self) -> None:
        self.counts = torch.zeros(2, len(QUESTION_TYPES), dtype=torch.long)

    def add(self, answer: Tensor, y: Tensor, question_type: Tensor) -> None:
        """Count a batch.

        Args:
            answer: [Q]; the answers given.
            y: [Q]; the right ones.
            question_type: [Q]; indices into ``QUESTION_TYPES``.
        """
        kinds = question_type.cpu()
        right = (answer == y).long().cpu()
        self.counts[0].index_add_(0, kinds, right)
        self.counts[1].index_add_(0, kinds, torch.ones_like(kinds))

    def accuracy(self) -> dict[str, float]:
        """Accuracy under ``"all"`` and each category that was asked."""
        right, asked = self.counts.tolist()
        out = {"all": sum(right) / max(sum(asked), 1)}
        for category, kinds in CATEGORIES.items():
            index = [QUESTION_TYPES.index(kind) for kind in kinds]
            total = sum(asked[i] for i in index)
            if total:
                out[category] = sum(right[i] for i in index) / total
        return out


def logits(model: nn.Module, batch: Any) -> Tensor:
    """Hand a batch of scenes and questions to a model.

    Args:
        model: Any model of ``experiments.models`` that is trained.
        batch: A batch of ``datasets.loader``.

    Returns:
        [Q, answers].
    """
    out: Tensor = model(
        batch.x,
        batch.tokens,
        batch.length,
        batch=batch.batch,
        question_batch=batch.question_batch,
        pos=batch.pos,
    )
    return out


@torch.inference_mode()
def evaluate(
    model: nn.Module, batches: Iterable[Any], device: str = "cpu"
) -> dict[str, float]:
    """Accuracy of a trained model.

    Args:
        model: The model; set to evaluation mode.
        batches: Batches of the split to evaluate on.
        device: Where to compute.

    Returns:
        Accuracy under ``"all"`` and each category that was asked.
    """
    model.to(device).eval()
    tally = Tally()
    for batch in batches:
        batch = batch.to(device)
        answer = logits(model, batch).argmax(-1)
        tally.add(answer, batch.y, batch.question_type)
    return tally.accuracy()
