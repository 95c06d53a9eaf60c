"""Compare models on CLEVR scenes: one command, one table.

``python -m experiments.compare quick``
"""

import time
from pathlib import Path

from experiments import report
from experiments.cli import parse, run
from experiments.config import CompareConfig, to_yaml
from experiments.cost import measure_apart
from experiments.data import Splits
from experiments.evaluate import answer_split
from experiments.matching import count_parameters, match_parameters
from experiments.models import MODELS
from experiments.runs import Run, read_json, write, write_json
from experiments.trainings import Trainings

PROG = "python -m experiments.compare"
HELP = """Train models side by side on CLEVR scenes, with the same objects,
question encoder, optimiser, schedule, steps and seeds, and tabulate accuracy
and cost. PRESET is smoke (seconds), quick (minutes) or a YAML file of the keys
below; options after it change single keys, as in "quick --seeds 1 --models
rn,gcn --train.steps 500". What is done is kept: the same command after an
interruption goes on where it stopped."""


class Comparison:
    """All runs of a comparison, in a results folder.

    Args:
        config: What to compare.
    """

    def __init__(self, config: CompareConfig) -> None:
        self.config = config
        self.splits = Splits(config.data, config.data_root)
        self.in_channels = self.splits.in_channels
        self.widths: dict[tuple[str, int | None], int | None] = {}

    def run(self) -> None:
        """Train, measure and test what is not there yet."""
        config = self.config
        write(config.folder / "config.yaml", to_yaml(config))
        depths = {name: self.depths(name) for name in config.models}
        first = [
            self.plan(name, 0, depth)
            for name in config.models
            for depth in depths[name]
        ]
        trained = [name for name in config.models if MODELS[name].build]
        total = len(first) + (config.seeds - 1) * len(trained)
        with Trainings(config, self.splits, total) as trainings:
            trainings.run(first)
            chosen = {n: self.best_depth(n, depths[n]) for n in config.models}
            trainings.run(
                self.plan(name, seed, chosen[name])
                for seed in range(1, config.seeds)
                for name in trained
            )
        for name in config.models:
            self.finish(name, chosen[name])

    def depths(self, name: str) -> list[int | None]:
        """The depths to try for a model; ``[None]`` if it has none."""
        return [*self.config.model.depths] if MODELS[name].tuned else [None]

    def plan(self, name: str, seed: int, depth: int | None) -> Run:
        """Make a run, its hidden width matched to the reference model."""
        width = self.width(name, depth)
        return Run.plan(self.config, name, seed, self.in_channels, width, depth)

    def width(self, name: str, depth: int | None) -> int | None:
        """Hidden width at which a model has the reference's parameters."""
        spec, sizes = MODELS[name], self.config.model
        if spec.build is None:
            return None
        if name == self.config.reference or not spec.matched:
            return sizes.hidden_channels
        if (name, depth) not in self.widths:
            reference = MODELS[self.config.reference].build
            if reference is None:
                raise ValueError(
                    f"`reference` is {self.config.reference!r}, expected a "
                    f"model that is trained"
                )
            target = count_parameters(
                reference(sizes, self.in_channels, sizes.hidden_channels, 1)
            )
            build = spec.build
            self.widths[name, depth] = match_parameters(
                lambda c: build(sizes, self.in_channels, c, depth or 1),
                target,
                multiple_of=spec.multiple_of,
            )
        return self.widths[name, depth]

    def best_depth(self, name: str, tried: list[int | None]) -> int | None:
        """The depth best on validation with the first seed."""
        if len(tried) == 1:
            return tried[0]

        def accuracy(depth: int | None) -> float:
            folder = self.plan(name, 0, depth).folder
            value: float = read_json(folder / "val.json")["accuracy"]["all"]
            return value

        return max(tried, key=accuracy)

    def finish(self, name: str, depth: int | None) -> None:
        """Measure a model's cost, and answer the test split, once a seed."""
        config, spec = self.config, MODELS[name]
        for seed in range(config.seeds if spec.build else 1):
            planned = self.plan(name, seed, depth)
            done = planned.folder / "test.json"
            if not done.exists():
                accuracy = answer_split(planned, self.splits)
                write_json(done, {"accuracy": accuracy})
        first = self.plan(name, 0, depth).folder
        done = first / "cost.json"
        if spec.build and not done.exists():
            print(f"Measuring time and memory of {spec.label} ...", flush=True)
            cost = measure_apart(
                first, config.cost_steps, config.threads, config.data_root
            )
            write_json(done, cost)


def main(argv: list[str]) -> None:
    """Compare, then report."""
    start = time.perf_counter()
    config = parse(CompareConfig, argv, PROG, HELP)
    Comparison(config).run()
    report.write_report(Path(config.folder))
    minutes, seconds = divmod(round(time.perf_counter() - start), 60)
    print(f"\nTook {minutes} min {seconds} s.")


if __name__ == "__main__":
    run(main)
