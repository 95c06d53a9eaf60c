import pytest
import torch

from datasets.clevr.features import (
    COLOR_RGB,
    SCHEMA,
    attribute_tables,
    node_features,
    num_features,
)
from datasets.clevr.vocabulary import ATTRIBUTES

CODES = torch.cartesian_prod(
    *[torch.arange(len(v)) for v in ATTRIBUTES.values()]
)
POS = torch.arange(3.0 * len(CODES)).view(-1, 3)


def test_onehot() -> None:
    x = node_features(CODES, POS, attribute_tables("onehot"))
    assert x.shape == (96, 18)
    for row, codes, pos in zip(x, CODES, POS, strict=True):
        expected = []
        for code, values in zip(codes, ATTRIBUTES.values(), strict=True):
            expected += [float(code == i) for i in range(len(values))]
        assert row.tolist() == expected + pos.tolist()


def test_rgb() -> None:
    x = node_features(CODES, POS, attribute_tables("rgb"))
    for row, codes, pos in zip(x, CODES, POS, strict=True):
        size, color, material, shape = codes.tolist()
        rgb = COLOR_RGB[ATTRIBUTES["color"][color]]
        expected = [size, *(c / 255 for c in rgb), material, shape, *pos]
        torch.testing.assert_close(row, torch.tensor(expected))


def test_ordinal() -> None:
    x = node_features(CODES, POS, attribute_tables("ordinal"))
    torch.testing.assert_close(x, torch.cat([CODES.float(), POS], 1))


@pytest.mark.parametrize(
    ("form", "width"), [("onehot", 18), ("rgb", 9), ("ordinal", 7)]
)
def test_every_object_differs(form: str, width: int) -> None:
    tables = attribute_tables(form)  # type: ignore[arg-type]
    x = node_features(CODES, torch.zeros_like(POS), tables)
    assert len(x.unique(dim=0)) == 96
    assert x.shape[1] == num_features(form) == width  # type: ignore[arg-type]
    assert x.dtype == torch.float32


def test_no_object() -> None:
    empty = node_features(CODES[:0], POS[:0], attribute_tables("onehot"))
    assert empty.shape == (0, 18)


def test_an_unknown_form() -> None:
    with pytest.raises(ValueError, match="`features` is 'words', expected one"):
        attribute_tables("words")  # type: ignore[arg-type]


def test_every_colour_has_an_rgb() -> None:
    assert tuple(COLOR_RGB) == ATTRIBUTES["color"]
    assert dict(SCHEMA.attributes) == ATTRIBUTES
