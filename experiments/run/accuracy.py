"""Accuracy overall, in CLEVR's five categories, and by question family."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from datasets.clevr.families import load_families
from datasets.clevr.vocabulary import CATEGORIES, QUESTION_TYPES

#: Questions a batch where nothing is learned from them.
EVALUATION_BATCH = 1024


class Tally:
    """Counts right answers by question type and family.

    Attributes:
        counts: [2, 13]; right answers and questions of each type.
        families: [2, 90]; the same of each family.
    """

    def __init__(self) -> None:
        self.counts = torch.zeros(2, len(QUESTION_TYPES), dtype=torch.long)
        self.families = torch.zeros(2, len(load_families()), dtype=torch.long)

    def add(self, answer: Tensor, batch: Any) -> None:
        """Count a batch.

        Args:
            answer: [Q]; the answers given.
            batch: The batch of ``datasets.loader`` that they answer.
        """
        right = (answer == batch.y).long().cpu()
        for counts, kinds in (
            (self.counts, batch.question_type.cpu()),
            (self.families, batch.family.cpu()),
        ):
            known = kinds >= 0
            counts[0].index_add_(0, kinds[known], right[known])
            counts[1].index_add_(0, kinds[known], torch.ones_like(kinds[known]))

    def by_family(self) -> dict[int, float]:
        """Accuracy in each question family that was asked, by its index."""
        right, asked = self.families.tolist()
        return {i: right[i] / n for i, n in enumerate(asked) if n}

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
        model: Any model of ``experiments.run.models`` that is trained.
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
) -> Tally:
    """Count the right answers of a trained model.

    Args:
        model: The model; set to evaluation mode.
        batches: Batches of the split to evaluate on.
        device: Where to compute.
    """
    model.to(device).eval()
    tally = Tally()
    for batch in batches:
        batch = batch.to(device)
        tally.add(logits(model, batch).argmax(-1), batch)
    return tally
