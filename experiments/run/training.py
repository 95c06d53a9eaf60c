"""Training one model with one seed, by Lightning."""

import io
import logging
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice, repeat, zip_longest
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor, nn
from tqdm import tqdm

from datasets.files import whole
from datasets.loader import QuestionLoader
from datasets.task import Task
from experiments.config import TrainConfig
from experiments.run import processes
from experiments.run.accuracy import Tally, answers, logits, loss_of
from experiments.run.budgets import Budgets
from experiments.run.optimizers import make_optimizer
from rn_graph import value_checks

# Lightning says on each run what this project says once, in its table.
logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module="lightning")
warnings.filterwarnings("ignore", message=".*LeafSpec.*")
warnings.filterwarnings("ignore", message=".*TF32 acceleration.*")


class Answering(L.LightningModule):
    """Cross entropy over the answers, for any of the models.

    Args:
        model: The model.
        task: What it is asked.
        config: Optimiser and schedule.
        seed: The run's seed. Random numbers start anew from it at each step,
            so that a resumed run draws what it would have drawn.
        augment: What is done to a training batch; ``None``: nothing.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        config: TrainConfig,
        seed: int,
        augment: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.task = task
        self.config = config
        self.seed = seed
        self.augment = augment
        # Further losses of a step, functions of the answers' loss.
        self.extra_losses: list[Callable[[Tensor], Tensor]] = []
        self.seconds_before = 0.0
        self.began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Time taken, that before a stop included up to its checkpoint."""
        return self.seconds_before + time.perf_counter() - self.began

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the time taken."""
        checkpoint["seconds"] = self.seconds

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Count on from the time taken."""
        self.seconds_before = checkpoint.get("seconds", 0.0)

    def on_train_epoch_start(self) -> None:
        """Let the data go on at the step that comes next."""
        loader = self.trainer.train_dataloader
        assert isinstance(loader, StepLoader)
        loader.start = self.global_step

    def training_step(self, batch: Any, index: int) -> Tensor:
        """Loss of a batch.

        Raises:
            FloatingPointError: If the loss is not finite.
        """
        # Each of several processes draws for its own part of the batch.
        draw = self.seed * 1_000_003 + self.global_step
        torch.manual_seed(draw + 7_919_000_033 * self.global_rank)
        if self.augment is not None:
            batch = self.augment(batch)
        # Looking at values makes a GPU wait: once an epoch is enough.
        with value_checks(index == 0):
            loss = loss_of(logits(self.model, batch), batch.y)
        extra = [function(loss) for function in self.extra_losses]
        total = sum(extra, loss)
        if not torch.isfinite(total):
            raise FloatingPointError(
                f"the loss is {total.item()} at step {self.global_step}; try a "
                f"lower `train.learning_rate` or more `train.warmup_steps`. "
                f"The last good checkpoint is kept in the run's folder."
            )
        self.log("train/loss", loss, batch_size=batch.y.numel())
        if extra:
            self.log("train/pairs", total - loss, batch_size=batch.y.numel())
        return total

    def on_validation_epoch_start(self) -> None:
        """Start counting."""
        self.tally = Tally(self.task)

    def validation_step(self, batch: Any, index: int) -> None:
        """Count right answers, add up the loss."""
        out = logits(self.model, batch)
        loss = loss_of(out, batch.y)
        self.log("val/loss", loss, batch_size=batch.y.numel())
        self.tally.add(answers(out), batch)

    def on_validation_epoch_end(self) -> None:
        """Log accuracy overall and by category."""
        for category, value in self.tally.accuracy().items():
            self.log(f"val/accuracy/{category}", value)

    def configure_optimizers(self) -> Any:
        """The optimiser, with the schedule of :func:`learning_rate_factor`."""
        optimizer = make_optimizer(self.model, self.config)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: learning_rate_factor(step, self.config),
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def learning_rate_factor(step: int, config: TrainConfig) -> float:
    """Share of the learning rate at a step: linear warm-up, then schedule.

    Args:
        step: Optimiser steps already done.
        config: ``steps``, ``warmup_steps`` and ``schedule``.
    """
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return 1.0
    rest = max(config.steps - config.warmup_steps, 1)
    done = min((step - config.warmup_steps) / rest, 1.0)
    if config.schedule == "linear":
        return 1 - done
    return 0.5 * (1 + math.cos(math.pi * done))


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that a full disk or a kill leaves as they were.

    Lightning's own way writes into the system's folder of temporary files and
    moves that over the last checkpoint. On another disk a move is a copy, so
    that one cut short would leave no checkpoint at all.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | os.PathLike[str],
        storage_options: Any = None,
    ) -> None:
        """Write a checkpoint whole or not at all."""
        # torch would tell of a full disk without saying so, or which file.
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        with whole(Path(path)) as partial:
            partial.write_bytes(buffer.getbuffer())

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any = None,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint: numbers and plain values, never code.

        Raises:
            ValueError: If it is damaged, or holds anything else.
        """
        try:
            found: dict[str, Any] = torch.load(
                path, map_location=map_location, weights_only=True
            )
        # torch raises whatever the damage leads to.
        except Exception as error:
            raise ValueError(
                f"{path} is damaged, or holds more than a checkpoint's "
                f"numbers ({type(error).__name__}): delete it to begin the "
                f"run anew"
            ) from None
        return found


class StepLoader:
    """Endless training batches, cut into Lightning epochs of equal steps.

    Which batch comes depends on the number of the step alone, so a run that
    starts again at a step sees what it would have seen.

    Args:
        stages: Loaders, each with the step that it begins at; the last one
            does not end.
        steps: Batches in a Lightning epoch.
    """

    def __init__(
        self, stages: Sequence[tuple[int, QuestionLoader]], steps: int
    ) -> None:
        self.stages = stages
        self.steps = steps
        self.start = 0
        self._position = -1
        self._batches: Iterator[Any] = iter(())

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches from step ``start``, as set at the first."""
        if self._position != self.start:
            self._batches = self._from(self.start)
            self._position = self.start
        for _ in range(self.steps):
            batch = next(self._batches)
            self._position += 1
            yield batch

    def _from(self, step: int) -> Iterator[Any]:
        ends = [begin for begin, _ in self.stages[1:]]
        for (begin, loader), end in zip_longest(self.stages, ends):
            if end is not None and step >= end:
                continue
            epoch, batch = divmod(step - begin, len(loader))
            loader.load_state_dict(
                {**loader.state_dict(), "epoch": epoch, "batch": batch}
            )
            left = None if end is None else end - step
            # Each pass moves the loader on to its next epoch.
            passes = chain.from_iterable(repeat(loader))
            yield from islice(passes, left)
            step = end or step


