"""Mean and interval over seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats


def interval(values: Sequence[float], level: float = 0.95) -> float:
    r"""Half width of the confidence interval of a mean.

    .. math::
        t_{(1 + \text{level}) / 2,\, n - 1} \cdot s / \sqrt{n}

    with Student's t and the sample's standard deviation s.

    Args:
        values: One value a seed.
        level: Confidence level.

    Returns:
        The half width; NaN where a single value leaves it unknown.
    """
    n = len(values)
    if n < 2:
        return float("nan")
    t = stats.t.ppf((1 + level) / 2, n - 1)
    return float(t * np.std(values, ddof=1) / np.sqrt(n))


def most_and_fewest(right: Mapping[str, float], asked: str = "") -> str:
    """Say who answered most right, and who fewest, if it is another.

    Args:
        right: Name → share of the right answers, from 0 to 1.
        asked: What was asked, as in ``"of the test questions "``.
    """
    worst, *_, best = sorted([*right, *right], key=right.__getitem__)
    said = f"{best} answered most {asked}right ({100 * right[best]:.1f} %)"
    if best == worst:
        return said
    return f"{said}, {worst} fewest ({100 * right[worst]:.1f} %)"
