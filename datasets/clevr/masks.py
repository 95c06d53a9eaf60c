"""A scene as bit masks, so that questions are tried out by single operations.

A set of objects is an integer whose bit i stands for object i; one object is a
set of one. All that the families' slots can choose from is listed once a scene
and kept.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from datasets.clevr.families import Combination
from datasets.clevr.vocabulary import ATTRIBUTES, DIRECTIONS

#: What a slot may be filled with: (direction or None, combination, result).
Option = tuple[str | None, Combination, int]

_NAMES = tuple(ATTRIBUTES)
_SUBSETS = [tuple(bool(bits >> k & 1) for k in range(4)) for bits in range(16)]
# A relation that changes nothing makes at most this share of a slot's options.
_TRIVIAL_SHARE = 0.1


class SceneMasks:
    """Everything about one scene that filling a family's slots needs.

    Args:
        scene: A scene in the released form.

    Attributes:
        everything: The set of all objects.
        attribute: For each of the four attributes, value → the objects that
            have it; None → all objects.
        value: Attribute → object → its value.
        same: Attribute → object → the others with its value.
        related: Direction → object → the objects that lie there.
        combinations: Every combination that some object bears, with its set.
        functions: What each program function does to these sets, numbers and
            values, for those functions in which nothing is left to choose.
    """

    def __init__(self, scene: Mapping[str, Any]) -> None:
        objects = scene["objects"]
        self.everything = (1 << len(objects)) - 1
        self.attribute: tuple[dict[str | None, int], ...] = tuple(
            {None: self.everything} for _ in _NAMES
        )
        self.value: dict[str, dict[int, str]] = {n: {} for n in _NAMES}
        combinations: dict[Combination, int] = {}
        for i, item in enumerate(objects):
            bit = 1 << i
            values = [item[name] for name in _NAMES]
            for k, name in enumerate(_NAMES):
                value = values[k]
                masks = self.attribute[k]
                masks[value] = masks.get(value, 0) | bit
                self.value[name][bit] = value
            size, color, material, shape = values
            for a, b, c, d in _SUBSETS:
                key = (
                    size if a else None,
                    color if b else None,
                    material if c else None,
                    shape if d else None,
                )
                combinations[key] = combinations.get(key, 0) | bit
        self.combinations = list(combinations.items())
        self.same = {
            name: {
                bit: self.attribute[k][value] & ~bit
                for bit, value in self.value[name].items()
            }
            for k, name in enumerate(_NAMES)
        }
        self.related = {
            direction: {
                1 << i: sum([1 << j for j in others])
                for i, others in enumerate(scene["relationships"][direction])
            }
            for direction in DIRECTIONS
        }
        self.functions: dict[str, Callable[..., Any]] = {
            "scene": lambda: self.everything,
            "count": int.bit_count,
            "exist": bool,
            "union": operator.or_,
            "intersect": operator.and_,
            "less_than": operator.lt,
            "greater_than": operator.gt,
            "equal_integer": operator.eq,
        }
        for name in _NAMES:
            self.functions[f"same_{name}"] = self.same[name].__getitem__
            self.functions[f"query_{name}"] = self.value[name].__getitem__
            self.functions[f"equal_{name}"] = operator.eq
        self._filters: dict[Any, tuple[list[Option], int]] = {}
        self._relations: dict[Any, tuple[list[Option], list[Option], int]] = {}

    def find(self, combination: Combination, among: int) -> int:
        """The objects of a set that bear a combination."""
        sizes, colors, materials, shapes = self.attribute
        size, color, material, shape = combination
        return (
            among
            & sizes.get(size, 0)
            & colors.get(color, 0)
            & materials.get(material, 0)
            & shapes.get(shape, 0)
        )

    def filters(
        self, among: int, kind: str, unnamed: frozenset[int]
    ) -> tuple[list[Option], int]:
        """What a filter slot may choose from.

        Args:
            among: The set that is filtered.
            kind: What the result is for; see
                :class:`~datasets.clevr.families.Node`.
            unnamed: Positions that must stay None.

        Returns:
            The options that the scene gives, and how many random
            combinations may be tried besides.
        """
        key = (among, kind, unnamed)
        if key not in self._filters:
            options: list[Option] = [
                (None, combination, among & mask)
                for combination, mask in self.combinations
            ]
            extra = 0
            if kind == "exist":
                extra = len(options)
            elif kind != "unique":
                extra = sum(1 for o in options if o[2].bit_count() == 1)
            if kind == "unique":
                options = [o for o in options if o[2].bit_count() == 1]
            elif kind == "set":
                # Of the scene alone: the empty combination says nothing.
                options = [o for o in options if any(o[1])]
            self._filters[key] = (_drop_named(options, unnamed), extra)
        return self._filters[key]

    def relations(
        self, origin: int, kind: str, unnamed: frozenset[int]
    ) -> tuple[list[Option], list[Option], int]:
        """What a relate-then-filter slot may choose from.

        Args:
            origin: The object that the relation starts from.
            kind: What the result is for.
            unnamed: Positions that must stay None.

        Returns:
            The options whose relation matters, those whose relation changes
            nothing (not yet rid of unnamed attributes), and how many of the
            latter may be used.
        """
        key = (origin, kind, unnamed)
        if key not in self._relations:
            telling: list[Option] = []
            trivial: list[Option] = []
            for direction, related in self.related.items():
                there = related[origin]
                for combination, mask in self.combinations:
                    result = there & mask
                    if result:
                        if kind == "unique" and result & (result - 1):
                            continue
                    elif kind in ("unique", "set"):
                        continue
                    if result == mask:
                        trivial.append((direction, combination, result))
                    else:
                        telling.append((direction, combination, result))
            share = _TRIVIAL_SHARE / (1 - _TRIVIAL_SHARE)
            allowed = min(len(trivial), round(len(telling) * share))
            self._relations[key] = (
                _drop_named(telling, unnamed),
                trivial,
                allowed,
            )
        return self._relations[key]


def _drop_named(options: list[Option], unnamed: frozenset[int]) -> list[Option]:
    for k in unnamed:
        options = [o for o in options if o[1][k] is None]
    return options
