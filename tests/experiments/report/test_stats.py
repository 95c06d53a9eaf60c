import math

import pytest

from experiments.report.stats import interval


def test_interval_is_students():
    # By hand: s = 1, t(0.975, 2) = 4.30265, n = 3.
    assert interval([1.0, 2.0, 3.0]) == pytest.approx(4.302653 / math.sqrt(3))
    # s = √2 / 2, t(0.95, 1) = 6.31375, n = 2.
    assert interval([0.0, 1.0], level=0.9) == pytest.approx(6.313752 / 2)


def test_one_seed_has_no_interval():
    assert math.isnan(interval([0.7]))
    assert interval([0.7, 0.7]) == 0
