"""What the page to play with has to know: words, rules, phrasings, a camera.

The page is plain JavaScript. Whatever stands here or in the modules beside is
handed to it, so that it is written down once: patterns that read a question
back are those of :mod:`datasets.clevr.templates`.
"""

from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

from datasets.clevr.camera import FOCAL, IMAGE_SIZE, LOCATION
from datasets.clevr.families import Combination, Family, load_families
from datasets.clevr.features import COLOR_RGB, FeatureForm, attribute_tables
from datasets.clevr.scenes import (
    FLOOR,
    HALF_SIZE,
    MIN_GAP,
    MIN_MARGIN,
    RELATION_MARGIN,
    VECTORS,
)
from datasets.clevr.templates import (
    MEANING,
    RELATIONS,
    SYNONYMS,
    matchers,
    parse_phrase,
    render,
)
from datasets.clevr.vocabulary import (
    ANSWERS,
    ATTRIBUTES,
    DIRECTIONS,
    TOKENS,
    tokenize,
)

#: The page's files.
FILES = Path(__file__).with_name("page")
#: Questions that are put into words to learn which words follow which.
_SAMPLES = 60
#: What the models have seen, and the picture holds.
_OBJECTS = (3, 10)


@lru_cache(maxsize=3)
def facts(features: FeatureForm) -> dict[str, Any]:
    """What the page has to know, as JSON has it.

    Args:
        features: How an object's attributes are coded for the models.
    """
    return {
        "tokens": TOKENS,
        "answers": ANSWERS,
        "attributes": ATTRIBUTES,
        # Of each value, in the order of the attributes.
        "features": [table.tolist() for table in attribute_tables(features)],
        "colors": COLOR_RGB,
        "half": HALF_SIZE,
        "camera": {
            "location": LOCATION,
            "focal": FOCAL,
            "size": IMAGE_SIZE,
        },
        "floor": FLOOR,
        "objects": _OBJECTS,
        "gap": MIN_GAP,
        "margin": MIN_MARGIN,
        "relation": RELATION_MARGIN,
        "directions": {name: VECTORS[name] for name in DIRECTIONS},
        "synonyms": {value or "": words for value, words in SYNONYMS.items()},
        "relations": RELATIONS,
        "meaning": {word: value or "" for word, value in MEANING.items()},
        "families": [_family(family) for family in load_families()],
        "patterns": [
            {
                "family": matcher.family.index,
                # JavaScript has its own way to name a group.
                "pattern": matcher.pattern.pattern.replace("(?P<", "(?<"),
                "steps": matcher.steps,
            }
            for matcher in matchers()
        ],
        "follow": following_words(),
    }


def _family(family: Family) -> dict[str, Any]:
    return {
        "group": family.group,
        "nodes": [
            {
                "function": node.function,
                "inputs": node.inputs,
                "step": node.step,
                "kind": node.kind,
                "unnamed": sorted(node.unnamed),
                "differ": node.differ,
            }
            for node in family.nodes
        ],
        "phrasings": [
            _written(parse_phrase(text)) for text in family.phrasings
        ],
    }


def _written(phrase: tuple[Any, ...]) -> list[Any]:
    """A phrase as JSON: text, ``{"step", "form"}``, lists that are optional."""
    return [
        part
        if isinstance(part, str)
        else _written(part)
        if isinstance(part, tuple)
        else {"step": part.step, "form": part.form}
        for part in phrase
    ]


def following_words() -> dict[str, list[str]]:
    """The words that follow two others in questions, the most frequent first.

    A question's first word follows nothing, the second one word. Found in
    questions that are put into words from every phrasing, about no scene.
    """
    rng = Random("following words")
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for family in load_families():
        for _ in range(_SAMPLES):
            words = tokenize(_worded(family, rng))
            for i, word in enumerate(words):
                counts[" ".join(words[max(0, i - 2) : i])][word] += 1
    return {
        before: sorted(found, key=lambda word: (-found[word], word))
        for before, found in sorted(counts.items())
    }


def _worded(family: Family, rng: Random) -> str:
    """A family's question with any filling."""
    filters: dict[str, Combination] = {}
    directions = {}
    for node in family.nodes:
        if "relate" in node.function:
            at = int(rng.random() * len(DIRECTIONS))
            directions[node.step] = DIRECTIONS[at]
        if "filter" in node.function:
            only = node.function.partition("filter_")[2]
            size, color, material, shape = (
                values[int(rng.random() * len(values))]
                if (name == only or (not only and k not in node.unnamed))
                and (only or rng.random() < 0.5)
                else None
                for k, (name, values) in enumerate(ATTRIBUTES.items())
            )
            filters[node.step] = (size, color, material, shape)
    return render(family, filters, directions, rng.random)
