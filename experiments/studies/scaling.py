"""Time and memory of a training step against the number of objects.

``python -m experiments scaling``
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import torch
import torch.nn.functional as F
import yaml
from matplotlib.figure import Figure
from torch import nn
from tqdm import tqdm

from datasets.files import write
from experiments.cli import parse
from experiments.config import check_folder_name
from experiments.measure.matching import count_parameters, match_parameters
from experiments.measure.memory import PeakMemory
from experiments.report.plots import write_figure
from experiments.run.models import MODELS, check_models
from experiments.run.provenance import provenance
from experiments.run.runs import flatten
from experiments.studies.scaling_models import (
    ANSWERS,
    IN_CHANNELS,
    LABELS,
    QUESTION_CHANNELS,
    WITH_EDGES,
    build,
    degrees,
    pairs_a_scene,
    random_edges,
)
from rn_graph.models.gnn import CONVS

PROG = "python -m experiments scaling"
_PRELOAD = [
    "experiments.cli",
    "experiments.measure.memory",
    "experiments.run.runs",
    "experiments.studies.scaling_models",
    "matplotlib.pyplot",
]


@dataclass
class ScalingConfig:
    """Time and memory of each model against the number of objects.

    Models have as many parameters as RN, within 10 %. GNNs see the complete
    graph, or given edges. Objects are random numbers: what they hold does not
    change the cost. The folder `runs/NAME` gets `config.yaml`, `runs.csv` and
    `scaling.png`.

    Args:
        name: Name of the results folder inside `runs`.
        objects: Numbers of objects in a scene.
        models: Which models, in a list or separated by commas.
        scenes: Scenes in a step, each with one question.
        hidden_channels: Width of RN's g, 4 layers.
        depth: Layers of the GNNs.
        k: Pairs of each object for nearest and learned pairs.
        edges: Given edges into each object; 0: none are given. GNNs and RNConv
            in rounds send over them; RN sums over all pairs, and is told which
            of them are edges.
        steps: Steps timed of each model and size, after one to warm up.
        threads: CPU threads.
        device: `cpu` or `cuda`.
        runs: Folder of all results.
    """

    name: str = "scaling"
    objects: list[int] = field(default_factory=lambda: [5, 10, 20, 50, 100])
    models: str | list[str] = field(default_factory=lambda: list(LABELS))
    scenes: int = 16
    hidden_channels: int = 128
    depth: int = 2
    k: int = 8
    edges: int = 0
    steps: int = 5
    threads: int = 2
    device: str = "cpu"
    runs: str = "runs"

    def __post_init__(self) -> None:
        if isinstance(self.models, str):
            self.models = [name.strip() for name in self.models.split(",")]
        check_models(self.models, LABELS)
        check_folder_name(self.name)
        for key in ("models", "objects"):
            if not getattr(self, key):
                raise ValueError(f"`{key}` is empty, expected at least one")
        counts = {
            "objects": min(self.objects),
            "scenes": self.scenes,
            "hidden_channels": self.hidden_channels,
            "depth": self.depth,
            "k": self.k,
            "steps": self.steps,
            "threads": self.threads,
        }
        for key, value in counts.items():
            if value < 1:
                raise ValueError(f"`{key}` is {value}, expected at least 1")
        if self.edges < 0:
            raise ValueError(f"`edges` is {self.edges}, expected 0 or more")
        if self.edges and not {*self.models} <= {*WITH_EDGES}:
            raise ValueError(
                f"`models` is {', '.join(self.models)}, expected some of "
                f"{', '.join(WITH_EDGES)} where edges are given"
            )


def _builder(
    name: str, objects: int, config: ScalingConfig
) -> Callable[[int], nn.Module]:
    """What makes a model of a hidden width."""
    deg = degrees(name, objects, config.edges)
    edges = config.edges > 0
    return lambda hidden: build(
        name, hidden, config.depth, config.k, deg, edges
    )


class Step:
    """Forward and backward of a model on scenes of one size.

    Args:
        name: The model's name.
        hidden: Its hidden width.
        objects: Objects in each scene.
        config: All else.
    """

    def __init__(
        self, name: str, hidden: int, objects: int, config: ScalingConfig
    ) -> None:
        torch.manual_seed(0)
        scenes, device = config.scenes, config.device
        nodes = scenes * objects
        batch = torch.arange(scenes).repeat_interleave(objects)
        self.inputs = {
            "x": torch.randn(nodes, IN_CHANNELS).to(device),
            "question": torch.randn(scenes, QUESTION_CHANNELS).to(device),
            "batch": batch.to(device),
            "pos": torch.randn(nodes, 3).to(device),
        }
        if config.edges:
            edges = random_edges(scenes, objects, config.edges)
            self.inputs["edge_index"] = edges.to(device)
        self.answers = torch.randint(ANSWERS, (scenes,)).to(device)
        self.cuda = device.startswith("cuda")
        make = _builder(name, objects, config)
        self.make = lambda: make(hidden).to(device)
        self.model: nn.Module | None = None

    def __call__(self) -> None:
        """Run a step; the first makes the model."""
        if self.model is None:
            self.model = self.make().train()
        self.model.zero_grad()
        F.cross_entropy(self.model(**self.inputs), self.answers).backward()
        if self.cuda:
            torch.cuda.synchronize()


def hidden_widths(config: ScalingConfig) -> dict[str, int]:
    """The width of each model that gives it RN's parameters."""
    reference = _builder("rn", 2, config)(config.hidden_channels)
    target = count_parameters(reference)
    return {
        name: config.hidden_channels
        if name == "rn"
        else match_parameters(
            _builder(name, 2, config),
            target,
            multiple_of=MODELS[name].multiple_of,
        )
        for name in config.models
    }


