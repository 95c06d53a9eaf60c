"""The closed vocabularies of CLEVR v1.0: attributes, answers, words.

Their order is part of the stored format: indices in an HDF5 file and the
columns of a trained model's input and output refer to these tuples.
"""

import re
from collections.abc import Iterable

from datasets.messages import nearest

SIZES = ("large", "small")
COLORS = (
    "gray",
    "red",
    "blue",
    "green",
    "brown",
    "purple",
    "cyan",
    "yellow",
)
MATERIALS = ("rubber", "metal")
SHAPES = ("cube", "sphere", "cylinder")

#: Attribute name → its values, in the order of a stored object's columns.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "size": SIZES,
    "color": COLORS,
    "material": MATERIALS,
    "shape": SHAPES,
}

DIRECTIONS = ("left", "right", "front", "behind")

#: The 28 answers.
ANSWERS: tuple[str, ...] = (
    *(str(n) for n in range(11)),
    "yes",
    "no",
    *COLORS,
    *SHAPES,
    *MATERIALS,
    *SIZES,
)

PAD, UNK = "<pad>", "<unk>"

#: ``<pad>``, ``<unk>`` and the 82 tokens that make every released question.
TOKENS: tuple[str, ...] = (
    PAD,
    UNK,
    *(
        "; ? a an and another any anything are as ball balls behind big block "
        "blocks blue both brown color cube cubes cyan cylinder cylinders do "
        "does either else equal fewer front gray greater green has have how "
        "in is it its large left less made many material matte metal metallic "
        "more number object objects of on or other purple red right rubber "
        "same shape shiny side size small sphere spheres than that the there "
        "thing things tiny to visible what yellow"
    ).split(),
)

#: The 13 question types: the last function of a program.
QUESTION_TYPES: tuple[str, ...] = (
    "count",
    "exist",
    "equal_integer",
    "less_than",
    "greater_than",
    *(f"query_{a}" for a in ATTRIBUTES),
    *(f"equal_{a}" for a in ATTRIBUTES),
)

#: The five categories in which CLEVR accuracy is reported → their types.
CATEGORIES: dict[str, tuple[str, ...]] = {
    "count": ("count",),
    "exist": ("exist",),
    "compare numbers": ("equal_integer", "less_than", "greater_than"),
    "query attribute": tuple(f"query_{a}" for a in ATTRIBUTES),
    "compare attribute": tuple(f"equal_{a}" for a in ATTRIBUTES),
}

_TOKEN_INDEX = {token: i for i, token in enumerate(TOKENS)}
_ANSWER_INDEX = {answer: i for i, answer in enumerate(ANSWERS)}
_WORD = re.compile(r"[a-z]+|[^\sa-z]")


def tokenize(question: str) -> list[str]:
    """Split a question into lower-case words and punctuation marks.

    >>> tokenize("How big is it?")
    ['how', 'big', 'is', 'it', '?']
    """
    return _WORD.findall(question.lower())


def encode_tokens(tokens: Iterable[str], unknown: str = "error") -> list[int]:
    """Map tokens to their indices in :data:`TOKENS`.

    Args:
        tokens: Words and punctuation, as :func:`tokenize` gives them.
        unknown: ``"error"`` (default) refuses a word outside the vocabulary;
            ``"unk"`` maps it to ``<unk>``.

    Raises:
        ValueError: For a word outside the vocabulary, or another ``unknown``.
    """
    if unknown not in ("error", "unk"):
        raise ValueError(f"`unknown` is {unknown!r}, expected 'error' or 'unk'")
    out = []
    for token in tokens:
        index = _TOKEN_INDEX.get(token)
        if index is None:
            if unknown == "error":
                raise ValueError(
                    f"unknown word {token!r} in `tokens`: expected one of "
                    f"CLEVR's {len(TOKENS) - 2} words (see "
                    f"datasets.clevr.vocabulary.TOKENS)"
                    f"{nearest(token, TOKENS)}"
                )
            index = _TOKEN_INDEX[UNK]
        out.append(index)
    return out


def encode_answer(answer: str) -> int:
    """Map an answer to its index in :data:`ANSWERS`.

    Raises:
        ValueError: If it is not one of the 28 answers.
    """
    try:
        return _ANSWER_INDEX[answer]
    except KeyError:
        raise ValueError(
            f"unknown answer {answer!r}: expected one of {ANSWERS}"
        ) from None
