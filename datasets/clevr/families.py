"""The 90 question families, read from families.yaml.

A family is a program skeleton with slots, the constraints on what fills them,
and phrasings. Nothing here or in the generator knows one family from another.
"""

import ast
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from datasets.clevr.programs import FUNCTIONS
from datasets.clevr.vocabulary import ATTRIBUTES

#: One slot's choice of (size, color, material, shape); None names nothing.
Combination = tuple[str | None, str | None, str | None, str | None]

NOTHING: Combination = (None, None, None, None)
_PATH = Path(__file__).with_name("families.yaml")
_ATTRIBUTE_NAMES = tuple(ATTRIBUTES)


@dataclass(frozen=True)
class Node:
    """One node of a family's skeleton.

    Attributes:
        function: A program function, or ``filter`` for a slot of up to four
            filters, or ``relate_filter`` for a relation and such a slot,
            which are chosen together.
        inputs: The nodes before it that it takes.
        step: The named step that it belongs to.
        kind: What a filter slot's set is used for: ``unique``, ``count``,
            ``exist`` or ``set``.
        unnamed: Positions in a :data:`Combination` that stay None.
        differ: Earlier nodes whose output must not equal this one's.
        live: Earlier nodes whose output decides what can come from here on.
    """

    function: str
    inputs: tuple[int, ...]
    step: str
    kind: str = "set"
    unnamed: frozenset[int] = frozenset()
    differ: tuple[int, ...] = ()
    live: tuple[int, ...] = ()


@dataclass(frozen=True)
class Family:
    """A question family.

    Attributes:
        index: Its global index, 0–89.
        group: The name of its group: ``zero_hop``, ``comparison``, …
        nodes: The skeleton, in topological order; the last gives the answer.
        phrasings: Its texts, with placeholders.
    """

    index: int
    group: str
    nodes: tuple[Node, ...]
    phrasings: tuple[str, ...]


