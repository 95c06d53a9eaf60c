"""What each step towards the blocked sum over pairs gives.

Times a training step of the same layer as one would first write it, with the
first layer split, in blocks, with a backward pass by hand, and with other
block sizes and memory budgets, in turn, and prints a table in multiples of
the floor (the hidden layers' matrix products alone).

    python -m experiments steps
    python -m experiments steps --shapes n256 --precision bf16
"""

import statistics
from collections.abc import Callable

import torch
from tqdm import trange

from experiments import cli
from experiments.measure.pair_sum.contenders.base import Case, Settings
from experiments.measure.pair_sum.contenders.ours import RNConvAll
from experiments.measure.pair_sum.contenders.torch_peers import Plain
from experiments.measure.pair_sum.floor import Floor, floor_seconds
from experiments.measure.pair_sum.shapes import Shape, find_shapes, make_inputs
from experiments.measure.tables import show
from rn_graph.ops import blocked

#: Step → (backend, bytes of a layer's block, bytes of kept activations).
STEPS: dict[str, tuple[str, float, float]] = {
    "first layer split, all rows at once": ("reference", 4, 64),
    "in blocks of 4 MiB, backward by autograd": ("rows", 4, 64),
    "backward by hand, nothing kept": ("blocked", 4, 0),
    "64 MiB kept (the default)": ("blocked", 4, 64),
    "all kept": ("blocked", 4, 1e6),
    "blocks of 1 MiB": ("blocked", 1, 64),
    "blocks of 2 MiB": ("blocked", 2, 64),
    "blocks of 8 MiB": ("blocked", 8, 64),
    "blocks of 64 MiB": ("blocked", 64, 64),
}
_MIB = 2**20

#: Runs a training step, and returns the seconds that it took.
Step = Callable[[], float]


def steps(shape: Shape, settings: Settings, case: Case) -> dict[str, Step]:
    """Make a function for each, that trains once and returns the seconds."""
    inputs = make_inputs(shape, settings.seed, settings.device)

    def of(
        kind: type[RNConvAll] | type[Plain], change: tuple[str, float, float]
    ) -> Step:
        contender = kind(shape, settings)
        contender.prepare(inputs)
        backend, block, keep = change
        if isinstance(contender, RNConvAll):
            setattr(contender.module, "backend", backend)  # noqa: B010

        def run() -> float:
            blocked.BLOCK_BYTES = int(block * _MIB)
            blocked.KEEP_BYTES = int(keep * _MIB)
            return contender.run(case)

        return run

    plain = of(Plain, ("", 4, 64))
    made = {name: of(RNConvAll, change) for name, change in STEPS.items()}
    return {"PyG MessagePassing over an edge list": plain, **made}


def measure(
    shapes: str = "scenes,grid25,grid64,n256",
    precision: str = "fp32",
    repeats: int = 7,
    threads: int = 0,
    readme: str = "",
) -> None:
    """Time each step towards the blocked sum over pairs.

    Args:
        shapes: Shapes of experiments.measure.pair_sum, separated by commas.
        precision: fp32 or bf16.
        repeats: Rounds; the median is printed.
        threads: CPU threads; 0: as torch chooses.
        readme: Markdown file to put the table into, between the lines
            <!-- results:steps-PRECISION --> and <!-- /results:… -->.
    """
    torch.set_num_threads(threads or torch.get_num_threads())
    settings = Settings(threads=torch.get_num_threads())
    case = Case("training", precision)
    columns: dict[str, dict[str, str]] = {}
    before = blocked.BLOCK_BYTES, blocked.KEEP_BYTES
    for shape in find_shapes(shapes.split(",")):
        floor = Floor(shape.width, shape.hidden_products, precision)
        runs = steps(shape, settings, case)
        times: dict[str, list[float]] = {name: [] for name in runs}
        floors = []
        for run in runs.values():
            run()
        for _ in trange(repeats, desc=shape.name):
            floors.append(floor_seconds(floor.seconds(shape.pairs), True))
            for name, run in runs.items():
                times[name].append(run())
        least = statistics.median(floors)
        columns[shape.name] = {
            "the floor, ms": f"{1e3 * least:.1f}",
            **{
                name: f"{statistics.median(some) / least:.2f} ×"
                for name, some in times.items()
            },
        }
    blocked.BLOCK_BYTES, blocked.KEEP_BYTES = before
    first = next(iter(columns.values()))
    rows = [[name, *(c[name] for c in columns.values())] for name in first]
    heads = [f"training, {precision}", *columns]
    show(rows, heads, readme, f"steps-{precision}")


def main(argv: list[str]) -> None:
    """Measure what the options say."""
    cli.call(measure, argv, "python -m experiments steps")
