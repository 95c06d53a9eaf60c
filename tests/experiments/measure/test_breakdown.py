"""The parts of a step's time are its operators' own, and add up."""

import pytest
import torch

from experiments.measure.breakdown import (
    KINDS,
    REST,
    breakdown,
    kind_of,
    measure,
)
from experiments.measure.pair_sum.contenders.base import Case, Settings
from experiments.measure.pair_sum.contenders.ours import RNConvAll
from experiments.measure.pair_sum.shapes import find_shapes, make_inputs


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        ("aten::addmm", "matrix products"),
        ("aten::_addmm_activation", "matrix products"),
        ("aten::add_", "sums and additions"),
        ("aten::index_add_", "sums and additions"),
        ("aten::index", "copies and fills"),
        ("aten::threshold_backward", "ReLUs and their masks"),
        ("aten::masked_fill_", "products and choices by element"),
        ("aten::view", REST),
    ],
)
def test_kinds(operator, kind):
    assert kind_of(operator) == kind


def test_the_parts_of_a_step(monkeypatch):
    (shape,) = find_shapes(["n32"])
    threads = torch.get_num_threads()
    contender = RNConvAll(shape, Settings(0, "cpu", threads, "", ""))
    contender.prepare(make_inputs(shape, 0, "cpu"))
    run = contender.run
    monkeypatch.setattr(contender, "run", lambda case: run(case) * 0 + 5.0)
    found = breakdown(contender, Case("training", "fp32"), 3)
    assert list(found) == [*KINDS, REST]
    assert found["matrix products"] > 0
    assert all(found[kind] >= 0 for kind in KINDS)
    assert sum(found.values()) == pytest.approx(5.0)


def test_the_table_goes_into_a_file(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- results:breakdown-bf16 -->\n<!-- /results:breakdown-bf16 -->\n"
    )
    measure("n8", "bf16", repeats=1, readme=str(page))
    assert "| matrix products" in page.read_text()
    assert "n8, RNConv" in capsys.readouterr().out
