import re
from collections import Counter

import pytest

from datasets.clevr.families import (
    build_program,
    load_families,
    select_families,
)
from datasets.clevr.programs import check_program
from datasets.clevr.templates import parse_phrase
from datasets.clevr.vocabulary import QUESTION_TYPES, TOKENS, tokenize

FULL = ("large", "red", "metal", "cube")


def full_program(family):
    """A family's program with every slot filled that may be."""
    filters, directions = {}, {}
    for node in family.nodes:
        directions[node.step] = "left"
        if "filter" in node.function:
            only = node.function.partition("filter_")[2]
            filters[node.step] = tuple(
                None
                if k in node.unnamed
                or (only and only != ("size", "color", "material", "shape")[k])
                else value
                for k, value in enumerate(FULL)
            )
    return build_program(family, filters, directions)


def test_there_are_ninety_in_nine_groups():
    families = load_families()
    assert [f.index for f in families] == list(range(90))
    assert Counter(f.group for f in families) == {
        "compare_integer": 9,
        "comparison": 16,
        "three_hop": 6,
        "single_and": 5,
        "same_relate": 28,
        "single_or": 8,
        "one_hop": 6,
        "two_hop": 6,
        "zero_hop": 6,
    }


@pytest.mark.parametrize("family", load_families(), ids=lambda f: str(f.index))
def test_family(family):
    program = full_program(family)
    check_program(program)
    assert program[-1]["function"] in QUESTION_TYPES
    assert len(family.phrasings) >= 2
    assert len(set(family.phrasings)) == len(family.phrasings)
    steps = {n.step for n in family.nodes if "filter" in n.function}
    relations = {n.step for n in family.nodes if "relate" in n.function}
    for text in family.phrasings:
        parse_phrase(text)
        # Every choice is told, once.
        assert steps <= set(re.findall(r"\{(\w)s?\}", text))
        assert sorted(re.findall(r"\{(\w)\.relation\}", text)) == sorted(
            relations
        )
        words = tokenize(re.sub(r"\{.*?\}|[\[\]]", " ", text))
        assert set(words) <= set(TOKENS)


# The table of CLEVR.md in short: the functions that a family's program has
# besides filters, for a few families of each group.
@pytest.mark.parametrize(
    ("index", "functions"),
    [
        (0, "scene count scene count equal_integer"),
        (5, "scene unique relate count scene count greater_than"),
        (
            7,
            "scene unique relate count scene unique relate count less_than",
        ),
        (
            11,
            "scene unique scene unique query_material query_material "
            "equal_material",
        ),
        (
            14,
            "scene unique scene unique relate unique query_size query_size "
            "equal_size",
        ),
        (
            16,
            "scene unique relate unique scene unique query_color query_color "
            "equal_color",
        ),
        (
            24,
            "scene unique relate unique scene unique relate unique "
            "query_shape query_shape equal_shape",
        ),
        (26, "scene unique relate unique relate unique relate exist"),
        (
            28,
            "scene unique relate unique relate unique relate unique "
            "query_shape",
        ),
        (31, "scene unique relate scene unique relate intersect count"),
        (
            33,
            "scene unique relate scene unique relate intersect unique "
            "query_color",
        ),
        (38, "scene unique same_material exist"),
        (41, "scene unique same_color count"),
        (47, "scene unique same_shape exist"),
        (52, "scene unique same_size unique query_color"),
        (60, "scene unique same_material unique query_shape"),
        (63, "scene unique same_shape unique query_material"),
        (64, "scene scene union count"),
        (67, "scene unique relate scene unique relate union count"),
        (68, "scene scene union count"),
        (70, "scene unique relate scene union count"),
        (71, "scene scene unique relate union count"),
        (73, "scene unique relate exist"),
        (82, "scene unique relate unique relate unique query_material"),
        (84, "scene count"),
        (89, "scene unique query_size"),
    ],
)
def test_skeletons(index, functions):
    program = full_program(load_families()[index])
    names = [n["function"] for n in program]
    assert [n for n in names if not n.startswith("filter")] == functions.split()
    if index == 68:
        assert names[-2] == "filter_material"


@pytest.mark.parametrize(
    ("index", "unnamed"),
    [
        (10, {"A": {1}, "B": {1}}),
        (20, {"A": {2}, "C": {2}}),
        (28, {"D": {3}}),
        (34, {"C": {2}}),
        (46, {"A": {2}, "B": {2}}),
        (57, {"A": {1}, "B": {1, 3}}),
        (66, {"A": {1}, "B": {1}}),
        (88, {"A": {1}}),
        (72, {}),
    ],
)
def test_unnamed(index, unnamed):
    found = {
        n.step: set(n.unnamed)
        for n in load_families()[index].nodes
        if n.unnamed
    }
    assert found == unnamed


def test_select():
    assert len(select_families()) == 90
    chosen = select_families(["zero_hop", 3, 84])
    assert [f.index for f in chosen] == [3, 84, 85, 86, 87, 88, 89]


@pytest.mark.parametrize("which", [["zero"], [90], [-1], [1.0], []])
def test_select_refuses(which):
    with pytest.raises(ValueError, match="`families`"):
        select_families(which)
