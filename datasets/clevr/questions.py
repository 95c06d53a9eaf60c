"""Fill question families on scenes, as CLEVR's questions were drawn.

Which families are tried, how slots are filled and which answers are refused
follows the released generator's behaviour, since that is what shapes the
answers that a model could guess without looking at the scene.
"""

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

from datasets.clevr.families import (
    Combination,
    Family,
    build_program,
    select_families,
)
from datasets.clevr.filling import Filling, answer_text
from datasets.clevr.masks import SceneMasks
from datasets.clevr.programs import FUNCTIONS
from datasets.clevr.templates import render
from datasets.clevr.vocabulary import ATTRIBUTES

#: Counts of families and answers start anew after this many scenes.
BLOCK = 250
# An answer is refused while its count is above this many times the second
# largest, or above that many times the median (or the floor, if larger).
_OVER_SECOND, _OVER_MEDIAN, _MEDIAN_FLOOR = 1.1, 5, 5


def possible_answers(family: Family) -> tuple[str, ...]:
    """The answers that a family's questions may have."""
    output = FUNCTIONS[family.nodes[-1].function].output
    if output == "bool":
        return ("yes", "no")
    if output == "integer":
        return tuple(str(n) for n in range(11))
    return ATTRIBUTES[output]


def reachable_answers(family: Family) -> frozenset[str]:
    """Those of them that the family's constraints leave room for.

    Two numbers that must differ are never equal. To know that spares trying
    every way to fill such a family for a "yes".
    """
    last = family.nodes[-1]
    if last.function.startswith("equal_") and (
        last.inputs[0] in family.nodes[last.inputs[1]].differ
    ):
        return frozenset(["no"])
    return frozenset(possible_answers(family))


def allowed_answers(counts: Mapping[str, int]) -> frozenset[str]:
    """The answers that the balance rule lets through.

    Args:
        counts: Every possible answer of a family → how often it was given.
    """
    ranked = sorted(counts.values())
    second, median = ranked[-2], ranked[len(ranked) // 2]
    limit = min(
        _OVER_SECOND * second, _OVER_MEDIAN * max(median, _MEDIAN_FLOOR)
    )
    return frozenset(a for a, count in counts.items() if count <= limit)


class QuestionGenerator:
    """Draws questions on scenes.

    Args:
        families: Groups' names or global indices to keep to; None: all 90.
        questions_per_scene: How many questions a scene gets, at most one of
            each family.

    Raises:
        ValueError: For an unknown family, or fewer than one question.
    """

    def __init__(
        self,
        families: Iterable[str | int] | None = None,
        questions_per_scene: int = 10,
    ) -> None:
        self.families = select_families(families)
        if not 1 <= questions_per_scene <= len(self.families):
            raise ValueError(
                f"`questions_per_scene` is {questions_per_scene}, expected "
                f"1..{len(self.families)}: a scene gets at most one question "
                "of each family"
            )
        self.questions_per_scene = questions_per_scene
        self.reachable = {f.index: reachable_answers(f) for f in self.families}

    def generate(
        self, scenes: Sequence[Mapping[str, Any]], seed: int = 0
    ) -> list[dict[str, Any]]:
        """Draw questions on any scenes of the released form.

        Args:
            scenes: The scenes, the released ones or generated.
            seed: The same seed gives the same questions.

        Returns:
            Questions in the released form, scene by scene. A scene may get
            fewer than asked for, where no more families fit it.
        """
        out: list[dict[str, Any]] = []
        for start in range(0, len(scenes), BLOCK):
            rng = Random(f"questions/{seed}/{start // BLOCK}")
            out += self.generate_block(scenes[start : start + BLOCK], rng)
        for index, question in enumerate(out):
            question["question_index"] = index
        return out

    def generate_block(
        self, scenes: Sequence[Mapping[str, Any]], rng: Random
    ) -> list[dict[str, Any]]:
        """Draw questions on scenes that share one balance of answers.

        Args:
            scenes: The scenes of a block, in CLEVR 250 of them.
            rng: The source of chance.

        Returns:
            Questions numbered from 0.
        """
        used = dict.fromkeys((f.index for f in self.families), 0)
        counts = {
            f.index: dict.fromkeys(possible_answers(f), 0)
            for f in self.families
        }
        out: list[dict[str, Any]] = []
        for scene in scenes:
            masks = SceneMasks(scene)
            # Least used first, those equally used in random order.
            ranked = sorted(
                self.families, key=lambda f: used[f.index] + rng.random()
            )
            asked = 0
            for family in ranked:
                allowed = allowed_answers(counts[family.index])
                allowed &= self.reachable[family.index]
                filling = Filling(family, masks, allowed, rng)
                if not allowed or not filling.fill():
                    continue
                question = self._write(family, filling, scene, rng)
                question["question_index"] = len(out)
                out.append(question)
                used[family.index] += 1
                counts[family.index][question["answer"]] += 1
                asked += 1
                if asked == self.questions_per_scene:
                    break
        return out

    def _write(
        self,
        family: Family,
        filling: Filling,
        scene: Mapping[str, Any],
        rng: Random,
    ) -> dict[str, Any]:
        filters: dict[str, Combination] = {}
        directions: dict[str, str] = {}
        for node, pick in zip(family.nodes, filling.picks, strict=True):
            if pick is None:
                continue
            if pick[0] is not None:
                directions[node.step] = pick[0]
            if "filter" in node.function:
                filters[node.step] = pick[1]
        return {
            "image_index": scene["image_index"],
            "program": build_program(family, filters, directions),
            "question_index": 0,
            "image_filename": scene["image_filename"],
            "question_family_index": family.index,
            "split": scene["split"],
            "answer": answer_text(filling.outputs[-1]),
            "question": render(family, filters, directions, rng.random),
        }
