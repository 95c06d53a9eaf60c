"""Pretty-CLEVR's questions, as vectors and in words.

>>> question_words(question_vector(0, 3))
'start at the red one and jump 3 times: which marker?'
>>> parse_question("Start at the star and jump 1 time: which colour?").nonzero()
(array([13, 17]),)
"""

import re

import numpy as np

from datasets.pretty_clevr.scenes import NUM_OBJECTS

COLORS = (
    "red",
    "green",
    "blue",
    "orange",
    "purple",
    "brown",
    "pink",
    "gray",
)
MARKERS = (
    "circle",
    "square",
    "triangle",
    "diamond",
    "pentagon",
    "star",
    "plus",
    "cross",
)
#: Where one may start, which are the answers too.
STARTS = (*COLORS, *MARKERS)
#: Numbers of jumps: 0 up to all other objects.
JUMPS = range(NUM_OBJECTS)

_FORM = re.compile(
    r"start at the (\w+)(?: one)? and jump (\d+) times?: "
    r"which (colour|marker)\??"
)


def question_vector(
    start: np.ndarray | int, jumps: np.ndarray | int
) -> np.ndarray:
    """[*, 24] Start and number of jumps, each one-hot (uint8).

    Args:
        start: [*] Indices into :data:`STARTS`.
        jumps: [*] Numbers of jumps.
    """
    ones = (
        np.eye(len(STARTS), dtype=np.uint8)[start],
        np.eye(len(JUMPS), dtype=np.uint8)[jumps],
    )
    return np.concatenate(ones, axis=-1)


def question_words(vector: np.ndarray) -> str:
    """Say a question [24] in words."""
    start = int(vector[: len(STARTS)].argmax())
    jumps = int(vector[len(STARTS) :].argmax())
    colored = start < len(COLORS)
    one, asked = (" one", "marker") if colored else ("", "colour")
    times = "time" if jumps == 1 else "times"
    return (
        f"start at the {STARTS[start]}{one} and jump {jumps} {times}: "
        f"which {asked}?"
    )


def parse_question(words: str) -> np.ndarray:
    """Read a question in words: its vector [24].

    Raises:
        ValueError: If it is none.
    """
    text = " ".join(words.lower().split())
    text = text.replace("grey", "gray").replace("color", "colour")
    if found := _FORM.fullmatch(text):
        start, jumps, asked = found[1], int(found[2]), found[3]
        known = {"marker": COLORS, "colour": MARKERS}[asked]
        if start in known and jumps in JUMPS:
            return question_vector(STARTS.index(start), jumps)
    examples = (question_vector(0, 3), question_vector(len(COLORS), 1))
    forms = " or ".join(repr(question_words(v)) for v in examples)
    raise ValueError(
        f"`question` is {words!r}, expected one as {forms}, with a colour of "
        f"{', '.join(COLORS)}, a marker of {', '.join(MARKERS)}, and "
        f"{JUMPS[0]} to {JUMPS[-1]} jumps"
    )
