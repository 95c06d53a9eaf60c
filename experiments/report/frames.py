"""A results folder as tidy frames: a row a run, and a row a run and step."""

import json
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import IO, Any, NamedTuple

import pandas as pd

from datasets.files import read_json, write
from experiments.run.models import MODELS
from experiments.run.runs import EXPORTED, Run, flatten, run_folders

#: Settings whose columns have short names.
_SHORT = {
    f"train.{key}": key
    for key in ("learning_rate", "batch_size", "shrink_steps", "init")
}
#: Settings that always have a column; others do where runs differ in them.
_ALWAYS = (
    *("task", "version", "model", "share", "depth", "learning_rate", "seed"),
    *("hidden_channels", "batch_size", "shrink_steps", "init"),
)
#: What a run's folder has figures in.
_FIGURES = ("val", "test", "cost")
#: Whole numbers, also where some are not there.
_WHOLE = ("depth", "cost/parameters", "cost/rounds")


class Frames(NamedTuple):
    """All figures of a results folder; of each frame a CSV file.

    Attributes:
        runs: A row a run: its folder's name (``run``), settings, cost
            (``cost/…``), accuracy on validation (``val/…``) and test
            (``test/…``), ``seconds`` of training, and where it comes from.
        curves: A row a run and step: what was logged after that step.
        families: A row a run: test accuracy by family of questions.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame
    families: pd.DataFrame


def read_csv(file: Path | IO[str]) -> pd.DataFrame:
    """Read a CSV file, every number as it was written."""
    frame = pd.read_csv(file, keep_default_na=False, na_values="")
    return frame.astype({key: "Int64" for key in _WHOLE if key in frame})


def write_frames(frames: Frames, folder: Path) -> None:
    """Write ``runs.csv``, ``curves.csv`` and ``families.csv``."""
    for name, frame in frames._asdict().items():
        if len(frame):
            write(folder / f"{name}.csv", frame.to_csv(index=False))


def read_frames(folder: Path) -> Frames:
    """Read the figures of a results folder, published or not.

    Args:
        folder: The folder. Where it holds runs that are more than exported
            weights, the figures are theirs; else those of its CSV files.

    Raises:
        FileNotFoundError: If it has no figures.
    """
    if not is_published(folder):
        return collect(folder)
    return Frames(
        *(
            read_csv(path) if path.exists() else pd.DataFrame({"run": []})
            for path in (folder / f"{name}.csv" for name in Frames._fields)
        )
    )


def check_unpublished(folder: Path) -> None:
    """Check that a results folder's figures are those of runs in it.

    Raises:
        ValueError: If its CSV files are all that is left of them, and would
            be lost where they are made anew.
    """
    if is_published(folder):
        count = len(read_csv(folder / "runs.csv"))
        raise ValueError(
            f"{folder} has the figures of {count} runs without their logs, "
            f"and would lose them: expected another `--name` or `--runs`"
        )


def is_published(folder: Path) -> bool:
    """Whether the figures of a results folder are those of its CSV files."""
    live = not all(map(_is_exported, run_folders(folder)))
    return not live and (folder / "runs.csv").exists()


def collect(folder: Path, runs: Iterable[Path] | None = None) -> Frames:
    """Gather the figures of the runs in a results folder.

    Args:
        folder: The folder.
        runs: The folders of the runs; ``None``: all. Those that are not
            finished are left out.

    Raises:
        FileNotFoundError: If there is no finished run.
    """
    rows, curves, families = [], [], []
    for path in run_folders(folder) if runs is None else runs:
        name = {"run": path.relative_to(folder).as_posix()}
        run = Run.read(path)
        val, test, cost = (_json(path / f"{f}.json") for f in _FIGURES)
        if not val and not test:
            continue
        cost.pop("hidden_channels", None)  # is among the settings
        rows.append(name | _settings(run) | _figures(run, val, test, cost))
        curves.append(read_log(path).assign(**name))
        if by_family := test.get("families", {}).items():
            names = run.task.schema.families
            families.append(name | {names[int(i)]: v for i, v in by_family})
    if not rows:
        raise FileNotFoundError(f"there is no finished run in {folder}")
    # In the order of the row that has most of them.
    table = pd.DataFrame([max(rows, key=len), *rows])[1:]
    varied = [key for key in table if table[key].nunique(dropna=False) > 1]
    fixed = set(_settings(run)) - set(_ALWAYS) - set(varied)
    log = pd.concat(curves).set_index(["run", "step"]).reset_index()
    asked = pd.DataFrame(families or {"run": []})
    frames = table.drop(columns=list(fixed)), log, asked
    # What is collected is in all as what is read.
    return Frames(*(read_csv(StringIO(f.to_csv(index=False))) for f in frames))


def read_log(folder: Path) -> pd.DataFrame:
    """Read what a run logged: a row a step, and a column a figure.

    Args:
        folder: The run's folder. Where it was resumed, later parts of its
            log replace what earlier ones say of the same steps.

    Returns:
        The frame; ``step`` counts from 1, and accuracy is ``val/…`` as in
        :class:`Frames`.
    """
    paths = sorted((folder / "logs").glob("part-*/metrics.csv"), key=_part)
    parts = [read_csv(path) for path in paths if path.stat().st_size]
    if not parts:
        return pd.DataFrame({"step": []}, dtype=int)
    log = pd.concat(parts).drop(columns="epoch")
    log.columns = log.columns.str.replace("val/accuracy/", "val/")
    # The last figure of each column, where a part has one.
    log = log.groupby("step", as_index=False).last()
    # Lightning logs the index of the step, from 0.
    return log.assign(step=log["step"] + 1)


def _part(path: Path) -> int:
    return int(path.parent.name.removeprefix("part-"))


def _is_exported(run: Path) -> bool:
    """Whether a run's folder holds its weights without the rest."""
    return (run / EXPORTED).exists() and not (run / "logs").exists()


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(path) if path.exists() else {}
    return found


def _settings(run: Run) -> dict[str, Any]:
    settings = {
        _SHORT.get(key, key): json.dumps(value)
        if isinstance(value, list)
        else value
        for key, value in run.flat().items()
    }
    if MODELS[run.model].build is None:
        settings["learning_rate"] = None
    return {key: settings[key] for key in _ALWAYS} | settings


def _figures(
    run: Run, val: dict[str, Any], test: dict[str, Any], cost: dict[str, Any]
) -> dict[str, Any]:
    about = read_json(run.folder / "run.json")
    data = flatten(run.found, "stores.").items()
    return {
        **flatten(cost, "cost/"),
        **flatten(val.get("accuracy", {}), "val/"),
        **flatten(test.get("accuracy", {}), "test/"),
        "seconds": val.get("seconds"),
        **flatten({k: about.get(k) for k in ("commit", "versions", "machine")}),
        **{k: v for k, v in data if v is not None and ".settings." not in k},
    }
