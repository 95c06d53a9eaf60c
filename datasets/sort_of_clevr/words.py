"""Sort-of-CLEVR's questions in words, and back.

>>> question_words(question_vector(0, 3))
'what is the shape of the object closest to the red object?'
>>> parse_question("Which shape is nearest to the grey one?").tolist()
[0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0]
"""

import re

import numpy as np

from datasets.sort_of_clevr.questions import question_vector, read_vector
from datasets.sort_of_clevr.vocabulary import (
    COLORS,
    QUESTION_TYPES,
    TEMPLATES,
)


def question_words(vector: np.ndarray) -> str:
    """Say a question in words.

    Args:
        vector: [11] Its bits.

    Raises:
        ValueError: If they are not a question's.
    """
    vector = np.asarray(vector)
    if vector.ndim != 1:
        raise ValueError(
            f"`vector` has shape {vector.shape}, expected [11]: one question"
        )
    color, question_type = read_vector(vector)
    template = TEMPLATES[QUESTION_TYPES[int(question_type)]]
    return template.format(color=COLORS[int(color)])


def _patterns() -> dict[str, re.Pattern[str]]:
    """Subtype → what matches it, the colour being read as ``COLOR``."""
    thing = "(?:object|thing|item|figure|shape|one)"
    asked = f"(?:the )?COLOR(?: {thing})?"
    which = "(?:what|which)"

    def shape_of(x: str) -> str:
        return (
            f"(?:{which} is )?(?:the )?shape of {x}"
            f"|{which} shape (?:is|has) {x}"
            f"|{which} shape does {x} have"
            f"|{which} is {x}'s shape"
            f"|is {x} (?:a )?square or (?:a )?circle"
            f"|is {x} (?:a )?circle or (?:a )?square"
        )

    def other(near: str, to: str) -> str:
        return (
            f"(?:the )?(?:{thing} )?(?:(?:that|which) is )?(?:the )?{near}"
            f"(?: {thing})?(?: away)? {to} {asked}"
        )

    def side(one: str, opposite: str) -> str:
        place = "(?:on |at |in |to )?(?:the )?"
        part = (
            "(?: hand)?(?: (?:side|half|part|edge))?"
            "(?: of the (?:image|picture|scene))?"
        )
        return f"is {asked} {place}{one}{part}(?: or {place}{opposite}{part})?"

    things = "(?:objects|things|items|figures|shapes)(?: are there)?"
    have = "(?:that )?(?:have|share|with|of|are of|are)(?: the)?(?: same)?"
    included = (
        f"(?: (?:including|counting) (?:it|itself|that one|{asked})"
        f"| (?:it|itself|{asked}) (?:included|counted))?"
    )
    near, far = "(?:closest|nearest)", "(?:furthest|farthest|most distant)"
    closest, furthest = other(near, "to"), other(far, "(?:from|to)")
    out = {
        "shape": shape_of(asked),
        "left": side("left", "right"),
        "top": side("(?:top|upper)", "(?:bottom|lower)"),
        "closest": shape_of(closest),
        "furthest": shape_of(furthest),
        "count": (
            f"how many {things} {have} shape (?:of|as|with|like) {asked}"
            f"(?: has| does| is)?{included}"
            f"|how many {things} (?:have|share|of) {asked}'s shape{included}"
            f"|how many {things} (?:are shaped|shaped) (?:like|as) {asked}"
            f"{included}"
        ),
    }
    return {name: re.compile(pattern) for name, pattern in out.items()}


_PATTERNS = _patterns()
_COLOR = re.compile(rf"\b(?:{'|'.join(COLORS)})\b")
# What no question asks, but a reader may well try → what to say.
_HINTS = {
    r"\bright\b": (
        "that asks for the right; expected the left, since yes means left and "
        "no means right"
    ),
    r"\b(?:bottom|lower|below|under)\b": (
        "that asks for the bottom; expected the top, since yes means top and "
        "no means bottom"
    ),
    r"\b(?:others?|else|besides|apart from|excluding|except)\b": (
        "that leaves objects out; expected a question that does not: a count "
        "includes the object itself"
    ),
}


def parse_question(words: str) -> np.ndarray:
    """Read a question in words.

    Case, punctuation, "grey" and the like do not matter, nor does the choice
    among usual wordings: "nearest", "farthest from", "what shape does … have",
    "left or right". Whatever asks something else than the six subtypes do is
    refused, not guessed at.

    Args:
        words: The question; templates are in ``TEMPLATES``.

    Returns:
        [11] Its bits (uint8).

    Raises:
        ValueError: If it does not name just one of the six colours, or is
            none of the six questions; the message says what was expected.
    """
    if not isinstance(words, str):
        raise ValueError(
            f"`words` is {words!r}, expected a question as text, such as "
            f"{TEMPLATES['shape'].format(color=COLORS[0])!r}"
        )
    text = words.lower().replace("’", "'").replace("grey", "gray")
    text = re.sub(r"\b(what|which)('s|s)\b", r"\1 is", text)
    # Punctuation goes, but for the apostrophe of "the red object's".
    text = " ".join(re.sub(r"[^\w']|(?<!\w)'|'(?!\w)", " ", text).split())
    found = sorted(set(_COLOR.findall(text)), key=COLORS.index)
    if len(found) != 1:
        named = " and ".join(found) if found else "no known colour"
        raise ValueError(
            f"`words` is {words!r}, which names {named}; expected just one of "
            f"{', '.join(COLORS)}"
        )
    text = _COLOR.sub("COLOR", text)
    for name, pattern in _PATTERNS.items():
        if pattern.fullmatch(text):
            return question_vector(
                COLORS.index(found[0]), QUESTION_TYPES.index(name)
            )
    hint = next(
        (say for word, say in _HINTS.items() if re.search(word, text)),
        "that is none of the six questions",
    )
    examples = "; ".join(
        template.format(color=found[0]) for template in TEMPLATES.values()
    )
    raise ValueError(f"`words` is {words!r}: {hint}. Questions are: {examples}")
