"""Functional programs: what each function takes and gives, and running them.

A program is CLEVR's own form: a list of nodes ``{"function", "inputs",
"value_inputs"}``, each naming earlier nodes as its inputs; the last node gives
the answer.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from datasets.clevr.vocabulary import ATTRIBUTES, DIRECTIONS


class IllPosedError(ValueError):
    """A ``unique`` node that does not receive exactly one object."""


class Signature(NamedTuple):
    """What a function takes and gives.

    Attributes:
        inputs: The types of its inputs: ``set``, ``object``, ``integer``,
            ``bool`` or an attribute's name, for one of its values.
        output: The type of what it gives.
        values: The values that its one value input may take; empty where it
            takes none.
    """

    inputs: tuple[str, ...]
    output: str
    values: tuple[str, ...] = ()


#: Every function of CLEVR v1.0 → its signature.
FUNCTIONS: dict[str, Signature] = {
    "scene": Signature((), "set"),
    "unique": Signature(("set",), "object"),
    "relate": Signature(("object",), "set", DIRECTIONS),
    "union": Signature(("set", "set"), "set"),
    "intersect": Signature(("set", "set"), "set"),
    "count": Signature(("set",), "integer"),
    "exist": Signature(("set",), "bool"),
    "equal_integer": Signature(("integer", "integer"), "bool"),
    "less_than": Signature(("integer", "integer"), "bool"),
    "greater_than": Signature(("integer", "integer"), "bool"),
}
for _name, _values in ATTRIBUTES.items():
    FUNCTIONS[f"filter_{_name}"] = Signature(("set",), "set", _values)
    FUNCTIONS[f"same_{_name}"] = Signature(("object",), "set")
    FUNCTIONS[f"query_{_name}"] = Signature(("object",), _name)
    FUNCTIONS[f"equal_{_name}"] = Signature((_name, _name), "bool")

_ANSWER_TYPES = frozenset(["integer", "bool", *ATTRIBUTES])


def check_program(program: Sequence[dict[str, Any]]) -> None:
    """Check that a program can be run: functions, inputs, values and types.

    Args:
        program: Nodes in the released form.

    Raises:
        ValueError: Naming the node, what is wrong with it and what was
            expected.
    """
    if not isinstance(program, (list, tuple)) or not program:
        raise ValueError(
            f"`program` is {program!r}, expected a non-empty list of nodes"
        )
    types: list[str] = []
    for i, node in enumerate(program):
        try:
            function = node["function"]
            inputs = node["inputs"]
            values = node["value_inputs"]
        except (KeyError, TypeError):
            raise ValueError(
                f"program node {i} is {node!r}, expected a dict with the keys "
                "'function', 'inputs' and 'value_inputs'"
            ) from None
        try:
            signature = FUNCTIONS[function]
        except (KeyError, TypeError):
            raise ValueError(
                f"unknown function {function!r} in program node {i}: expected "
                f"one of {', '.join(FUNCTIONS)}"
            ) from None
        where = f"program node {i} ({function!r})"
        if not isinstance(inputs, list) or not isinstance(values, list):
            raise ValueError(
                f"{where} has inputs {inputs!r} and value_inputs {values!r}, "
                "expected two lists"
            )
        if len(inputs) != len(signature.inputs):
            raise ValueError(
                f"{where} has {len(inputs)} inputs {inputs}, expected "
                f"{len(signature.inputs)}"
            )
        for j, expected in zip(inputs, signature.inputs, strict=True):
            if type(j) is not int or not 0 <= j < len(program):
                raise ValueError(
                    f"{where} takes node {j!r} as input, expected an index "
                    f"in 0..{len(program) - 1}"
                )
            if j >= i:
                raise ValueError(
                    f"{where} takes node {j} as input, expected an earlier "
                    "node: a program has no cycle and its nodes are in order"
                )
            if types[j] != expected:
                raise ValueError(
                    f"{where} takes node {j}, which gives {types[j]}, "
                    f"expected {expected}"
                )
        if signature.values:
            if len(values) != 1 or values[0] not in signature.values:
                raise ValueError(
                    f"{where} has value_inputs {values!r}, expected one of "
                    f"{signature.values}"
                )
        elif values:
            raise ValueError(
                f"{where} has value_inputs {values!r}, expected none"
            )
        types.append(signature.output)
    if types[-1] not in _ANSWER_TYPES:
        raise ValueError(
            f"the program ends in {program[-1]['function']!r}, which gives "
            f"{types[-1]}, expected a function that gives an answer"
        )


def _run(
    function: str, args: list[Any], values: list[str], scene: dict[str, Any]
) -> Any:
    objects = scene["objects"]
    match function:
        case "scene":
            return set(range(len(objects)))
        case "unique":
            if len(args[0]) != 1:
                raise IllPosedError(
                    f"'unique' received {len(args[0])} objects "
                    f"{sorted(args[0])}, expected exactly one"
                )
            return next(iter(args[0]))
        case "relate":
            return set(scene["relationships"][values[0]][args[0]])
        case "union":
            return args[0] | args[1]
        case "intersect":
            return args[0] & args[1]
        case "count":
            return len(args[0])
        case "exist":
            return len(args[0]) > 0
        case "less_than":
            return args[0] < args[1]
        case "greater_than":
            return args[0] > args[1]
    verb, attribute = function.split("_")
    match verb:
        case "filter":
            return {i for i in args[0] if objects[i][attribute] == values[0]}
        case "same":
            value = objects[args[0]][attribute]
            return {
                i
                for i, other in enumerate(objects)
                if other[attribute] == value and i != args[0]
            }
        case "query":
            return objects[args[0]][attribute]
        case "equal":
            return args[0] == args[1]
    raise AssertionError(function)


def execute(program: Sequence[dict[str, Any]], scene: dict[str, Any]) -> str:
    """Run a program on a scene.

    This is the plain reference: it works on Python sets and reads the
    scene's own ``relationships``.

    Args:
        program: Nodes in the released form.
        scene: A scene in the released form.

    Returns:
        The answer as CLEVR writes it: ``"yes"``, ``"no"``, ``"3"``,
        ``"red"``, …

    Raises:
        IllPosedError: If a ``unique`` does not find exactly one object.
        ValueError: If the program is malformed; see :func:`check_program`.
    """
    check_program(program)
    outputs: list[Any] = []
    for i, node in enumerate(program):
        args = [outputs[j] for j in node["inputs"]]
        try:
            outputs.append(
                _run(node["function"], args, node["value_inputs"], scene)
            )
        except IllPosedError as error:
            raise IllPosedError(f"program node {i}: {error}") from None
    answer = outputs[-1]
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return str(answer)
