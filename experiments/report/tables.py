"""Make a comparison's table and plots again from its results folder.

``python -m experiments report runs/quick``
"""

import math
import re
import shutil
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import fill

import pandas as pd
from tabulate import tabulate

from datasets.files import write
from datasets.task import SPLITS, find_task
from experiments.cli import parse
from experiments.report.export import FIGURES, READ_WITH_WEIGHTS, export
from experiments.report.frames import (
    is_published,
    read_frames,
    write_frames,
)
from experiments.report.packed import PACKED, pack
from experiments.report.plots import write_plots
from experiments.report.results import (
    Result,
    has_several_budgets,
    results_of,
)
from experiments.report.stats import most_and_fewest
from experiments.run.models import MODELS
from experiments.run.runs import load_model

PROG = "python -m experiments report"
#: What is published of a results folder.
_PUBLISHED = ("config.yaml", "*.csv", "*.md", "plots/*.png", PACKED)
COSTS = (
    "pairs a scene",
    "parameters",
    "FLOPs a question",
    "ms a step",
    "peak memory",
)


@dataclass
class ReportConfig:
    """Make table and plots again from a results folder.

    Args:
        folder: The results folder, as in `runs/quick`.
        readme: Markdown file to put tables into, between the lines
            `<!-- results:NAME -->` and `<!-- /results:NAME -->`, where NAME is
            the folder's name; between those of `NAME-short`, what decides; of
            `NAME-shares`, accuracy by the share of the pairs; of
            `NAME-families`, accuracy by family of questions, of a task that
            counts those solved; of `NAME-aim`, see `aim`. It need not have
            all.
        aim: Validation accuracy in percent, as in 96.4: tabulate what training
            to it took; 0: no such table.
        publish: Folder to copy settings, figures, tables and plots into, and
            the runs without their weights in one file, from which `compare`
            goes on.
        weights: Runs to put there with their weights, in a list or separated
            by commas, as in `rn/seed-0,gcn-depth-2/seed-0`.
    """

    folder: str
    readme: str | None = None
    aim: float = 0.0
    publish: str | None = None
    weights: str | list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if isinstance(self.weights, str):
            self.weights = [name.strip() for name in self.weights.split(",")]
        if self.weights and not self.publish:
            raise ValueError(
                f"`weights` is {self.weights} without `publish`, expected a "
                f"folder to put them into"
            )
        if not 0 <= self.aim <= 100:
            raise ValueError(
                f"`aim` is {self.aim}, expected a percentage, from 0 to 100"
            )


def table_rows(results: Sequence[Result]) -> list[list[str]]:
    """The cells of the table: its header, then a row a model.

    Learning rates have a column where models have different ones.
    """
    rates = {r.learning_rate for r in results} - {None}
    named = ["learning rate"] if len(rates) > 1 else []
    categories = results[0].categories
    return [
        ["model", *named, *COSTS, *_heads(results[0], categories)],
        *(
            [
                result.label,
                *(_rate(result) for _ in named),
                *(_cost(result, key) for key in _UNITS),
                *_answered(result, categories),
            ]
            for result in results
        ),
    ]


def _heads(result: Result, categories: Sequence[str]) -> list[str]:
    """Heads of the columns of accuracy: how many are solved stands last."""
    count = len(result.families.columns)
    return [*categories, *([f"solved of {count}"] if result.solved else [])]


def _answered(result: Result, categories: Sequence[str]) -> list[str]:
    cells = [accuracy(result, category) for category in categories]
    return [*cells, solved(result)] if result.solved else cells


def solved(result: Result) -> str:
    """How many families are solved: the median of the seeds, the range."""
    counts = sorted(result.solved)
    middle = f"{statistics.median(counts):g}"
    if counts[0] == counts[-1]:
        return middle
    return f"{middle} ({counts[0]} to {counts[-1]})"


def markdown(results: Sequence[Result]) -> str:
    """The table in Markdown."""
    header, *rows = table_rows(results)
    return github_table(header, rows)


def short(results: Sequence[Result]) -> str:
    """What decides, in Markdown: accuracy, and what a question and a step cost.

    Args:
        results: The models.
    """
    task = find_task(results[0].runs["task"].iloc[0])
    shown = ("all", *(task.headline or task.categories))
    heads = _heads(results[0], shown)
    header = ["model", "FLOPs a question", "ms a step", *heads]
    rows = [
        [
            result.label,
            *(_cost(result, key) for key in ("flops", "step_ms")),
            *_answered(result, shown),
        ]
        for result in results
    ]
    return github_table(header, rows)