class Bar(Callback):
    """One progress bar over all steps of a run.

    Args:
        title: What stands before the bar.
        steps: Steps of the whole run.
        position: Its line, where there are several.
    """

    def __init__(self, title: str, steps: int, position: int = 0) -> None:
        self.title, self.steps, self.position = title, steps, position

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        """Show the bar, at the step where a resumed run goes on."""
        self.bar = tqdm(
            total=self.steps,
            initial=trainer.global_step,
            desc=self.title,
            position=self.position or None,
            leave=not self.position,
            unit="step",
            mininterval=0.5,
            disable=not trainer.is_global_zero,
            dynamic_ncols=True,
        )

    def on_train_batch_end(self, *_: Any) -> None:
        """Move on."""
        self.bar.update()

    def on_validation_end(self, trainer: L.Trainer, module: Any) -> None:
        """Show the accuracy."""
        value = trainer.callback_metrics["val/accuracy/all"]
        self.bar.set_postfix(val=f"{100 * value:.1f} %")

    def teardown(self, *_: Any, **__: Any) -> None:
        """Leave the finished bar, or what there is of it."""
        if hasattr(self, "bar"):
            self.bar.close()


def train(
    model: nn.Module,
    task: Task,
    train_batches: Sequence[tuple[int, QuestionLoader]],
    val_batches: QuestionLoader,
    config: TrainConfig,
    seed: int,
    folder: Path,
    title: str = "",
    position: int = 0,
    augment: Callable[[Any], Any] | None = None,
) -> float:
    """Train a model, or go on where its folder says that it stopped.

    Args:
        model: The model, freshly made.
        task: What it is asked.
        train_batches: Loaders of the training split, each with the step that
            it begins at.
        val_batches: Loader of the validation split.
        config: Steps, optimiser, schedule.
        seed: The run's seed.
        folder: The run's folder; gets ``checkpoints`` and ``logs``.
        title: What the progress bar says.
        position: The bar's line, where there are several.
        augment: What is done to a training batch; ``None``: nothing.

    Returns:
        Seconds taken, those before a stop included.

    Raises:
        FloatingPointError: If the loss is not finite.
        KeyboardInterrupt: If it was stopped; called again, it goes on.
        OSError: If a checkpoint cannot be written; the one before it is kept.
    """
    last = folder / "checkpoints" / "last.ckpt"
    parts = len(list((folder / "logs").glob("part-*")))
    keep_best = ModelCheckpoint(
        dirpath=last.parent,
        filename="best",
        monitor="val/accuracy/all",
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    keep_last = ModelCheckpoint(
        dirpath=last.parent,
        filename="last",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    answering = Answering(model, task, config, seed, augment)
    budgets = Budgets(model, config.shrink_steps)
    # Distilled pairs learn in the first steps alone.
    strategy = "ddp_find_unused_parameters_true" if budgets.teachers else "ddp"
    trainer = L.Trainer(
        accelerator=config.accelerator,
        devices=processes.count(),
        strategy=strategy if processes.count() > 1 else "auto",
        use_distributed_sampler=False,  # the loader shares out by itself
        precision=config.precision,  # type: ignore[arg-type]
        max_epochs=config.steps // config.val_every,
        gradient_clip_val=config.clip or None,
        logger=[
            # A resumed run writes a new part: the logger empties its folder.
            CSVLogger(
                folder,
                name="logs",
                version=f"part-{parts}",
                flush_logs_every_n_steps=1,  # a killed run keeps its curve
            ),
            TensorBoardLogger(folder, name="tensorboard", version=""),
        ],
        callbacks=[
            budgets,
            keep_best,
            keep_last,
            Bar(title, config.steps, position),
        ],
        log_every_n_steps=min(50, config.val_every),
        plugins=[WholeCheckpoints()],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    try:
        trainer.fit(
            answering,
            StepLoader(train_batches, config.val_every),
            val_batches,
            ckpt_path=last if last.exists() else None,
        )
    except SystemExit:  # what Lightning makes of Ctrl-C
        raise KeyboardInterrupt from None
    return answering.seconds
