"""Who is left out of a case before it is tried, and why."""

from dataclasses import dataclass

from experiments.measure.pair_sum.contenders.base import GIB, Case, Contender
from experiments.measure.pair_sum.floor import Floor
from experiments.measure.pair_sum.shapes import Shape


@dataclass(frozen=True)
class Limits:
    """What a step may need.

    Attributes:
        memory_gib: Estimated memory, GiB.
        step_seconds: Estimated time of one step.
    """

    memory_gib: float = 12.0
    step_seconds: float = 300.0


def why_not(
    kind: type[Contender],
    shape: Shape,
    case: Case,
    limits: Limits,
    floor: Floor,
) -> str | None:
    """Say in a sentence why a contender does not run, or ``None``."""
    reason = kind.fits(shape)
    if reason is not None:
        return reason
    needed = kind.estimate_bytes(shape, case) / GIB
    if needed > limits.memory_gib:
        return (
            f"needs about {needed:,.1f} GiB, over the limit of "
            f"{limits.memory_gib:g} (--memory_gib)"
        )
    flops = shape.hidden_flops * (3 if case.training else 1)
    seconds = kind.expected * flops / floor.rate()
    if seconds > limits.step_seconds:
        return (
            f"needs about {seconds:,.0f} s a step, over the limit of "
            f"{limits.step_seconds:g} (--step_seconds)"
        )
    return None