def _substitute(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for name, replacement in names.items():
            value = value.replace(f"<{name}>", replacement)
        return value
    if isinstance(value, list):
        return [_substitute(v, names) for v in value]
    if isinstance(value, dict):
        return {
            _substitute(k, names): _substitute(v, names)
            for k, v in value.items()
        }
    return value


class _Skeleton:
    """Turns the expressions of a ``program`` entry into nodes."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.entry = entry
        self.nodes: list[dict[str, Any]] = []
        self.result: dict[str, int] = {}  # a step's last node
        self.picked: dict[str, int] = {}  # the node that picks its objects
        for step, text in entry["program"].items():
            tree = ast.parse(text, mode="eval").body
            self.result[step] = self.add(tree, step, "set")
        for key, where in (("differ", self.picked), ("differ_numbers", None)):
            for pair in entry.get(key, ()):
                ends = sorted((where or self.result)[step] for step in pair)
                self.nodes[ends[1]].setdefault("differ", []).append(ends[0])

    def add(self, tree: ast.expr, step: str, kind: str) -> int:
        if isinstance(tree, ast.Name) and tree.id in self.result:
            return self.result[tree.id]
        if isinstance(tree, ast.Name) and tree.id == "scene":
            return self.append("scene", (), step)
        if not isinstance(tree, ast.Call) or not isinstance(
            tree.func, ast.Name
        ):
            raise ValueError(
                f"families.yaml, family {self.entry['index']}: step {step} "
                f"has {ast.unparse(tree)!r}, expected a function or a step"
            )
        name = tree.func.id
        if name in ("unique", "count", "exist"):
            node = self.add(tree.args[0], step, name)
            # One object is a set of one: the skeleton has no node for it.
            return (
                node if name == "unique" else self.append(name, (node,), step)
            )
        if name.startswith("filter"):
            inner = tree.args[0]
            if (
                isinstance(inner, ast.Call)
                and isinstance(inner.func, ast.Name)
                and inner.func.id == "relate"
            ):
                name = name.replace("filter", "relate_filter")
                inner = inner.args[0]
            source = self.add(inner, step, "set")
            node = self.append(name, (source,), step)
            self.nodes[node]["kind"] = kind
            self.nodes[node]["unnamed"] = frozenset(
                _ATTRIBUTE_NAMES.index(a)
                for a in self.entry.get("unnamed", {}).get(step, ())
            )
            self.picked[step] = node
            return node
        if name not in FUNCTIONS:
            raise ValueError(
                f"families.yaml, family {self.entry['index']}: step {step} "
                f"uses the unknown function {name!r}"
            )
        inputs = tuple(self.add(arg, step, "set") for arg in tree.args)
        return self.append(name, inputs, step)

    def append(self, name: str, inputs: tuple[int, ...], step: str) -> int:
        self.nodes.append({"function": name, "inputs": inputs, "step": step})
        return len(self.nodes) - 1

    def finish(self) -> tuple[Node, ...]:
        out: list[Node] = []
        # Whether a relation mattered is asked when the answer is there.
        needed = {
            i for i, n in enumerate(self.nodes) if n["function"] == "relate"
        }
        for i in range(len(self.nodes) - 1, -1, -1):
            node = self.nodes[i]
            node["differ"] = tuple(node.get("differ", ()))
            needed.discard(i)
            needed.update(node["inputs"], node["differ"])
            live = tuple(sorted(j for j in needed if j < i))
            out.append(Node(**node, live=live))
        return tuple(reversed(out))


def _phrasings(
    entry: dict[str, Any], frames: dict[str, list[str]]
) -> tuple[str, ...]:
    out = []
    if "frame" in entry:
        holes = {
            name: [value] if isinstance(value, str) else value
            for name, value in entry["holes"].items()
        }
        for frame in frames[entry["frame"]]:
            for values in itertools.product(*holes.values()):
                words = frame
                for name, value in zip(holes, values, strict=True):
                    # Holes are single capitals that stand alone.
                    words = words.replace(f"{name} ", f"{value} ")
                    words = words.replace(f"{name};", f"{value};")
                    words = words.replace(f"{name}?", f"{value}?")
                out.append(words)
    out += entry.get("text", [])
    return tuple(out)


@lru_cache(maxsize=1)
def load_families() -> tuple[Family, ...]:
    """All families, in the order of their indices.

    Raises:
        ValueError: If families.yaml is not what it says it is.
    """
    data = yaml.safe_load(_PATH.read_text(encoding="utf-8"))
    families = []
    for template in data["families"]:
        each = template.get("each", {})
        for row, index in enumerate(template["index"]):
            names = {name: values[row] for name, values in each.items()}
            entry = _substitute(
                {k: v for k, v in template.items() if k != "each"}, names
            )
            entry["index"] = index
            frames = _substitute(data["frames"], names)
            families.append(
                Family(
                    index=index,
                    group=entry["group"],
                    nodes=_Skeleton(entry).finish(),
                    phrasings=_phrasings(entry, frames),
                )
            )
    families.sort(key=lambda family: family.index)
    if [f.index for f in families] != list(range(len(families))):
        raise ValueError(
            "families.yaml: the indices are "
            f"{[f.index for f in families]}, expected each of 0..89 once"
        )
    return tuple(families)


def select_families(
    which: Iterable[str | int] | None = None,
) -> tuple[Family, ...]:
    """Families by group name or global index.

    Args:
        which: Names of groups, indices, or both; None gives all 90.

    Raises:
        ValueError: For a name or an index that no family has.
    """
    families = load_families()
    if which is None:
        return families
    groups = {f.group for f in families}
    chosen: set[int] = set()
    for item in which:
        if isinstance(item, str) and item in groups:
            chosen.update(f.index for f in families if f.group == item)
        elif type(item) is int and 0 <= item < len(families):
            chosen.add(item)
        else:
            raise ValueError(
                f"`families` has {item!r}, expected an index in "
                f"0..{len(families) - 1} or one of {', '.join(sorted(groups))}"
            )
    if not chosen:
        raise ValueError("`families` is empty, expected at least one")
    return tuple(families[i] for i in sorted(chosen))


def build_program(
    family: Family,
    filters: Mapping[str, Combination],
    directions: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Write a family's program, its slots filled, in the released form.

    Args:
        family: The family.
        filters: Step → what its filter names.
        directions: Step → the direction of its relation.
    """
    program: list[dict[str, Any]] = []

    def append(name: str, inputs: list[int], values: list[str]) -> None:
        program.append(
            {"inputs": inputs, "function": name, "value_inputs": values}
        )

    ends: list[int] = []
    for node in family.nodes:
        inputs = [ends[i] for i in node.inputs]
        step = node.step
        if "filter" in node.function:
            if node.function.startswith("relate"):
                append("relate", inputs, [directions[step]])
                inputs = [len(program) - 1]
            for attribute, value in zip(
                _ATTRIBUTE_NAMES, filters[step], strict=True
            ):
                if value is not None:
                    append(f"filter_{attribute}", inputs, [value])
                    inputs = [len(program) - 1]
            if node.kind == "unique":
                append("unique", inputs, [])
                inputs = [len(program) - 1]
            ends.append(inputs[0])
        else:
            values = [directions[step]] if node.function == "relate" else []
            append(node.function, inputs, values)
            ends.append(len(program) - 1)
    return program
