"""Compare models on a task: one command, one table.

``python -m experiments compare quick``
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from filelock import FileLock, Timeout
from tqdm import tqdm

from datasets.files import read_json, write, write_json
from datasets.task import find_task
from experiments.cli import parse
from experiments.config import CompareConfig, to_yaml
from experiments.measure.cost import measure_apart
from experiments.measure.matching import count_parameters, match_parameters
from experiments.report import tables as report
from experiments.report.frames import check_unpublished
from experiments.report.packed import unpack
from experiments.run import processes
from experiments.run.accuracy import EVALUATION_BATCH
from experiments.run.data import open_splits
from experiments.run.evaluate import answer_split, as_json
from experiments.run.models import MODELS, Plan, near_pairs, objects_of
from experiments.run.runs import Run, read_figures
from experiments.run.trainings import Trainings
from rn_graph.models import degree_histogram

PROG = "python -m experiments compare"
HELP = """Train models side by side on a task, with the same objects,
question encoder, optimiser, schedule, steps and seeds, and tabulate accuracy
and cost. PRESET is smoke (seconds), quick (10 minutes), medium (every model;
three hours), full (700,000 questions; an hour a model), another one of
experiments/presets, or a YAML file of the keys below; options after it change
single keys, as in "quick --seeds 2 --models rn,gcn --train.steps 3000". What is
done is kept: the same command after an interruption goes on where it
stopped."""


#: Training steps that a plan measures of each model.
PLAN_STEPS = 5


class Variant(NamedTuple):
    """A model with what is chosen for it.

    Attributes:
        model: Its name.
        share: Share of the pairs that it keeps, if it selects.
        depth: Its number of layers, if that is tuned.
        rate: Its learning rate.
    """

    model: str
    share: float | None
    depth: int | None
    rate: float


class Comparison:
    """All runs of a comparison, in a results folder.

    Args:
        config: What to compare.
    """

    def __init__(self, config: CompareConfig) -> None:
        self.config = config
        self.task = find_task(config.task)
        self.splits = open_splits(
            self.task, config.data, config.data_root, config.train.accelerator
        )
        self.inputs = self.splits.inputs
        self.found = self.splits.provenance()
        self.plans: dict[tuple[str, float | None, int | None], Plan] = {}

    def run(self) -> None:
        """Train, measure and test what is not there yet."""
        config = self.config
        rows = self.rows()
        first = [self.plan(v, 0) for variants in rows for v in variants]
        for path in sorted(config.folder.glob("*/seed-*/test.json")):
            # They stand in one table, also where they are not asked for now.
            made = Run.read(path.parent)
            wanted, rate = rows[0][0], made.train.learning_rate
            if rate in config.learning_rates:
                wanted = wanted._replace(rate=rate)
            made.check_same(
                self.plan(wanted, 0), sections=("data", "sizes", "train")
            )
        if processes.is_first():
            write(config.folder / "config.yaml", to_yaml(config))
        trained = [v for v in rows if MODELS[v[0].model].build]
        total = len(first) + (config.seeds - 1) * len(trained)
        with Trainings(config, total) as trainings:
            trainings.run(first)
            trainings.run(
                self.plan(self.best(variants), seed)
                for seed in range(1, config.seeds)
                for variants in trained
            )
        if processes.is_first():
            chosen = [self.best(variants) for variants in rows]
            for variant in chosen:
                self.test(variant)
            self.measure([v for v in chosen if MODELS[v.model].build])

    def plan_hours(self) -> str:
        """Measure a few steps of each row; say how many hours all will take.

        Rows whose learning rate or depth is chosen on validation count every
        variant with the first seed, and one with each further seed.
        """
        config = self.config
        rows: list[list[str]] = []
        hours = 0.0
        with TemporaryDirectory() as folder:
            bar = tqdm(self.rows(), "A few steps of each", unit="model")
            for variants in bar:
                first = self.plan(variants[0], 0)
                runs = len(variants) + config.seeds - 1
                step = 0.0
                if MODELS[first.model].build:
                    first.folder = Path(folder) / first.label
                    first.begin()
                    cost = measure_apart(
                        first.folder,
                        PLAN_STEPS,
                        config.threads,
                        config.data_root,
                    )
                    step = cost["step_ms"]
                else:
                    runs = 1
                own = step * config.train.steps / 3_600_000
                hours += runs * own
                rows.append(
                    [
                        first.label,
                        str(runs),
                        f"{step:.0f}",
                        f"{own:.2f}",
                        f"{runs * own:.2f}",
                    ]
                )
        rows.append(["all, one after the other", "", "", "", f"{hours:.2f}"])
        header = ["model", "runs", "ms a step", "hours a run", "hours"]
        return report.github_table(header, rows)

    def rows(self) -> list[list[Variant]]:
        """The rows of the table: a model with a budget, in its variants."""
        return [
            [
                Variant(name, share, depth, rate)
                for depth in self.depths(name)
                for rate in self.rates(name)
            ]
            for name in self.config.models
            for share in self.shares(name)
        ]

    def depths(self, name: str) -> list[int | None]:
        """The depths to try for a model; ``[None]`` if it has none."""
        # Rising: of equals on validation the smallest is taken.
        depths = sorted(self.config.depths)
        return [*depths] if MODELS[name].tuned else [None]

    def shares(self, name: str) -> list[float | None]:
        """The budgets of a model's pairs; ``[None]`` if it has none."""
        return [*self.config.shares] if MODELS[name].selects else [None]

    def rates(self, name: str) -> list[float]:
        """The learning rates to try for a model."""
        own = [self.config.train.learning_rate]
        if MODELS[name].build is None:
            return own
        return sorted(self.config.learning_rates) or own

    def plan(self, variant: Variant, seed: int) -> Run:
        """Make a run, its hidden width matched to the reference model."""
        name, share, depth, rate = variant
        key = name, share, depth
        if key not in self.plans:
            self.plans[key] = self._plan(*key)
        return Run.plan(
            self.config, name, seed, self.plans[key], rate, self.found
        )

    def _plan(self, name: str, share: float | None, depth: int | None) -> Plan:
        spec, sizes = MODELS[name], self.config.model
        plan = Plan(sizes, self.inputs, sizes.hidden_channels, depth, share)
        if spec.degrees:
            plan = replace(plan, degrees=self.degrees(plan))
        build = spec.build
        if build is not None:
            # What does not fit is refused before anything is trained.
            with torch.device("meta"):
                build(plan)
        if (
            build is None
            or not spec.matched
            # Weights that are taken over bring their width along.
            or self.config.train.init
            or name == self.config.reference
        ):
            return plan
        reference = MODELS[self.config.reference]
        if reference.build is None or reference.tuned or reference.selects:
            raise ValueError(
                f"`reference` is {self.config.reference!r}, expected a model "
                f"that is trained, without a depth or a share to choose"
            )
        target = count_parameters(
            reference.build(Plan(sizes, self.inputs, sizes.hidden_channels))
        )
        width = match_parameters(
            lambda c: build(replace(plan, hidden_channels=c)),
            target,
            multiple_of=spec.multiple_of,
        )
        return replace(plan, hidden_channels=width)

    def degrees(self, plan: Plan) -> list[int]:
        """Nodes of the training graphs by their number of edges."""
        pairs = None if plan.share is None else near_pairs(plan)
        scenes = self.splits.loader("train", EVALUATION_BATCH)
        objects = objects_of(plan).eval()
        with torch.no_grad():
            # Where edges are given, they are the pairs.
            given = self.inputs.edges is not None
            nodes = scenes if given else map(objects, scenes)
            counts: list[int] = degree_histogram(nodes, pairs).tolist()
        return counts

    def best(self, variants: list[Variant]) -> Variant:
        """The variant best on validation with the first seed."""
        if len(variants) == 1:
            return variants[0]

        def accuracy(variant: Variant) -> float:
            folder = self.plan(variant, 0).folder
            figures = read_figures(folder / "val.json")
            value: float = figures["accuracy"]["all"]
            return value

        return max(variants, key=accuracy)

    def test(self, variant: Variant) -> None:
        """Answer the test split, once a seed."""
        config, spec = self.config, MODELS[variant.model]
        for seed in range(config.seeds if spec.build else 1):
            planned = self.plan(variant, seed)
            done = planned.folder / "test.json"
            if not done.exists():
                tally = answer_split(planned, self.splits)
                write_json(done, as_json(tally))

    def measure(self, variants: list[Variant]) -> None:
        """Measure what models cost, all of them once a round.

        Other load on the machine comes and goes, and only ever slows: the
        fastest round of each model counts.
        """
        config = self.config
        how = {"cost_steps": config.cost_steps, "threads": config.threads}
        # What a step takes does not depend on its learning rate.
        own = config.train.learning_rate
        variants = [variant._replace(rate=own) for variant in variants]
        for i in range(1, config.cost_rounds + 1):
            for variant in variants:
                planned = self.plan(variant, 0)
                path = planned.folder / "cost.json"
                known = read_json(path) if path.exists() else {"rounds": 0}
                if any(known.get(k, v) != v for k, v in how.items()):
                    known = {"rounds": 0}
                if known.get("rounds", 1) >= i:
                    continue
                print(
                    f"Measuring time and memory of {planned.label}, round "
                    f"{i} of {config.cost_rounds}",
                    flush=True,
                )
                cost = measure_apart(
                    planned.folder,
                    config.cost_steps,
                    config.threads,
                    config.data_root,
                )
                best = min(cost["step_ms"], known.get("step_ms", math.inf))
                write_json(path, {**cost, "step_ms": best, "rounds": i, **how})


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a results folder: two commands in one would spoil their files.

    Raises:
        BlockingIOError: If another command holds it.
    """
    if not processes.is_first():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            yield
    except Timeout:
        raise BlockingIOError(
            f"another command is at work in {folder}: wait for its end, or "
            f"give this one another `--name`"
        ) from None


def compare(config: CompareConfig) -> None:
    """Train, measure and test what is not there yet; report.

    A published folder's runs are there again first.

    Raises:
        BlockingIOError: If another command is at work in the folder.
        ValueError: If its runs are gone, and their figures alone are there.
    """
    comparison = Comparison(config)
    if config.plan:
        print(comparison.plan_hours())
        return
    with alone_in(config.folder):
        if processes.is_first() and not unpack(config.folder):
            check_unpublished(config.folder)
        processes.wait()
        comparison.run()
        if processes.is_first():
            report.write_report(config.folder)


def main(argv: list[str]) -> None:
    """Compare, then report."""
    start = time.perf_counter()
    config = parse(CompareConfig, argv, PROG, HELP)
    processes.join()
    try:
        compare(config)
        if config.plan:
            return
    finally:
        processes.leave()
    if not processes.is_first():
        return
    minutes, seconds = divmod(round(time.perf_counter() - start), 60)
    print(f"\nTook {minutes} min {seconds} s.")
