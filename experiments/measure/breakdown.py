"""Where the time of a training step goes, by kind of operation.

Runs the sum over pairs under torch's profiler, and sums up the operators'
own times: matrix products, ReLUs and their masks, sums and additions, copies.
What is left of the step's time, which is measured without the profiler, is
Python, the dispatch of operators, and operators of other kinds. Profiling costs
time of its own, most of it in small operators: there the rest is too small.

    python -m experiments breakdown
    python -m experiments breakdown --shapes n8 --precision bf16
"""

import statistics

import torch
from torch.profiler import ProfilerActivity, profile
from tqdm import tqdm

from experiments import cli
from experiments.measure.pair_sum.contenders.base import (
    Case,
    Settings,
    TorchContender,
)
from experiments.measure.pair_sum.contenders.ours import RNConvAll
from experiments.measure.pair_sum.contenders.torch_peers import Padded
from experiments.measure.pair_sum.shapes import find_shapes, make_inputs
from experiments.measure.tables import show

#: Kind → what the names of its operators begin with.
KINDS: dict[str, tuple[str, ...]] = {
    "matrix products": ("mm", "addmm", "bmm", "mkldnn_linear"),
    "ReLUs and their masks": ("relu", "clamp", "threshold", "ge", "gt"),
    "sums and additions": ("sum", "add", "index_add", "scatter", "segment"),
    "products and choices by element": ("mul", "div", "where", "masked_fill"),
    "copies and fills": (
        "copy",
        "cat",
        "index",
        "fill",
        "zero",
        "gather",
        "repeat",
        "empty",
    ),
}
REST = "the rest"


def kind_of(operator: str) -> str:
    """The kind of an operator, such as ``aten::addmm``.

    >>> kind_of("aten::addmm"), kind_of("aten::add_"), kind_of("aten::view")
    ('matrix products', 'sums and additions', 'the rest')
    """
    name = operator.removeprefix("aten::").lstrip("_")
    matches = [
        (len(start), kind)
        for kind, starts in KINDS.items()
        for start in starts
        if name.startswith(start)
    ]
    return max(matches, default=(0, REST))[1]  # addmm is no add


def breakdown(
    contender: TorchContender, case: Case, repeats: int
) -> dict[str, float]:
    """Seconds of a step by kind of operation; they add up to the step's.

    The rest is negative where profiling costs more than there is.
    """
    for _ in range(2):
        contender.run(case)
    step = statistics.median(contender.run(case) for _ in range(repeats))
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(repeats):
            contender.run(case)
    found = dict.fromkeys([*KINDS, REST], 0.0)
    for event in profiler.key_averages():
        kind = kind_of(event.key)
        if event.key.startswith("aten::") and kind != REST:
            found[kind] += event.self_cpu_time_total / 1e6 / repeats
    found[REST] = step - sum(found.values())
    return found


def measure(
    shapes: str = "n8,scenes,grid25,grid64",
    precision: str = "fp32",
    repeats: int = 10,
    threads: int = 0,
    readme: str = "",
) -> None:
    """Say where the time of a training step goes.

    Args:
        shapes: Shapes of experiments.measure.pair_sum, separated by commas.
        precision: fp32 or bf16.
        repeats: Steps timed, and steps profiled.
        threads: CPU threads; 0: as torch chooses.
        readme: Markdown file to put the table into, between the lines
            <!-- results:breakdown-PRECISION --> and <!-- /results:… -->.
    """
    torch.set_num_threads(threads or torch.get_num_threads())
    settings = Settings(threads=torch.get_num_threads())
    case = Case("training", precision)
    columns: dict[str, dict[str, float]] = {}
    cells = [
        (shape, kind)
        for shape in find_shapes(shapes.split(","))
        for kind in (RNConvAll, Padded)
    ]
    for shape, kind in tqdm(cells):
        contender = kind(shape, settings)
        contender.prepare(make_inputs(shape, settings.seed, "cpu"))
        who = "RNConv" if kind is RNConvAll else "padded"
        columns[f"{shape.name}, {who}"] = breakdown(contender, case, repeats)
    rows = [
        [name, *(f"{1e3 * column[name]:.2f}" for column in columns.values())]
        for name in [*KINDS, REST]
    ]
    whole = [f"{1e3 * sum(c.values()):.2f}" for c in columns.values()]
    rows.append(["the whole step", *whole])
    heads = [f"training, {precision}, ms", *columns]
    show(rows, heads, readme, f"breakdown-{precision}")


def main(argv: list[str]) -> None:
    """Measure what the options say."""
    cli.call(measure, argv, "python -m experiments breakdown")