def time_steps(
    config: ScalingConfig, widths: dict[str, int], objects: int
) -> Iterator[tuple[str, float]]:
    """Time the models in turn, so that what slows one slows all.

    Yields:
        Model and seconds of a step, ``config.steps`` times each.
    """
    steps = {n: Step(n, w, objects, config) for n, w in widths.items()}
    for step in steps.values():
        step()
    for _ in range(config.steps):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            yield name, time.perf_counter() - start


def peak_memory(
    name: str, hidden: int, objects: int, config: ScalingConfig
) -> int:
    """Peak of a model and two steps over the process before, in bytes."""
    torch.set_num_threads(config.threads)
    # A step of a small one loads the libraries' own buffers.
    Step(name, 8, 2, config)()
    step = Step(name, hidden, objects, config)
    peak = PeakMemory(config.device)
    step()
    step()
    return peak()


def peak_memory_apart(
    name: str, hidden: int, objects: int, config: ScalingConfig
) -> int | None:
    """Call :func:`peak_memory` in a fresh process; None if it was killed."""
    methods = multiprocessing.get_all_start_methods()
    fresh = "forkserver" if "forkserver" in methods else "spawn"
    context = multiprocessing.get_context(fresh)
    if fresh == "forkserver":
        # Imports are done once; each process is forked from just after them.
        context.set_forkserver_preload(_PRELOAD)
    try:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return pool.submit(
                peak_memory, name, hidden, objects, config
            ).result()
    except BrokenProcessPool:
        return None


def measure(config: ScalingConfig) -> pd.DataFrame:
    """Measure all models at all sizes, one row each.

    Memory is missing where a process was killed.
    """
    widths = hidden_widths(config)
    torch.set_num_threads(config.threads)
    rows = []
    total = len(config.objects) * len(widths) * (config.steps + 1)
    with tqdm(total=total, desc="scaling", unit="step") as bar:
        for objects in config.objects:
            times: dict[str, list[float]] = {name: [] for name in widths}
            for name, seconds in time_steps(config, widths, objects):
                times[name].append(seconds)
                bar.set_postfix_str(f"{objects} objects, {LABELS[name]}")
                bar.update()
            for name, hidden in widths.items():
                memory = peak_memory_apart(name, hidden, objects, config)
                bar.set_postfix_str(f"{objects} objects, memory")
                bar.update()
                model = _builder(name, objects, config)(hidden)
                rows.append(
                    {
                        "model": name,
                        "objects": objects,
                        "pairs": pairs_a_scene(
                            name, objects, config.k, config.edges
                        ),
                        "hidden_channels": hidden,
                        "parameters": count_parameters(model),
                        "step_ms": 1000 * statistics.median(times[name]),
                        "step_ms_min": 1000 * min(times[name]),
                        "memory_mib": None
                        if memory is None
                        else memory / 2**20,
                    }
                )
    return pd.DataFrame(rows).round(3)


def plot(rows: pd.DataFrame, config: ScalingConfig) -> Figure:
    """Time and memory against objects, both axes logarithmic."""
    figure, grid = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    columns = {
        "step_ms": "forward and backward (ms)",
        "memory_mib": "peak memory (MiB)",
    }
    models = rows.groupby("model", sort=False)
    for axes, (key, title) in zip(grid, columns.items(), strict=True):
        for i, (name, mine) in enumerate(models):
            known = mine[mine[key] > 0]
            ours = name.startswith("rn")
            axes.plot(
                known["objects"],
                known[key],
                marker="os^Dv<>Ph*Xp"[i % 12],
                ms=5,
                lw=2.6 if ours else 1.2,
                ls="-" if ours or name in CONVS else "--",
                color=plt.get_cmap("tab20")(2 * i % 20 + 2 * i // 20),
                label=LABELS[name],
                zorder=3 if ours else 2,
            )
        axes.set(
            xscale="log", yscale="log", xlabel="objects in a scene", title=title
        )
        axes.set_xticks(config.objects, [str(n) for n in config.objects])
        axes.xaxis.minorticks_off()
        axes.grid(alpha=0.3)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=6, frameon=False
    )
    figure.suptitle(
        f"{config.scenes} scenes a step, models of equal parameters",
        fontsize=11,
    )
    return figure


def main(argv: list[str]) -> None:
    """Measure, and write the results folder."""
    config = parse(
        ScalingConfig,
        argv,
        PROG,
        "Measure time and memory of a training step against the number of "
        "objects, for RN and each GNN.",
    )
    folder = Path(config.runs) / config.name
    rows = measure(config)
    settings = {k: v for k, v in asdict(config).items() if k != "runs"}
    write(folder / "config.yaml", yaml.safe_dump(settings, sort_keys=False))
    where = flatten(provenance())
    write(folder / "runs.csv", rows.assign(**where).to_csv(index=False))
    write_figure(plot(rows, config), folder / "scaling.png")
    print(rows.to_csv(index=False), end="")
