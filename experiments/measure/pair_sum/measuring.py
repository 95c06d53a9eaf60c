"""Timing, interleaved: each round runs every contender once.

So whatever slows the machine for a while slows all of them, and the floor.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from experiments.measure.pair_sum.check import deviation
from experiments.measure.pair_sum.contenders.base import Case, Contender
from experiments.measure.pair_sum.floor import Floor, floor_seconds
from experiments.measure.pair_sum.records import TimeRow
from experiments.measure.pair_sum.shapes import Shape

#: Seconds after which a first run needs no second one to be warm.
WARM = 2.0
#: Output of a timed run may deviate from RNConv's by this share.
TOLERANCE = {"fp32": 1e-2, "bf16": 1e-1}


@dataclass
class Measured:
    """What was found of a contender in a case."""

    contender: Contender
    seconds: list[float] = field(default_factory=list)
    deviation: float | None = None
    reason: str = ""


def measure(
    contenders: Sequence[Contender],
    floor: Floor,
    shape: Shape,
    case: Case,
    repeats: int,
    budget: float,
    note: Callable[[str], None] = lambda text: None,
) -> tuple[list[Measured], list[dict[str, float]]]:
    """Time contenders that are prepared.

    Args:
        contenders: All of the same shape.
        floor: Of the case's precision.
        shape: The shape.
        case: What to run.
        repeats: Rounds at most, at least 1.
        budget: Seconds after which no new round begins; everyone is timed
            once whatever it takes.
        note: Told what runs.

    Returns:
        Times of each contender, and of the floor's parts.
    """
    where = f"{shape.name} {case.mode} {case.precision}"
    all_measured = [Measured(c) for c in contenders]
    floors: list[dict[str, float]] = []
    last_floor = time.perf_counter()

    def time_floor() -> None:
        nonlocal last_floor
        floors.append(floor.seconds(shape.pairs))
        last_floor = time.perf_counter()

    began = time.perf_counter()
    reference: Tensor | None = None
    for measured in all_measured:
        note(f"{where} {measured.contender.name}, first run")
        took = _run(measured, case)
        if measured.reason:
            continue
        if took > WARM and not measured.contender.compiles:
            measured.seconds.append(took)
        if not case.training:
            reference = _compare(measured, reference, case)
        if time.perf_counter() - last_floor > WARM:
            time_floor()
    for number in range(repeats):
        late = time.perf_counter() - began > budget
        time_floor()
        for measured in _rotated(all_measured, number):
            if measured.reason or (late and measured.seconds):
                continue
            note(f"{where} {measured.contender.name}, round {number + 1}")
            took = _run(measured, case)
            if not measured.reason:
                measured.seconds.append(took)
            if time.perf_counter() - last_floor > WARM:
                time_floor()
    return all_measured, floors


def _run(measured: Measured, case: Case) -> float:
    try:
        return measured.contender.run(case)
    except Exception as error:  # a peer's failure is a result, too
        measured.reason = describe(error)
        return 0.0


def describe(error: Exception) -> str:
    """An error in one line."""
    text = str(error).strip().splitlines() or [""]
    return f"failed: {type(error).__name__}: {text[0][:160]}"


def _compare(
    measured: Measured, reference: Tensor | None, case: Case
) -> Tensor | None:
    contender = measured.contender
    if contender.kind == "ours" and reference is None:
        return contender.output()
    if contender.kind not in ("ours", "peer") or reference is None:
        return reference
    measured.deviation = deviation(contender.output(), reference)
    if measured.deviation > TOLERANCE[case.precision]:
        measured.reason = (
            f"wrong: deviates from RNConv by {measured.deviation:.1e}"
        )
    return reference


def _rotated(items: list[Measured], by: int) -> list[Measured]:
    by %= max(len(items), 1)
    return items[by:] + items[:by]


def time_rows(
    all_measured: list[Measured],
    floors: list[dict[str, float]],
    shape: Shape,
    case: Case,
    run: int,
) -> list[TimeRow]:
    """Rows of a case: the floor's, then each contender's."""
    where = (run, shape.name, case.mode, case.precision)
    plain = [floor_seconds(parts, case.training) for parts in floors]
    rows = [_row((*where, "floor"), plain, None, None)]
    for measured in all_measured:
        contender = measured.contender
        name = (*where, contender.name)
        if measured.reason:
            rows.append(TimeRow(*name, reason=measured.reason))
            continue
        own: float | None = None
        if contender.kind in ("ours", "peer"):
            twice = contender.recomputed_share(shape, case)
            own = statistics.median(
                floor_seconds(parts, case.training, twice) for parts in floors
            )
        rows.append(_row(name, measured.seconds, own, measured.deviation))
    return rows


def _row(
    name: tuple[int, str, str, str, str],
    seconds: list[float],
    floor: float | None,
    deviation: float | None,
) -> TimeRow:
    return TimeRow(
        *name,
        rounds=len(seconds),
        seconds=statistics.median(seconds),
        fastest=min(seconds),
        slowest=max(seconds),
        floor=floor,
        deviation=deviation,
    )
