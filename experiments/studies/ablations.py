"""Train models under many recipes, from one file; what mattered, and how.

``python -m experiments ablations recipe``
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import yaml

from datasets.files import write
from experiments.cli import parse
from experiments.config import (
    PRESETS,
    CompareConfig,
    check_folder_name,
    load_preset,
    preset_path,
    read,
    to_yaml,
)
from experiments.report.frames import Frames, collect, write_frames
from experiments.report.plots import write_figure
from experiments.report.stats import interval
from experiments.report.tables import github_table, insert
from experiments.run.compare import Comparison, Variant
from experiments.run.runs import Run
from experiments.run.trainings import Trainings

PROG = "python -m experiments ablations"
HELP = """Train models under many recipes, one after another, and tabulate
how well each does on validation. FILE is a YAML file, or the name of one in
experiments/presets/ablations. It names a preset of experiments.run.compare
(`base`), what is changed in all recipes (`settings`), and in each
(`recipes`). The test split is not looked at. What is done is kept: the same
command after an interruption goes on where it stopped, and recipes that are
added to the file join the others."""


@dataclass
class AblationsConfig:
    """Train models under many recipes.

    Args:
        file: YAML file of the recipes.
        runs: Folder of all results.
        data_root: Folder where generated data is kept and found again.
        readme: Markdown file to put the table into, between the lines
            `<!-- results:NAME -->` and `<!-- /results:NAME -->`.
    """

    file: str
    runs: str = "runs"
    data_root: str = "data"
    readme: str | None = None


@dataclass
class Recipes:
    """What a file of recipes says.

    Args:
        name: Name of the results folder.
        base: Preset, or file, that all recipes start from.
        recipes: What each changes in it, by its name: settings by their keys,
            as in ``train.learning_rate``. The first is what the others are
            compared with.
        model: The model to train. A recipe for another says so, as in
            ``models: [edge]``: it has as many parameters as this one.
        seeds: How many seeds each recipe is trained with.
        settings: What is changed for all of them.
    """

    name: str
    base: str
    recipes: dict[str, dict[str, Any]]
    model: str = "rn"
    seeds: int = 1
    settings: dict[str, Any] | None = None

    @classmethod
    def read(cls, path: Path) -> "Recipes":
        """Read a file.

        Raises:
            ValueError: For unknown keys, or without recipes.
        """
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or not values.get("recipes"):
            raise ValueError(f"{path} has no `recipes`")
        known = [f.name for f in fields(cls)]
        for key in values:
            if key not in known:
                raise ValueError(
                    f"{path} has the key {key!r}, expected some of "
                    f"{', '.join(known)}"
                )
        for key in ("name", "base"):
            if key not in values:
                raise ValueError(f"{path} has no `{key}`")
        check_folder_name(values["name"])
        for name in values["recipes"]:
            check_folder_name(name)
        return cls(**values)

    def configs(self, runs: str, data_root: str) -> dict[str, CompareConfig]:
        """A comparison of a single model for each recipe.

        Raises:
            ValueError: For a setting that there is not, a bad value, or a
                recipe of several models or learning rates.
        """
        base = load_preset(self.base)
        out = {}
        for name, changes in self.recipes.items():
            values = copy.deepcopy(base)
            for key, value in {
                "models": [self.model],
                "learning_rates": [],
                **(self.settings or {}),
                **(changes or {}),
                "name": name,
                "reference": self.model,
                "seeds": self.seeds,
                "runs": str(Path(runs) / self.name),
                "data_root": data_root,
            }.items():
                _set(values, key, value)
            try:
                out[name] = read(CompareConfig, values)
            except (TypeError, ValueError) as error:
                raise ValueError(f"recipe {name!r}: {error}") from None
            if out[name].learning_rates:
                raise ValueError(
                    f"recipe {name!r}: `learning_rates` is "
                    f"{out[name].learning_rates}, expected a single rate, as "
                    f"`train.learning_rate`"
                )
            if len(out[name].models) != 1:
                raise ValueError(
                    f"recipe {name!r}: `models` is {out[name].models}, "
                    f"expected a single one"
                )
        return out


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
    values[last] = value


def find_file(name: str) -> Path:
    """Find a file of recipes by its name or path.

    Raises:
        FileNotFoundError: If there is none.
    """
    return preset_path(name, PRESETS / "ablations")


def train_all(
    recipes: Recipes, configs: Mapping[str, CompareConfig]
) -> dict[str, list[Run]]:
    """Train what is not trained yet; the runs of each recipe."""
    done: dict[str, list[Run]] = {}
    for name, config in configs.items():
        comparison = Comparison(config)
        model = config.models[0]
        depth = comparison.depths(model)[0]
        share = comparison.shares(model)[0]
        rate = config.train.learning_rate
        variant = Variant(model, share, depth, rate)
        done[name] = [
            comparison.plan(variant, seed) for seed in range(recipes.seeds)
        ]
    runs = list(chain.from_iterable(done.values()))
    first = next(iter(configs.values()))
    with Trainings(first, len(runs)) as trainings:
        trainings.run(runs)
    return done


def record(folder: Path, done: Mapping[str, list[Run]]) -> Frames:
    """The figures of all runs, each with the name of its recipe."""
    frames = collect(folder, [run.folder for run in chain(*done.values())])
    name = frames.runs["run"].str.split("/").str[0]
    frames.runs.insert(0, "recipe", name)
    return frames


def table(runs: pd.DataFrame) -> str:
    """Validation accuracy of each recipe, in Markdown.

    Args:
        runs: A row a run, the first recipe's first.
    """
    # All recipes are validated on the same questions.
    asked = [c for c in runs if c.startswith("val/") and c != "val/all"]
    rows: list[list[str]] = []
    base = runs["val/all"][runs["recipe"] == runs["recipe"].iloc[0]].mean()
    for name, mine in runs.groupby("recipe", sort=False):
        found = 100 * mine[["val/all", *asked]]
        mean, *others = found.mean()
        half = interval(found["val/all"].tolist())
        rows.append(
            [
                name,
                f"{mean:.1f}" + (f" ± {half:.1f}" if half == half else ""),
                f"{mean - 100 * base:+.1f}" if rows else "",
                *(f"{other:.1f}" for other in others),
            ]
        )
    asked = [category.removeprefix("val/") for category in asked]
    return github_table(["recipe", "validation", "difference", *asked], rows)


def draw(runs: pd.DataFrame, path: Path) -> None:
    """Draw each recipe's errors: a ring for a seed, a dot for their mean.

    On a logarithmic axis, where a recipe that learns nothing leaves room to
    tell the good ones apart.
    """
    errors = 100 * (1 - runs["val/all"])
    place, recipes = pd.factorize(runs["recipe"])
    means = errors.groupby(place).mean()
    size = (8, 1.2 + 0.27 * len(recipes))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    axes.plot(errors, place, "o", color="C0", mfc="none")
    axes.plot(means, means.index, "o", color="C0")
    axes.axvline(means[0], ls="--", lw=1, color="C0")
    axes.set_yticks(range(len(recipes)), recipes)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="error on validation (%)")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.grid(alpha=0.3, which="both")
    write_figure(figure, path)


def write_report(frames: Frames, folder: Path) -> str:
    """Write figures, table and plot into a results folder.

    Returns:
        The table.
    """
    text = table(frames.runs)
    write_frames(frames, folder)
    write(folder / "table.md", text + "\n")
    draw(frames.runs, folder / "recipes.png")
    return text


def main(argv: list[str]) -> None:
    """Train, tabulate, draw."""
    config = parse(AblationsConfig, argv, PROG, HELP, "file")
    recipes = Recipes.read(find_file(config.file))
    configs = recipes.configs(config.runs, config.data_root)
    done = train_all(recipes, configs)
    folder = Path(config.runs) / recipes.name
    # What the others are compared with; `runs.csv` has what differs.
    first = replace(next(iter(configs.values())), name=recipes.name)
    write(folder / "config.yaml", to_yaml(first))
    text = write_report(record(folder, done), folder)
    print(f"\n{text}\n\n{folder / 'table.md'}")
    if config.readme:
        insert(Path(config.readme), recipes.name, text)
