"""The project's targets, beside what was measured."""

from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.pair_sum.contenders import PEERS
from benchmarks.pair_sum.contenders.base import MODES, PRECISIONS
from benchmarks.pair_sum.records import MemoryRow, TimeRow
from benchmarks.pair_sum.shapes import SHAPES

FOUR = ("clevr", "grid25", "grid64", "n1024")
_MB = 1e6
#: Figures that are named for a target, the worst ones first.
_SHOWN = 4


class Target(NamedTuple):
    """A target and what was found.

    Attributes:
        text: What is to be reached.
        found: The figures, the worst ones first, as text.
        reached: ``None`` where nothing was measured.
    """

    text: str
    found: str
    reached: bool | None


class Results:
    """Rows by what they measure.

    Args:
        times: Rows of times.
        memory: Rows of memory.
    """

    def __init__(
        self, times: Iterable[TimeRow], memory: Iterable[MemoryRow]
    ) -> None:
        self.times = {row.key: row for row in times}
        self.memory = {row.key: row for row in memory}

    @property
    def shapes(self) -> list[str]:
        """Names of the shapes that were measured, in order."""
        keys = [*self.times, *self.memory]
        return [s for s in SHAPES if any(key[0] == s for key in keys)]

    def seconds(self, *key: str) -> float | None:
        """Median time of (shape, mode, precision, contender)."""
        row = self.times.get(key)
        return None if row is None else row.seconds

    def over_floor(self, *key: str) -> float | None:
        """Time over the floor of all pairs, each product computed once."""
        seconds = self.seconds(*key)
        floor = self.seconds(*key[:-1], "floor")
        return None if seconds is None or not floor else seconds / floor

    def floor_ratio(self, *key: str) -> float | None:
        """The same; ``None`` for what computes another function."""
        return None if self.work_ratio(*key) is None else self.over_floor(*key)

    def work_ratio(self, *key: str) -> float | None:
        """Time over the products that it computes, some of them twice."""
        row = self.times.get(key)
        if row is None or row.seconds is None or not row.floor:
            return None
        return row.seconds / row.floor

    def peak(self, *key: str) -> int | None:
        """Peak memory in bytes."""
        row = self.memory.get(key)
        return None if row is None else row.peak_bytes

    def best_peer(self, shape: str, mode: str, precision: str) -> str | None:
        """Name of the fastest peer of a case."""
        found = {
            name: seconds
            for name in PEERS
            if (seconds := self.seconds(shape, mode, precision, name))
            is not None
        }
        return min(found, key=lambda name: found[name]) if found else None

    def speedup(
        self, shape: str, mode: str, precision: str, other: str | None = None
    ) -> float | None:
        """How many times faster RNConv is than a peer; the best if no name.

        Peers keep all activations. Where RNConv was timed with all of them
        kept too, the faster of its two settings counts.
        """
        other = other or self.best_peer(shape, mode, precision)
        if other is None:
            return None
        settings = (
            self.seconds(shape, mode, precision, name)
            for name in ("rnconv", "rnconv_keep")
        )
        ours = min((s for s in settings if s is not None), default=None)
        theirs = self.seconds(shape, mode, precision, other)
        return theirs / ours if ours and theirs else None


def find_targets(results: Results) -> list[Target]:
    """Compare the results with every target for a CPU."""
    return [
        *_floor_targets(results),
        *_peer_targets(results),
        _late_target(results),
        _memory_target(results, "n1024", 128),
        _memory_target(results, "n4096", 1000),
        *(
            _sparse_target(results, name)
            for name in ("rnconv_knn", "rnconv_attention")
        ),
    ]


def _target(
    text: str,
    figures: dict[str, float | None],
    bound: float,
    at_most: bool,
    unit: str = "×",
) -> Target:
    known = {k: v for k, v in figures.items() if v is not None}
    if not known:
        return Target(text, "", None)
    # Worst first.
    order = sorted(known, key=lambda k: known[k], reverse=at_most)
    kept = [v <= bound if at_most else v >= bound for v in known.values()]
    found = ", ".join(f"{k} {known[k]:.2f} {unit}" for k in order[:_SHOWN])
    if len(known) > _SHOWN:
        found += f", …; {sum(kept)} of {len(kept)} reach it"
    return Target(text, found, all(kept))


def _floor_targets(results: Results) -> list[Target]:
    found = []
    for precision, bound, aim in (("fp32", 1.3, 1.2), ("bf16", 1.8, 1.4)):
        ratios = {
            shape: results.work_ratio(shape, "training", precision, "rnconv")
            for shape in FOUR
        }
        text = (
            f"training, {precision}: ≤ {bound} × the floor of what is computed "
            f"(aim {aim})"
        )
        found.append(_target(text, ratios, bound, True))
    return found


def _peer_targets(results: Results) -> list[Target]:
    def ratios(
        shapes: Iterable[str], other: str | None = None
    ) -> dict[str, float | None]:
        return {
            f"{shape} {mode} {precision}": results.speedup(
                shape, mode, precision, other
            )
            for shape in shapes
            for mode in MODES
            for precision in PRECISIONS
        }

    large = [s for s in results.shapes if max(SHAPES[s].sizes) >= 256]
    return [
        _target(
            "never slower than the best peer",
            ratios(results.shapes),
            1.0,
            False,
        ),
        _target(
            "≥ 1.3 × as fast as the best peer at 16 × 25 and 8 × 64 objects",
            ratios(("grid25", "grid64")),
            1.3,
            False,
        ),
        _target(
            "≥ 2 × as fast as the best peer at N ≥ 256",
            ratios(large),
            2.0,
            False,
        ),
        _target(
            "≥ 3 × as fast as the padded peer on CLEVR scenes",
            ratios(("clevr",), "padded"),
            3.0,
            False,
        ),
    ]


def _late_target(results: Results) -> Target:
    def ratio(mode: str, precision: str) -> float | None:
        where = ("questions", mode, precision)
        late = results.seconds(*where, "rnconv_late")
        first = results.seconds(*where, "rnconv")
        return late / first if late and first else None

    figures = {f"{m} {p}": ratio(m, p) for m in MODES for p in PRECISIONS}
    text = (
        "10 questions a scene, the question at the third layer: ≤ 0.6 × the "
        "time of the first-layer form"
    )
    return _target(text, figures, 0.6, True)


def _memory_target(results: Results, shape: str, megabytes: int) -> Target:
    figures: dict[str, float | None] = {}
    for precision in PRECISIONS:
        peak = results.peak(shape, "training", precision, "rnconv")
        figures[precision] = None if peak is None else peak / _MB
    objects = max(SHAPES[shape].sizes)
    text = f"training at {objects:,} objects: ≤ {megabytes:,} MB"
    return _target(text, figures, megabytes, True, "MB")


def _sparse_target(results: Results, name: str) -> Target:
    def ratio(shape: str, mode: str, precision: str) -> float | None:
        some = results.seconds(shape, mode, precision, name)
        dense = results.seconds(shape, mode, precision, "rnconv")
        return some / dense if some and dense else None

    figures = {
        f"{s} {m} {p}": ratio(s, m, p)
        for s in results.shapes
        for m in MODES
        for p in PRECISIONS
    }
    text = f"{name}, 10 % of the pairs, N ≥ 64: ≤ 0.2 × the dense time"
    return _target(text, figures, 0.2, True)
