"""The project's targets, beside what was measured."""

from collections.abc import Iterable
from typing import NamedTuple

from experiments.measure.pair_sum.contenders import PEERS
from experiments.measure.pair_sum.contenders.base import MODES, PRECISIONS
from experiments.measure.pair_sum.records import MemoryRow, TimeRow
from experiments.measure.pair_sum.shapes import PLAIN, SHAPES

FOUR = ("scenes", "grid25", "grid64", "n1024")
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
        """Time over the floor: the products needed, each computed once."""
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
        *_small_targets(results),
        *_plain_targets(results),
        _symmetric_target(results),
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
    count: bool = False,
) -> Target:
    known = {k: v for k, v in figures.items() if v is not None}
    if not known:
        return Target(text, "", None)
    # Worst first.
    order = sorted(known, key=lambda k: known[k], reverse=at_most)
    kept = [v <= bound if at_most else v >= bound for v in known.values()]
    found = ", ".join(f"{k} {known[k]:.2f} {unit}" for k in order[:_SHOWN])
    if len(known) > _SHOWN:
        found += ", …"
    if count or len(known) > _SHOWN:
        found += f"; {sum(kept)} of {len(kept)} reach it"
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


def _cases(shapes: Iterable[str]) -> list[tuple[str, str, str]]:
    return [(s, m, p) for s in shapes for m in MODES for p in PRECISIONS]


def _speedups(
    results: Results, shapes: Iterable[str]
) -> dict[str, float | None]:
    return {" ".join(c): results.speedup(*c) for c in _cases(shapes)}


def _ratio(
    results: Results,
    first: tuple[str, str, str, str],
    second: tuple[str, str, str, str],
) -> float | None:
    """Time over time."""
    above, below = results.seconds(*first), results.seconds(*second)
    return above / below if above and below else None


def _peer_target(
    results: Results, text: str, shapes: Iterable[str], bound: float
) -> Target:
    figures = _speedups(results, shapes)
    return _target(text, figures, bound, at_most=False, count=True)


def _peer_targets(results: Results) -> list[Target]:
    plain = [s for s in PLAIN if SHAPES[s].plain_last]
    large = [s for s in plain if max(SHAPES[s].sizes) >= 64]
    return [
        _peer_target(
            results,
            "at least 0.97 × as fast as the best peer, at every shape",
            results.shapes,
            0.97,
        ),
        _peer_target(
            results,
            "last layer plain: never slower than the best peer",
            plain,
            1.0,
        ),
        _peer_target(
            results,
            "last layer plain: ≥ 1.3 × as fast as the best peer at N ≥ 64",
            large,
            1.3,
        ),
    ]


def _small_targets(results: Results) -> list[Target]:
    """What a step costs besides its products shows at few pairs."""
    found = []
    for size, bound in ((8, 1.2), (16, 1.1), (32, 1.0), (64, 1.0)):
        figures = {
            f"{mode} {precision}": _ratio(
                results,
                (shape, mode, precision, "rnconv"),
                (shape, mode, precision, "dense_split"),
            )
            for shape, mode, precision in _cases([f"n{size}"])
        }
        text = (
            f"one graph of {size} objects: ≤ {bound} × the time of plain "
            f"PyTorch, dense, first layer split"
        )
        found.append(_target(text, figures, bound, True))
    return found


def _plain_targets(results: Results) -> list[Target]:
    found = []
    for plain, other, bound in (
        ("n256_plain", "n256", 0.72),
        ("n256_plain3", "n256_3", 0.62),
    ):
        figures = {
            precision: _ratio(
                results,
                (plain, "training", precision, "rnconv"),
                (other, "training", precision, "rnconv"),
            )
            for precision in PRECISIONS
        }
        layers = SHAPES[plain].num_layers
        text = (
            f"last layer plain, training at 256 objects, {layers} layers: "
            f"≤ {bound} × the time with a ReLU"
        )
        found.append(_target(text, figures, bound, True))
    return found


def _symmetric_target(results: Results) -> Target:
    figures = {
        f"{shape} {precision}": _ratio(
            results,
            (shape, "training", precision, "rnconv_symmetric"),
            (shape, "training", precision, "rnconv"),
        )
        for shape in ("n64", "n256", "n1024")
        for precision in PRECISIONS
    }
    text = (
        "symmetric g, training at 64, 256 and 1,024 objects: ≤ 0.6 × the time "
        "of a g of ordered pairs"
    )
    return _target(text, figures, 0.6, True)


def _late_target(results: Results) -> Target:
    figures = {
        f"{mode} {precision}": _ratio(
            results,
            (shape, mode, precision, "rnconv_late"),
            (shape, mode, precision, "rnconv"),
        )
        for shape, mode, precision in _cases(["questions"])
    }
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
    figures = {
        " ".join(case): _ratio(results, (*case, name), (*case, "rnconv"))
        for case in _cases(results.shapes)
    }
    text = f"{name}, 10 % of the pairs, N ≥ 64: ≤ 0.2 × the dense time"
    return _target(text, figures, 0.2, True)
