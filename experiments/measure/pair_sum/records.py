"""Results as CSV files that runs append to."""

import csv
import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from datasets.files import whole, write_json


@dataclasses.dataclass(frozen=True)
class TimeRow:
    """A contender's times in a case, or why it has none.

    Attributes:
        run: Number of the run in ``config.json``.
        shape: Name of the shape.
        mode: ``"forward"`` or ``"training"``.
        precision: ``"fp32"`` or ``"bf16"``.
        contender: Its name; ``"floor"`` for the floor, the products that the
            function needs at least, see
            :mod:`experiments.measure.pair_sum.floor`.
        rounds: How often it was timed.
        seconds: Median.
        fastest: Smallest.
        slowest: Largest.
        floor: The floor in the same rounds, the forward product counted as
            often as the contender computes it, median seconds.
        deviation: Largest difference of its output from RNConv's, as a share
            of the largest number (forward only).
        reason: Why it was left out; ``""``: it was not.
    """

    run: int
    shape: str
    mode: str
    precision: str
    contender: str
    rounds: int = 0
    seconds: float | None = None
    fastest: float | None = None
    slowest: float | None = None
    floor: float | None = None
    deviation: float | None = None
    reason: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What it is a measurement of."""
        return self.shape, self.mode, self.precision, self.contender


@dataclasses.dataclass(frozen=True)
class MemoryRow:
    """A contender's peak memory beyond parameters and inputs, in bytes."""

    run: int
    shape: str
    mode: str
    precision: str
    contender: str
    peak_bytes: int | None = None
    reason: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What it is a measurement of."""
        return self.shape, self.mode, self.precision, self.contender


R = TypeVar("R", TimeRow, MemoryRow)
_READ = {"int": int, "float": float, "str": str}


def read_rows(path: Path, kind: type[R]) -> list[R]:
    """Read a CSV file of rows; none if there is no file.

    Raises:
        ValueError: If its columns are not those of the rows.
    """
    if not path.exists():
        return []
    fields = dataclasses.fields(kind)
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        names = [field.name for field in fields]
        if reader.fieldnames != names:
            raise ValueError(
                f"`{path.name}` has the columns {reader.fieldnames}, expected "
                f"{names}: it is of another version or no result"
            )
        return [
            kind(**{f.name: _read(f, line[f.name]) for f in fields})
            for line in reader
        ]


def _read(field: dataclasses.Field, text: str) -> Any:
    kind = getattr(field.type, "__name__", str(field.type))
    if "None" in str(field.type):
        if text == "":
            return None
        kind = str(field.type).split(" ")[0]
    return _READ[kind](text)


def add_rows(path: Path, rows: Iterable[R], kind: type[R]) -> None:
    """Add rows to a CSV file; those of the same key are replaced."""
    merged = {row.key: row for row in read_rows(path, kind)}
    for row in rows:
        merged.pop(row.key, None)
        merged[row.key] = row
    names = [field.name for field in dataclasses.fields(kind)]
    with whole(path) as partial, partial.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for row in merged.values():
            values = [getattr(row, name) for name in names]
            writer.writerow(
                f"{v:.6g}" if isinstance(v, float) else v for v in values
            )


def read_config(folder: Path) -> dict[str, Any]:
    """The runs so far, as ``{"runs": [...]}``."""
    path = folder / "config.json"
    if not path.exists():
        return {"runs": []}
    config: dict[str, Any] = json.loads(path.read_text())
    return config


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Write ``config.json``, whole or not at all."""
    write_json(folder / "config.json", config)
