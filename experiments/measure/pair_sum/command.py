"""Time the sum over pairs beside its peers and the hardware's floor.

python -m experiments pair_sum                      # all shapes, resumable
python -m experiments pair_sum --shapes main        # shapes (1) to (4)
python -m experiments pair_sum --shapes scenes,n4096 --repeats 3
python -m experiments pair_sum --report_only        # table and charts again
"""

import os
import sys
from pathlib import Path

import torch

from experiments import cli
from experiments.measure.pair_sum.contenders import find_contenders
from experiments.measure.pair_sum.contenders.base import (
    MODES,
    PRECISIONS,
    Case,
    Settings,
)
from experiments.measure.pair_sum.limits import Limits
from experiments.measure.pair_sum.report import write_report
from experiments.measure.pair_sum.run import Plan, Run
from experiments.measure.pair_sum.shapes import find_shapes


def measure(
    shapes: str = "all",
    contenders: str = "all",
    modes: str = "forward,training",
    precisions: str = "fp32,bf16",
    memory: str = "training-fp32",
    repeats: int = 7,
    seconds: float = 6.0,
    memory_gib: float = 12.0,
    step_seconds: float = 300.0,
    threads: int = 0,
    device: str = "cpu",
    jraph_python: str = sys.executable,
    graph_nets_python: str = "",
    folder: str = "",
    seed: int = 0,
    again: bool = False,
    report_only: bool = False,
    readme: str = "",
) -> None:
    """Time the sum over pairs beside its peers and the hardware's floor.

    Every contender gets the same weights and objects, is compared with the
    formula, and is then timed in rounds that run each of them once. Each case
    (a shape, forward or training, a precision) is kept as soon as it is
    done: the same command after an interruption goes on where it stopped,
    and other shapes join the same folder. Table and charts are made of the
    folder's CSV files. Lists are separated by commas.

    Args:
        shapes: scenes, grid25, grid64, questions, n8, n16, ... n4096, or main
            (the first four and n1024), sweep (n8 to n4096), plain (g's last
            layer without ReLU, and 3 layers: grid25_plain, n64_plain,
            n256_plain, n1024_plain, n256_3, n256_plain3), all; n8192 and
            n16384 too, for a GPU.
        contenders: Names, as in the CSV files, or all. What is compared must
            be timed in the same rounds.
        modes: What is timed: forward, training; none: none.
        precisions: fp32, bf16 (by autocast).
        memory: Cases whose peak memory is measured, each contender in a fresh
            process, such as training-fp32,forward-bf16; none: none.
        repeats: Rounds of a case at most.
        seconds: Seconds after which a case begins no new round; each
            contender is timed at least once.
        memory_gib: Contenders estimated to need more are left out.
        step_seconds: Contenders estimated to need longer for one step are
            left out.
        threads: CPU threads; 0: all cores that may be used.
        device: cpu, or cuda.
        jraph_python: A Python that has jax and jraph.
        graph_nets_python: A Python that has graph_nets, dm-sonnet and
            tensorflow.
        folder: Results folder; by default results/pair_sum/cpu-THREADS-threads
            or results/pair_sum/GPU.
        seed: Seed of weights and inputs.
        again: Whether to measure anew what the folder holds.
        report_only: Whether to make table and charts alone.
        readme: Markdown file to put a short table into, between the lines
            <!-- results:pair_sum --> and <!-- /results:pair_sum -->.
    """
    threads = threads or _cores()
    path = Path(folder or _default_folder(device, threads))
    if not report_only:
        plan = Plan(
            find_shapes(_split(shapes)),
            find_contenders(_split(contenders)),
            [
                Case(mode, precision)
                for mode in _known("modes", modes, MODES)
                for precision in _known("precisions", precisions, PRECISIONS)
            ],
            _cases(memory),
            repeats=_positive("repeats", repeats),
            seconds=seconds,
            limits=Limits(memory_gib, step_seconds),
            again=again,
        )
        settings = Settings(
            seed, device, threads, jraph_python, graph_nets_python
        )
        Run(plan, settings, path).measure()
    write_report(path, Path(readme) if readme else None)
    print(f"{path / 'table.md'}")


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _known(name: str, text: str, known: tuple[str, ...]) -> list[str]:
    parts = [] if text == "none" else _split(text)
    for part in parts:
        if part not in known:
            raise ValueError(
                f"`{name}` holds {part!r}, expected some of {', '.join(known)}"
            )
    return parts


def _cases(text: str) -> list[Case]:
    known = tuple(f"{m}-{p}" for m in MODES for p in PRECISIONS)
    return [Case(*part.split("-")) for part in _known("memory", text, known)]


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"`{name}` is {value}, expected at least 1")
    return value


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _default_folder(device: str, threads: int) -> str:
    name = f"cpu-{threads}-threads"
    if device.startswith("cuda"):
        name = torch.cuda.get_device_name().lower().replace(" ", "-")
    return f"results/pair_sum/{name}"


def main(argv: list[str]) -> None:
    """Measure what the options say."""
    argv = cli.spelled(argv, ("report_only", "again"))
    cli.call(measure, argv, "python -m experiments pair_sum")
