"""A results folder as tidy frames: a row a run, and a row a run and step."""

import json
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import IO, Any, NamedTuple

import pandas as pd

from datasets.files import read_json, write
from experiments.run.models import MODELS
from experiments.run.runs import EXPORTED, Run, flatten

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
    published = (folder / "runs.csv").exists()
    if not published or not all(map(_is_exported, _run_folders(folder))):
        return collect(folder)
    return Frames(
        *(
            read_csv(path) if path.exists() else pd.DataFrame({"run": []})
            for path in (folder / f"{name}.csv" for name in Frames._fields)
        )
    )


def collect(folder: Path, runs: Iterable[Path] | None = None) -> Frames:
    """Gather the figures of the runs in a results folder.

    Args:
        folder: The folder.
        runs: The folders of the runs; ``None``: all. Those that are not
            finished are left out.

    Raises:
        FileNotFoundError: If there is no finished run.
    """
    parts: list[list[dict[str, Any]]] = []
    families, curves = [], []
    for path in _run_folders(folder) if runs is None else runs:
        if not any((path / f"{f}.json").exists() for f in ("val", "test")):
            continue
        run, test = Run.read(path), _json(path / "test.json")
        name = {"run": path.relative_to(folder).as_posix()}
        parts.append([name, *_parts(run, test)])
        names = run.task.schema.families
        asked = test.get("families", {}).items()
        families.append(name | {names[int(i)]: value for i, value in asked})
        curves.append(read_log(path).assign(**name))
    if not parts:
        raise FileNotFoundError(f"there is no finished run in {folder}")
    name, settings, *figures = map(pd.DataFrame, zip(*parts, strict=True))
    figures = [part.dropna(axis=1, how="all") for part in figures]
    kept = [
        key
        for key, values in settings.items()
        if key in _ALWAYS or values.nunique(dropna=False) > 1
    ]
    kept.sort(key=lambda k: _ALWAYS.index(k) if k in _ALWAYS else len(_ALWAYS))
    asked = pd.DataFrame(families)
    return Frames(
        _as_read(pd.concat([name, settings[kept], *figures], axis=1)),
        _as_read(pd.concat(curves).set_index(["run", "step"]).reset_index()),
        _as_read(asked.dropna(how="all", subset=list(asked.columns[1:]))),
    )


def _as_read(frame: pd.DataFrame) -> pd.DataFrame:
    """What is collected is in all as what is read from a file."""
    return read_csv(StringIO(frame.to_csv(index=False)))


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


def _run_folders(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/seed-*/run.json"))


def _is_exported(run: Path) -> bool:
    """Whether a run's folder holds its weights without the rest."""
    return (run / EXPORTED).exists() and not (run / "logs").exists()


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(path) if path.exists() else {}
    return found


def _parts(run: Run, test: dict[str, Any]) -> list[dict[str, Any]]:
    """Parts of a run's row: settings, then the figures."""
    settings = {
        _SHORT.get(key, key): json.dumps(value)
        if isinstance(value, list)
        else value
        for key, value in run.flat().items()
    }
    if MODELS[run.model].build is None:
        del settings["learning_rate"]
    val = _json(run.folder / "val.json")
    about = read_json(run.folder / "run.json")
    where = {k: about.get(k) for k in ("commit", "versions", "machine")}
    data = {
        f"stores.{split}.{key}": found.get(key)
        for split, found in run.found.items()
        for key in ("content", "scenes", "questions", "source")
    }
    cost = _json(run.folder / "cost.json")
    cost.pop("hidden_channels", None)
    return [
        settings,
        {f"cost/{key}": value for key, value in cost.items()},
        {f"val/{key}": v for key, v in val.get("accuracy", {}).items()},
        {f"test/{key}": v for key, v in test.get("accuracy", {}).items()},
        {"seconds": val.get("seconds")},
        flatten(where),
        data,
    ]
