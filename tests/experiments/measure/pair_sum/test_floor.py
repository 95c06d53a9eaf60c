import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from experiments.measure.pair_sum.floor import (
    MAX_ROWS,
    PARTS,
    Floor,
    floor_seconds,
)
from experiments.measure.pair_sum.shapes import SHAPES


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def floor(request):
    return Floor(16, 3, request.param, blocks=(32, 64))


def count(floor, part, rows):
    """FLOPs that torch counts in a part."""
    with FlopCounterMode(display=False) as counter:
        floor._time(part, "mm", 32, rows)
    return counter.get_total_flops()


@pytest.mark.parametrize("part", PARTS)
def test_computes_exactly_the_products_of_the_rows(floor, part):
    rows = 3 * 32 + 5  # full blocks and a rest
    assert count(floor, part, rows) == floor.flops(rows)


def test_flops_are_those_of_the_hidden_layers():
    shape = SHAPES["grid25"]
    floor = Floor(256, shape.hidden_products, "fp32", blocks=(64,))
    assert floor.flops(shape.pairs) == shape.hidden_flops
    assert shape.hidden_flops == 2 * 10_000 * 3 * 256 * 256


def test_products_are_right():
    torch.manual_seed(0)
    floor = Floor(16, 1, "fp32", blocks=(32,))
    a, b = torch.randn(32, 16), torch.randn(16, 16)
    for name, kernel in floor.kernels.items():
        found = kernel(a, b, torch.empty(32, 16))
        torch.testing.assert_close(found, a @ b.T, msg=name)


def test_seconds(floor):
    found = floor.seconds(100)
    assert set(found) == set(PARTS)
    assert all(value > 0 for value in found.values())
    assert floor.rate() > 0
    for choice in floor.choices.values():
        assert choice.block in (32, 64)
        assert choice.kernel in floor.kernels


def test_many_rows_are_scaled(floor, monkeypatch):
    monkeypatch.setattr(floor, "_time", lambda *args: 1.0)
    assert floor.seconds(3 * MAX_ROWS)["forward"] == 3.0
    assert floor.seconds(MAX_ROWS // 2)["forward"] == 1.0


def test_floor_seconds():
    parts = {"forward": 1.0, "input": 2.0, "weight": 4.0}
    assert floor_seconds(parts, False) == 1.0
    assert floor_seconds(parts, True) == 7.0
    assert floor_seconds(parts, True, recomputed=0.5) == 7.5
