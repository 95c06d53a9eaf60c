"""A training of a model on the splits of these tests."""

from contextlib import contextmanager

import lightning as L
import pytest

from datasets.clevr.task import TASK
from experiments.config import TrainConfig
from experiments.measure import cost
from experiments.run import compare
from experiments.run.data import Splits
from experiments.run.models import MODELS, Plan
from experiments.run.runs import Run
from experiments.run.training import train
from experiments.run.trainings import stages

# Steps that do not divide the data's epochs (30 scenes, some 18 batches).
CONFIG = TrainConfig(
    steps=40, batch_size=16, warmup_steps=5, val_every=8, learning_rate=3e-3
)


def fit(splits, sizes, folder, config=CONFIG, seed=3, name="rn"):
    L.seed_everything(seed, workers=True, verbose=False)
    model = MODELS[name].build(
        Plan(sizes, splits.inputs, 12, share=0.3 if "_" in name else None)
    )
    train(
        model,
        TASK,
        stages(config, splits, seed),
        splits.loader("val", config.batch_size),
        config,
        seed,
        folder,
        augment=TASK.augmentation(splits.config) if config.augment else None,
    )
    return model, folder / "checkpoints" / "best.ckpt"


def data(roots):
    """Options that let a command find the data of these tests."""
    return ("--data_root", str(roots[1]))


@contextmanager
def measured_here():
    """Measure what models cost in this process: fresh ones take long."""

    def measured(folder, steps, threads, data_root):
        planned = Run.read(folder)
        splits = Splits(planned.task, planned.data, data_root)
        return cost.measure(planned, splits, steps)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "measure_apart", measured)
        yield