def by_family(results: Sequence[Result]) -> str:
    """Accuracy by family of questions, a column a model, in Markdown.

    Of several seeds the median stands, as for the number solved. Where the
    data come from is said below.

    Args:
        results: The models.
    """
    rows = [
        [family]
        + [
            f"{100 * r.families[family].median():.1f}"
            if family in r.families
            else "–"
            for r in results
        ]
        for family in results[0].families
    ]
    errors = [100 * (1 - r.families.mean(axis=1).median()) for r in results]
    rows.append(["mean error", *(f"{error:.2f}" for error in errors)])
    rows.append(["solved", *map(solved, results)])
    table = github_table(["%", *(r.label for r in results)], rows)
    told = {
        split: results[0].runs[key].iloc[0]
        for split in SPLITS
        if (key := f"stores.{split}.source") in results[0].runs
    }
    sources = "; ".join(f"{split}: {told[split]}" for split in told)
    return f"{table}\n\nData: {sources}." if told else table


def github_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown: a column of names, and figures as they are."""
    align = ("left", *["right"] * (len(header) - 1))
    return tabulate(
        rows, header, "github", colalign=align, disable_numparse=True
    )


def by_share(results: Sequence[Result]) -> str:
    """Accuracy by the share of the pairs that is kept, in Markdown.

    Args:
        results: The models; one that selects no pairs stands at 100 %.
    """
    rows = [
        (MODELS[r.name].label, r.share or 1.0, accuracy(r, "all"))
        for r in results
    ]
    cells = pd.DataFrame(rows, columns=["model", "share", "accuracy"])
    table = cells.pivot(index="model", columns="share", values="accuracy")
    table = table.loc[cells["model"].unique()].fillna("–")
    header = ["share of the pairs", *(f"{100 * s:g} %" for s in table)]
    return github_table(header, table.reset_index().values.tolist())


def training_cost(results: Sequence[Result], aim: float) -> str:
    """What training to an accuracy took, in Markdown.

    The step is the first at which validation was looked at and the mean over
    seeds had reached it; minutes are of as many steps, as measured. They and
    the FLOPs are left out where the measured step is not that of all steps.

    Args:
        results: The models; those that are not trained are left out.
        aim: Validation accuracy in percent.
    """
    rows = []
    for result in results:
        if not result.trained:
            continue
        step = result.steps_to(aim / 100)
        row = [result.label, "not reached", "–", "–", "–"]
        if step is not None:
            seen = step * int(result.runs["batch_size"].iloc[0])
            row[1:3] = f"{step:,}", f"{seen / 1e6:.2f} M"
            # A budget that shrank, or weights taken over, cost more.
            if result.step_minutes is not None:
                row[3] = f"{step * result.step_minutes:.1f}"
                # A backward pass takes twice as much as a forward one.
                row[4] = f"{3 * seen * result.cost('flops') / 1e12:.1f} T"
        rows.append(row)
    header = (
        f"to {aim:g} % on validation",
        "steps",
        "questions seen",
        "minutes",
        "FLOPs",
    )
    return github_table(header, rows)


def terminal(results: Sequence[Result]) -> str:
    """The table for a terminal, in two narrow halves."""
    header, *rows = table_rows(results)
    count = len(_heads(results[0], results[0].categories))
    accuracies = range(len(header) - count, len(header))
    halves = (range(accuracies[0]), (0, *accuracies))
    return "\n\n".join(
        tabulate(
            [[row[i] for i in half] for row in rows],
            [header[i] for i in half],
            tablefmt="simple",
            colalign=("left", *["right"] * (len(half) - 1)),
            disable_numparse=True,
        )
        for half in halves
    )


def in_words(results: Sequence[Result]) -> str:
    """What a comparison's figures say, in three sentences."""
    right = {r.label: r.mean("all") for r in results if r.trained}
    blind = [100 * r.mean("all") for r in results if not r.trained]
    if not right:
        return ""
    seeds = {len(r.runs) for r in results if r.trained}
    said = [f"{most_and_fewest(right, 'of the test questions ')}."]
    if blind:
        said.append(
            f"Whoever never looks at the objects, and gives the most frequent "
            f"answer, is right in {blind[0]:.1f} %."
        )
    if seeds == {1}:
        said.append(
            "Each was trained once: with another seed, models that lie close "
            "together may change places."
        )
    else:
        said.append("Models whose intervals (±) overlap may well be equal.")
    return fill(" ".join(said), 79)


_UNITS = {
    "pairs": lambda v: f"{v:.1f}" if v else "0",
    "parameters": lambda v: f"{v:,}",
    "flops": lambda v: f"{v / 1e6:.2f} M",
    "step_ms": lambda v: f"{v:.1f}",
    "memory_mib": lambda v: f"{v:.0f} MiB",
}


