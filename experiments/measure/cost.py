"""What a model costs: pairs, parameters, FLOPs, time and memory of a step.

``python -m experiments cost RUN_FOLDER`` measures in a process of its own.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean, median
from typing import Any

import lightning as L
import torch
from torch import nn
from torch_geometric.nn.conv import MessagePassing

from experiments.cli import parse
from experiments.config import TrainConfig
from experiments.measure.flops import flops_a_question
from experiments.measure.matching import count_parameters
from experiments.measure.memory import PeakMemory
from experiments.run import processes
from experiments.run.accuracy import logits, loss_of
from experiments.run.data import Splits, open_splits
from experiments.run.optimizers import make_optimizer
from experiments.run.runs import Run

PROG = "python -m experiments cost"


@dataclass
class CostConfig:
    """Measure what a run's model costs, and print it as JSON.

    Args:
        run: Folder of a run, as in `runs/quick/rn/seed-0`.
        steps: Training steps to measure over, after 3 to warm up.
        threads: CPU threads; 0 leaves it to torch (all cores).
        data_root: Folder where generated data is kept and found again.
    """

    run: str
    steps: int = 20
    threads: int = 0
    data_root: str = "data"


class Step:
    """A training step as it is taken, without data, logs and checkpoints.

    Args:
        model: The model, on its device.
        config: Optimiser, precision, clipping.
        device: Where the model is.
    """

    def __init__(
        self, model: nn.Module, config: TrainConfig, device: str
    ) -> None:
        self.model = model.train()
        self.config = config
        self.optimizer = make_optimizer(model, config)
        self.fabric = L.Fabric(
            accelerator=torch.device(device).type,
            devices=1,
            precision=config.precision,  # type: ignore[arg-type]
        )

    def __call__(self, batch: Any) -> None:
        """Forward, backward, clip, update."""
        self.optimizer.zero_grad()
        with self.fabric.autocast():
            loss = loss_of(logits(self.model, batch), batch.y)
        loss.backward()
        if self.config.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()


def pairs_a_scene(model: nn.Module, batch: Any) -> float:
    """Mean number of pairs that a graph layer sums over for a question.

    These are the edges handed to the model's first message passing, the
    self-loops that some layers add included; 0 for a model without.

    Args:
        model: The model.
        batch: A batch of ``datasets.loader``.
    """
    edges: list[int] = []

    def note(module: nn.Module, inputs: Any) -> None:
        edges.append(inputs[0].size(1))

    layers = [m for m in model.modules() if isinstance(m, MessagePassing)]
    # With a hook, RNConv lists the pairs that it otherwise sums unlisted.
    hooks = [
        layer.register_propagate_forward_pre_hook(note) for layer in layers
    ]
    try:
        with torch.no_grad():
            logits(model, batch)
    finally:
        for hook in hooks:
            hook.remove()
    return edges[0] / batch.y.numel() if edges else 0.0


def measure(planned: Run, splits: Splits, steps: int) -> dict[str, float]:
    """Measure a run's model; best called in a fresh process.

    Args:
        planned: The run; it need not have been trained.
        splits: Its data.
        steps: Training steps to time, after 3 to warm up.

    Returns:
        ``hidden_channels``, ``pairs`` (a scene), ``parameters``, ``flops``
        (a question), ``step_ms`` (median) and ``memory_mib`` (peak of
        training over the process before the model was made).
    """
    device = processes.device(planned.train.accelerator)
    size = planned.train.batch_size
    loader = splits.loader(
        "train",
        size,
        shuffle=True,
        whole_scenes=planned.train.whole_scenes,
        scene_questions=planned.train.scene_questions,
    )
    batches = [b.to(device) for b in islice(loader, min(steps + 3, 8))]

    # A step of a model that is thrown away loads the libraries' own buffers.
    first = Step(planned.build().to(device), planned.train, device)
    first(batches[0])
    del first
    peak = PeakMemory(device)
    model = planned.build().to(device)
    step = Step(model, planned.train, device)
    times = []
    for i in range(steps + 3):
        start = time.perf_counter()
        step(batches[i % len(batches)])
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    memory = peak()
    del step
    model.cpu()
    # Questions of many scenes: the first ones of a split are of a few.
    size = min(size, len(splits.dataset("val")))
    loader = splits.loader("val", size, shuffle=True)
    sample = [b.to("cpu") for b in islice(loader, 8)]
    return {
        "hidden_channels": planned.settings["hidden_channels"],
        "pairs": fmean(pairs_a_scene(model, batch) for batch in sample),
        "parameters": count_parameters(model),
        "flops": fmean(flops_a_question(model, batch) for batch in sample),
        "step_ms": 1000 * median(times[3:]),
        "memory_mib": memory / 2**20,
    }


def measure_apart(
    folder: Path, steps: int, threads: int, data_root: str
) -> dict[str, float]:
    """Call :func:`measure` in a fresh process.

    Args:
        folder: The run's folder.
        steps: Training steps to time.
        threads: CPU threads; 0 leaves it to torch.
        data_root: Where the generated data is.

    Raises:
        RuntimeError: If that process fails.
    """
    done = subprocess.run(
        [
            *(sys.executable, "-m", "experiments", "cost"),
            *("--run", str(folder), "--steps", str(steps)),
            *("--threads", str(threads), "--data_root", data_root),
        ],
        capture_output=True,
        text=True,
        env={
            # Alone, also where torchrun's processes share a training.
            **{k: v for k, v in os.environ.items() if k != "WORLD_SIZE"},
            "PYTHONPATH": os.pathsep.join(
                [str(Path(__file__).parents[2]), *sys.path]
            ),
        },
    )
    if done.returncode:
        raise RuntimeError(f"measuring {folder} failed:\n{done.stderr}")
    out: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return out


def main(argv: list[str]) -> None:
    """Measure and print."""
    config = parse(CostConfig, argv, PROG, "Measure what a model costs.", "run")
    if config.threads:
        torch.set_num_threads(config.threads)
    planned = Run.read(Path(config.run))
    splits = open_splits(
        planned.task, planned.data, config.data_root, planned.train.accelerator
    )
    print(json.dumps(measure(planned, splits, config.steps)))
