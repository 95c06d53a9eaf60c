"""Fill one family's slots on one scene, depth first."""

from collections.abc import Iterator
from random import Random
from typing import Any

from datasets.clevr.families import NOTHING, Family, Node
from datasets.clevr.masks import Option, SceneMasks
from datasets.clevr.vocabulary import ATTRIBUTES, DIRECTIONS

_NAMES = tuple(ATTRIBUTES)
_VALUES = tuple((*values, None) for values in ATTRIBUTES.values())


def answer_text(value: Any) -> str:
    """An answer as CLEVR writes it."""
    if value is True:
        return "yes"
    if value is False:
        return "no"
    return str(value)


class Filling:
    """One attempt to fill one family on one scene.

    At each open slot the options are tried in random order; where a choice
    ends nowhere, the next is tried.

    Args:
        family: The family.
        masks: The scene.
        allowed: The answers that the question may have.
        rng: The source of chance.

    Attributes:
        outputs: What each node gave: a set of objects, a number, a value.
        picks: What each slot was filled with.
    """

    def __init__(
        self,
        family: Family,
        masks: SceneMasks,
        allowed: frozenset[str],
        rng: Random,
    ) -> None:
        self.nodes = family.nodes
        self.masks = masks
        self.functions = masks.functions
        self.allowed = allowed
        self.random = rng.random
        self.outputs: list[Any] = [None] * len(self.nodes)
        self.picks: list[Option | None] = [None] * len(self.nodes)
        # Ends that were explored in vain, by all that could matter for them.
        self.dead: set[tuple[Any, ...]] = set()
        self.relates = [
            i for i, n in enumerate(self.nodes) if n.function == "relate"
        ]

    def fill(self, at: int = 0) -> bool:
        """Fill the nodes from ``at`` on; False if there is no way."""
        outputs, nodes = self.outputs, self.nodes
        while at < len(nodes):
            node = nodes[at]
            run = self.functions.get(node.function)
            if run is None:
                break
            outputs[at] = run(*[outputs[i] for i in node.inputs])
            if node.differ and not self.differs(node, at):
                return False
            at += 1
        else:
            return answer_text(outputs[-1]) in self.allowed and not any(
                self.is_degenerate(i) for i in self.relates
            )
        key = (at, *[outputs[i] for i in node.live])
        if key in self.dead:
            return False
        for option in self.options(node):
            outputs[at] = option[2]
            if node.differ and not self.differs(node, at):
                continue
            self.picks[at] = option
            if self.fill(at + 1):
                return True
        self.dead.add(key)
        return False

    def differs(self, node: Node, at: int) -> bool:
        """Whether a node's output is another than those it must not equal."""
        return all(self.outputs[i] != self.outputs[at] for i in node.differ)

    def options(self, node: Node) -> Iterator[Option]:
        """The options of a slot, in random order, drawn as they are used."""
        source = self.outputs[node.inputs[0]]
        masks = self.masks
        if node.function == "filter":
            scene, extra = masks.filters(source, node.kind, node.unnamed)
            return self.mixed(scene, [], extra, node, source)
        if node.function == "relate_filter":
            telling, trivial, few = masks.relations(
                source, node.kind, node.unnamed
            )
            return self.mixed(telling, trivial, few, node, source)
        if node.function == "relate":
            every: list[Option] = [
                (name, NOTHING, masks.related[name][source])
                for name in DIRECTIONS
            ]
        else:
            k = _NAMES.index(node.function.removeprefix("filter_"))
            every = []
            for value in ATTRIBUTES[_NAMES[k]]:
                named: list[str | None] = [None] * 4
                named[k] = value
                pick = (named[0], named[1], named[2], named[3])
                every.append((None, pick, masks.find(pick, source)))
        return self.mixed(every, [], 0, node, source)

    def mixed(
        self,
        options: list[Option],
        few_of: list[Option],
        few: int,
        node: Node,
        source: int,
    ) -> Iterator[Option]:
        """Shuffle ``options`` with ``few`` others.

        The others are drawn from ``few_of`` or, where that is empty, are
        random combinations.
        """
        random = self.random
        options, few_of = options.copy(), few_of.copy()
        from_list = bool(few_of)
        left = len(options)
        while left + few:
            at = int(random() * (left + few))
            if at < left:
                left -= 1
                option = options[at]
                options[at] = options[left]
                yield option
                continue
            few -= 1
            if from_list:
                at = int(random() * len(few_of))
                option = few_of[at]
                few_of[at] = few_of[-1]
                few_of.pop()
            else:
                a, b, c, d = [v[int(random() * len(v))] for v in _VALUES]
                pick = (a, b, c, d)
                result = self.masks.find(pick, source)
                if node.kind == "set" and not any(pick):
                    continue
                option = (None, pick, result)
            if all(option[1][k] is None for k in node.unnamed):
                yield option

    def is_degenerate(self, relate: int) -> bool:
        """Whether the answer stays if a relation becomes the whole scene."""
        outputs = self.outputs.copy()
        outputs[relate] = self.masks.everything
        for i in range(relate + 1, len(self.nodes)):
            node = self.nodes[i]
            pick = self.picks[i]
            run = self.functions.get(node.function)
            if run is not None:
                outputs[i] = run(*[outputs[j] for j in node.inputs])
            elif node.function == "filter" and pick is not None:
                found = self.masks.find(pick[1], outputs[node.inputs[0]])
                if node.kind == "unique" and found.bit_count() != 1:
                    return False
                outputs[i] = found
        return bool(outputs[-1] == self.outputs[-1])