def _rate(result: Result) -> str:
    return f"{result.learning_rate:g}" if result.learning_rate else "–"


def _cost(result: Result, key: str) -> str:
    value = result.cost(key)
    return "–" if value is None else _UNITS[key](value)


def accuracy(result: Result, category: str) -> str:
    """Test accuracy in percent, with its interval."""
    mean, half = 100 * result.mean(category), 100 * result.interval(category)
    if math.isnan(mean):
        return "–"
    return f"{mean:.1f}" if math.isnan(half) else f"{mean:.1f} ± {half:.1f}"


def write_report(folder: Path, aim: float = 0.0) -> dict[str, str]:
    """Write figures, tables and plots into a results folder; print where.

    Args:
        folder: The results folder.
        aim: As in :class:`ReportConfig`.

    Returns:
        The tables in Markdown, by the names of their markers.

    Raises:
        FileNotFoundError: If there is no finished run.
    """
    frames = read_frames(folder)
    results = results_of(frames)
    table = markdown(results)
    write_frames(frames, folder)
    write(folder / "table.md", table + "\n")
    name = folder.resolve().name
    tables = {name: table, f"{name}-short": short(results)}
    if aim:
        tables[f"{name}-aim"] = cost = training_cost(results, aim)
        write(folder / "training_cost.md", cost + "\n")
    if has_several_budgets(results):
        tables[f"{name}-shares"] = shares = by_share(results)
        write(folder / "shares.md", shares + "\n")
    families = ""
    if results[0].solved:
        tables[f"{name}-families"] = families = by_family(results)
        write(folder / "by_family.md", families + "\n")
    plots = write_plots(results, folder / "plots")
    seeds = sorted({len(r.runs) for r in results if r.trained})
    print(f"\n{terminal(results)}\n")
    print(
        f"Test accuracy in %, mean ± 95 % interval over "
        f"{' or '.join(map(str, seeds))} seed(s), with the weights best on "
        f"validation.\nPairs: those that a layer sums over for a question. "
        f"Memory: of training, over the process's own.\n"
    )
    if aim:
        print(f"{cost}\n")
    if families:
        print(f"{families}\n")
    print(f"{in_words(results)}\n")
    print(f"Table: {folder / 'table.md'}")
    for plot in plots:
        print(f"Plot:  {plot}")
    return tables


def insert(readme: Path, name: str, table: str) -> None:
    """Put a table between its markers in a Markdown file.

    Args:
        readme: The file.
        name: The name in the markers.
        table: What to put there.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it does not have both markers, once each.
    """
    if not readme.is_file():
        raise FileNotFoundError(f"`readme` is {readme}, which does not exist")
    start, end = f"<!-- results:{name} -->", f"<!-- /results:{name} -->"
    text = readme.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.S)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"{readme} must have {start} and {end} once each")
    block = f"{start}\n{table}\n{end}"
    write(readme, pattern.sub(lambda _: block, text))


def insert_some(readme: Path, tables: dict[str, str]) -> None:
    """Put those tables into a Markdown file that it has markers for.

    Args:
        readme: The file.
        tables: By the names in the markers.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no marker, or not both, once each.
    """
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    found = [name for name in tables if f"<!-- results:{name} -->" in text]
    for name in found or tables:
        insert(readme, name, tables[name])


def publish(folder: Path, out: Path, weights: Sequence[str] = ()) -> None:
    """Copy a results folder, its runs in one file; some are exported.

    Args:
        folder: The results folder.
        out: Where to copy it; files of the same name are replaced.
        weights: Names of the runs to export, as in ``rn/seed-0``.

    Raises:
        FileNotFoundError: If there is no such run.
    """
    packed = not is_published(folder)
    # The rest of the figures is in the file of all runs, where there is one.
    figures = READ_WITH_WEIGHTS if packed else FIGURES
    for name in weights:
        export(*load_model(folder / name), out / name, figures)
    for pattern in _PUBLISHED:
        for path in sorted(folder.glob(pattern)):
            copy = out / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    if packed:
        pack(folder, out)
    print(f"Copied to {out}")


def main(argv: list[str]) -> None:
    """Report, and hand the results on."""
    config = parse(
        ReportConfig, argv, PROG, "Make table and plots again.", "folder"
    )
    folder = Path(config.folder)
    tables = write_report(folder, config.aim)
    if config.readme:
        insert_some(Path(config.readme), tables)
        print(f"Put into {config.readme}")
    if config.publish:
        publish(folder, Path(config.publish), config.weights)
