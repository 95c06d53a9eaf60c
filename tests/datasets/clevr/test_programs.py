import pytest

from datasets.clevr.layout import (
    questions_path,
    read_questions,
    read_scenes,
    scenes_path,
)
from datasets.clevr.programs import (
    FUNCTIONS,
    IllPosedError,
    check_program,
    execute,
)


def node(function, inputs=(), values=()):
    return {
        "function": function,
        "inputs": list(inputs),
        "value_inputs": list(values),
    }


def thing(size, color, material, shape):
    return {
        "size": size,
        "color": color,
        "material": material,
        "shape": shape,
    }


# Three objects from left to right.
SCENE = {
    "objects": [
        thing("large", "red", "metal", "cube"),
        thing("small", "red", "rubber", "cube"),
        thing("small", "blue", "metal", "sphere"),
    ],
    "relationships": {
        "left": [[], [0], [0, 1]],
        "right": [[1, 2], [2], []],
        "front": [[], [], []],
        "behind": [[], [], []],
    },
}
RED = [node("scene"), node("filter_color", [0], ["red"])]
CUBES = [node("scene"), node("filter_shape", [0], ["cube"])]
BLUE = [
    node("scene"),
    node("filter_color", [0], ["blue"]),
    node("unique", [1]),
]
FIRST = [
    node("scene"),
    node("filter_size", [0], ["large"]),
    node("unique", [1]),
]
# BLUE and then FIRST, whose nodes come three later.
BOTH = [
    *BLUE,
    node("scene"),
    node("filter_size", [3], ["large"]),
    node("unique", [4]),
]


@pytest.mark.parametrize(
    ("program", "answer"),
    [
        ([*RED, node("count", [1])], "2"),
        ([*RED, node("exist", [1])], "yes"),
        ([*RED, node("filter_size", [1], ["small"]), node("count", [2])], "1"),
        (
            [*RED, node("filter_material", [1], ["metal"]), node("count", [2])],
            "1",
        ),
        ([*BLUE, node("query_shape", [2])], "sphere"),
        ([*BLUE, node("query_size", [2])], "small"),
        ([*BLUE, node("query_color", [2])], "blue"),
        ([*BLUE, node("query_material", [2])], "metal"),
        ([*BLUE, node("relate", [2], ["left"]), node("count", [3])], "2"),
        ([*BLUE, node("relate", [2], ["behind"]), node("exist", [3])], "no"),
        ([*BLUE, node("same_size", [2]), node("count", [3])], "1"),
        ([*BLUE, node("same_color", [2]), node("count", [3])], "0"),
        ([*BLUE, node("same_material", [2]), node("count", [3])], "1"),
        ([*BLUE, node("same_shape", [2]), node("exist", [3])], "no"),
        (
            [
                *BLUE,
                node("relate", [2], ["left"]),
                node("same_size", [2]),
                node("union", [3, 4]),
                node("count", [5]),
            ],
            "2",
        ),
        (
            [
                *BLUE,
                node("relate", [2], ["left"]),
                node("same_size", [2]),
                node("intersect", [3, 4]),
                node("count", [5]),
            ],
            "1",
        ),
        *(
            (
                [
                    *BOTH,
                    node(f"query_{a}", [2]),
                    node(f"query_{a}", [5]),
                    node(f"equal_{a}", [6, 7]),
                ],
                answer,
            )
            for a, answer in [
                ("size", "no"),
                ("color", "no"),
                ("material", "yes"),
                ("shape", "no"),
            ]
        ),
        *(
            (
                [
                    *RED,
                    node("count", [1]),
                    node("scene"),
                    node("count", [3]),
                    node(function, [2, 4]),
                ],
                answer,
            )
            for function, answer in [
                ("equal_integer", "no"),
                ("less_than", "yes"),
                ("greater_than", "no"),
            ]
        ),
    ],
)
def test_every_function(program, answer):
    assert execute(program, SCENE) == answer


def test_catalogue_is_complete():
    assert len(FUNCTIONS) == 10 + 4 * 4


def test_unique_of_several_is_ill_posed():
    with pytest.raises(IllPosedError, match=r"node 2.*\[0, 1\].*exactly one"):
        execute([*RED, node("unique", [1]), node("query_size", [2])], SCENE)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ([], "non-empty list"),
        ("scene", "non-empty list"),
        ([{"function": "scene"}], "node 0.*'inputs'"),
        ([3], "node 0 is 3"),
        ([node("scenes")], "unknown function 'scenes' in program node 0"),
        ([node(["scene"])], "unknown function"),
        ([node("scene"), node("count", [])], "0 inputs.*expected 1"),
        ([node("scene"), node("count", [0, 0])], "2 inputs.*expected 1"),
        ([node("scene"), node("count", [7])], r"node 7.*0\.\.1"),
        ([node("scene"), node("count", [-1])], r"node -1.*0\.\.1"),
        ([node("scene"), node("count", ["0"])], "node '0'"),
        ([node("scene"), node("count", [1])], "node 1.*no cycle"),
        (
            [node("union", [1, 1]), node("union", [0, 0]), node("count", [1])],
            "node 0.*node 1.*no cycle",
        ),
        ([node("scene", (), ["red"])], "expected none"),
        ([*RED[:1], node("filter_color", [0], [])], r"value_inputs \[\]"),
        ([*RED[:1], node("filter_color", [0], ["pink"])], "'pink'.*'gray'"),
        ([*RED[:1], node("query_color", [0])], "gives set, expected object"),
        (
            [
                *BLUE,
                node("query_color", [2]),
                node("query_size", [2]),
                node("equal_color", [3, 4]),
            ],
            "gives size, expected color",
        ),
        (RED, "ends in 'filter_color'"),
    ],
)
def test_malformed_programs_are_refused(program, message):
    with pytest.raises(ValueError, match=message):
        check_program(program)
    with pytest.raises(ValueError, match=message):
        execute(program, SCENE)


def test_real_questions_are_answered_as_given(sample):
    scenes = {
        s["image_index"]: s for s in read_scenes(scenes_path(sample, "train"))
    }
    questions = read_questions(questions_path(sample, "train"), scenes)
    assert len(questions) == 40
    for question in questions:
        scene = scenes[question["image_index"]]
        assert execute(question["program"], scene) == question["answer"]
