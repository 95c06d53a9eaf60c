import json
from pathlib import Path

import pytest
import torch

from experiments.measure.pair_sum.shapes import (
    GROWTH,
    PLAIN,
    SCENES,
    SHAPES,
    SWEEP,
    find_shapes,
    make_inputs,
)

CLEVR = Path(__file__).parents[4] / "shared/data/clevr_v1.0_sample"


def test_clevr_objects_are_those_of_the_release():
    path = CLEVR / "scenes/CLEVR_train_scenes.json"
    if not path.exists():
        pytest.skip(f"no {path.name} of CLEVR's sample at hand")
    scenes = json.loads(path.read_text())["scenes"][:64]
    assert [s["image_index"] for s in scenes] == list(range(64))
    assert tuple(len(s["objects"]) for s in scenes) == SCENES


def test_shapes():
    assert SHAPES["scenes"].pairs == 2758
    assert SHAPES["scenes"].padded_pairs == 6400
    assert SHAPES["grid25"].pairs == 10_000
    assert SHAPES["n4096"].pairs == 4096**2
    one = SHAPES["questions"].like(3, 2)
    assert one.pairs == 10 * (9 + 4)


@pytest.mark.parametrize(
    ("name", "layers", "plain", "products"),
    [
        ("n256", 4, False, 3),
        ("n256_plain", 4, True, 2),
        ("n256_3", 3, False, 2),
        ("n256_plain3", 3, True, 1),
        ("grid25_plain", 4, True, 2),
    ],
)
def test_other_forms_of_g(name, layers, plain, products):
    shape = SHAPES[name]
    assert (shape.num_layers, shape.plain_last) == (layers, plain)
    assert shape.hidden_products == products
    assert shape.hidden_flops == 2 * shape.pairs * products * 256**2
    assert shape.title.endswith("last layer plain") == plain
    assert (name in PLAIN) == (name != "n256")
    assert (name in GROWTH) == (name == "n256")


def test_groups():
    assert list(SWEEP) == [f"n{2**k}" for k in range(3, 13)]
    assert set(GROWTH) - set(SWEEP) == {"n8192", "n16384"}
    everything = [s.name for s in find_shapes(["all"])]
    assert set(everything) == set(SHAPES) - {"n8192", "n16384"}
    assert [s.name for s in find_shapes(["plain"])] == list(PLAIN)
    titles = {shape.title for shape in SHAPES.values()}
    assert len(titles) == len(SHAPES)


def test_find_shapes():
    names = [s.name for s in find_shapes(["main", "n8", "scenes"])]
    assert names == ["scenes", "grid25", "grid64", "questions", "n1024", "n8"]
    with pytest.raises(ValueError, match="'n9'"):
        find_shapes(["n9"])


def test_inputs():
    inputs = make_inputs(SHAPES["questions"].like(3, 5), 0)
    assert inputs.x.shape == (8, 18)
    assert inputs.num_sums == 20
    flat = inputs.one_graph_a_question()
    assert flat.x.shape == (80, 18)
    assert torch.equal(flat.x[:3], inputs.x[:3])
    assert torch.equal(flat.x[30:35], inputs.x[3:])
    assert flat.batch.bincount().tolist() == [3] * 10 + [5] * 10
    again = make_inputs(SHAPES["questions"].like(3, 5), 0)
    assert torch.equal(again.x, inputs.x)
