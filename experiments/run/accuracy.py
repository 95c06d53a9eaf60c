"""Accuracy overall, in a task's categories, and by question family."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datasets.task import Task

#: Questions a batch where nothing is learned from them.
EVALUATION_BATCH = 1024


class Tally:
    """Counts right answers by question type and family.

    Args:
        task: The task that is asked about.

    Attributes:
        counts: [2, types]; right answers and questions of each type.
        families: [2, families]; the same of each family.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        types, families = task.schema.question_types, task.schema.families
        self.counts = torch.zeros(2, len(types), dtype=torch.long)
        self.families = torch.zeros(2, len(families), dtype=torch.long)

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
            known = (kinds >= 0) & (kinds < counts.size(1))
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
        types = self.task.schema.question_types
        for category, kinds in self.task.categories.items():
            index = [types.index(kind) for kind in kinds]
            total = sum(asked[i] for i in index)
            if total:
                out[category] = sum(right[i] for i in index) / total
        return out


def logits(model: nn.Module, batch: Any) -> Tensor:
    """The scores of a model's answers to the questions of a batch.

    Args:
        model: Any model of ``experiments.run.models`` that is trained.
        batch: A batch of ``datasets.loader``.

    Returns:
        [Q, answers]; of a model that answers at each of its steps
        [steps, Q, answers], the last of which counts.
    """
    out: Tensor = model(batch)
    return out


def answers(scores: Tensor) -> Tensor:
    """The likeliest answer to each question, at the last step."""
    return (scores if scores.dim() == 2 else scores[-1]).argmax(-1)


def loss_of(scores: Tensor, y: Tensor) -> Tensor:
    """Mean cross entropy of the answers, over all steps where there are."""
    if scores.dim() == 3:
        y = y.repeat(scores.size(0))
    return F.cross_entropy(scores.flatten(0, -2), y)


@torch.inference_mode()
def answered(
    model: nn.Module, batches: Iterable[Any], device: str = "cpu"
) -> Iterator[tuple[Tensor, Any]]:
    """Let a trained model answer; each batch's answers [Q], and the batch.

    Args:
        model: The model; set to evaluation mode.
        batches: Batches of questions.
        device: Where to compute.
    """
    model.to(device).eval()
    for batch in batches:
        batch = batch.to(device)
        yield answers(logits(model, batch)), batch


def evaluate(
    model: nn.Module, batches: Iterable[Any], task: Task, device: str = "cpu"
) -> Tally:
    """Count the right answers of a trained model.

    Args:
        model: The model; set to evaluation mode.
        batches: Batches of the split to evaluate on.
        task: The task that they are of.
        device: Where to compute.
    """
    tally = Tally(task)
    for given, batch in answered(model, batches, device):
        tally.add(given, batch)
    return tally
