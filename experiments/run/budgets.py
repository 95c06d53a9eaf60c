"""What a training does to the pairs that are kept: shrink, or distil them."""

from contextlib import ExitStack
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from rn_graph.pairs import AttentionPairs, Distillation, make_budget
from rn_graph.pairs.base import PairSelector


class Budgets(Callback):
    """Lets the budgets of pair selections change while they are trained.

    Over the first ``steps`` a budget shrinks from all pairs to its own share.
    Selections without gates are taught in them by their own model on all
    pairs instead, and have their share at once afterwards. Validation has the
    budgets that count.

    Args:
        model: The model; one without selections by shares is left alone.
        steps: Steps over which the budgets change; 0: they do not.

    Attributes:
        teachers: What teaches the selections that are distilled.
    """

    def __init__(self, model: nn.Module, steps: int) -> None:
        self.steps = steps
        self.shares: list[tuple[Any, float]] = []
        for module in model.modules():
            budget: Any = getattr(module, "budget", None)
            if isinstance(module, PairSelector) and budget and budget.share:
                self.shares.append((module, budget.share))
        self.teachers = [
            Distillation(module)
            for module, _ in self.shares
            if isinstance(module, AttentionPairs) and not module.gate
        ]
        self._teaching = ExitStack()

    def _set(self, done: float) -> None:
        for selector, share in self.shares:
            selector.budget = make_budget(share=shrunk(1, share, done))

    def on_train_batch_start(
        self, trainer: L.Trainer, module: Any, batch: Any, index: int
    ) -> None:
        """Set the budgets of a step, and begin to teach."""
        step = trainer.global_step
        module.extra_losses = []
        if self.teachers and step < self.steps:
            self._set(0)  # all pairs teach which ones to keep
            for teacher in self.teachers:
                self._teaching.enter_context(teacher)
            module.extra_losses = [t.loss for t in self.teachers]
        else:
            self._set(step / self.steps if step < self.steps else 1)

    def on_before_backward(
        self, trainer: L.Trainer, module: Any, loss: Tensor
    ) -> None:
        """End to teach: the losses of the step are there."""
        self._teaching.close()

    def on_exception(
        self, trainer: L.Trainer, module: Any, exception: BaseException
    ) -> None:
        """End to teach, also where a step failed."""
        self._teaching.close()

    def on_validation_epoch_start(
        self, trainer: L.Trainer, module: Any
    ) -> None:
        """Validate with the budgets that count."""
        self._set(1)


def shrunk(start: float, end: float, done: float) -> float:
    """A budget on its way from ``start`` to ``end``, geometrically.

    Args:
        start: Share of the pairs at first.
        end: Share of the pairs at last.
        done: How much of the way is done; past 1, all of it.
    """
    return end if done >= 1 else start * (end / start) ** done
