"""The closed vocabularies of Sort-of-CLEVR: objects, questions, answers.

Their order is part of the data: every index in a made set refers to these
tuples.
"""

COLORS = ("red", "green", "blue", "orange", "gray", "yellow")
SHAPES = ("square", "circle")

#: The colours as they are painted, in RGB.
COLOR_VALUES: tuple[tuple[int, int, int], ...] = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 156, 0),
    (128, 128, 128),
    (255, 255, 0),
)
BACKGROUND = (255, 255, 255)

#: What a stored object's two columns hold.
ATTRIBUTES: dict[str, tuple[str, ...]] = {"color": COLORS, "shape": SHAPES}

#: The three subtypes of each of the two kinds of questions.
NON_RELATIONAL = ("shape", "left", "top")
RELATIONAL = ("closest", "furthest", "count")

#: The two kinds, in which accuracy is reported → their subtypes.
CATEGORIES: dict[str, tuple[str, ...]] = {
    "non-relational": NON_RELATIONAL,
    "relational": RELATIONAL,
}
QUESTION_TYPES = (*NON_RELATIONAL, *RELATIONAL)

#: The 10 answers. "Is it on the left or the right?" and "at the top or the
#: bottom?" are answered by yes for left and for top, no for right and bottom.
ANSWERS: tuple[str, ...] = (
    "yes",
    "no",
    *SHAPES,
    *(str(n) for n in range(1, len(COLORS) + 1)),
)

#: Subtype → its question in words. A count includes the object itself.
TEMPLATES: dict[str, str] = {
    "shape": "what is the shape of the {color} object?",
    "left": "is the {color} object on the left?",
    "top": "is the {color} object at the top?",
    "closest": (
        "what is the shape of the object closest to the {color} object?"
    ),
    "furthest": (
        "what is the shape of the object furthest from the {color} object?"
    ),
    "count": "how many objects have the shape of the {color} object?",
}

PAD = "<pad>"

#: ``<pad>`` and the tokens that make every question.
TOKENS: tuple[str, ...] = (
    PAD,
    *sorted(
        {
            word
            for template in TEMPLATES.values()
            for word in template.replace("?", " ?").split()
            if word != "{color}"
        }
        | set(COLORS)
    ),
)
