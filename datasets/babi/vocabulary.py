"""The closed vocabularies of bAbI v1.2 (English): tasks, words, answers.

Their order is part of the stored format: indices in a store and the columns
of a trained model's input and output refer to these tuples.

>>> tokenize("Where is the milk?")
['where', 'is', 'the', 'milk']
"""

import re
from collections.abc import Iterable, Sequence

#: The 20 tasks, in their order: number and name.
TASKS: tuple[str, ...] = (
    "1 single supporting fact",
    "2 two supporting facts",
    "3 three supporting facts",
    "4 two argument relations",
    "5 three argument relations",
    "6 yes/no questions",
    "7 counting",
    "8 lists and sets",
    "9 simple negation",
    "10 indefinite knowledge",
    "11 basic coreference",
    "12 conjunction",
    "13 compound coreference",
    "14 time reasoning",
    "15 basic deduction",
    "16 basic induction",
    "17 positional reasoning",
    "18 size reasoning",
    "19 path finding",
    "20 agents' motivations",
)

#: Columns of the tables: 20 would be too many → the tasks in each.
CATEGORIES: dict[str, tuple[str, ...]] = {
    "1-3 facts": TASKS[:3],
    "4-5 relations": TASKS[3:5],
    "6-10 yes/no, counts, lists": TASKS[5:10],
    "11-13 coreference": TASKS[10:13],
    "14 time": TASKS[13:14],
    "15-16 deduction, induction": TASKS[14:16],
    "17-19 place, size, path": TASKS[16:19],
    "20 motives": TASKS[19:],
}

PEOPLE: tuple[str, ...] = (
    *(
        "antoine bernhard bill brian daniel emily fred gertrude greg jason "
        "jeff jessica john julie julius lily mary sandra sumit winona yann"
    ).split(),
)
ROOMS = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
THINGS = ("apple", "football", "milk")

PAD = "<pad>"
#: ``<pad>`` and the words of all stories and questions, in lower case.
TOKENS: tuple[str, ...] = (
    PAD,
    *PEOPLE,
    *(
        "a above afraid after afternoon afterwards and apple are back bathroom "
        "bedroom before below bigger blue bored box carrying cat cats chest "
        "chocolate chocolates cinema color container did discarded do does "
        "down dropped east either evening fit fits following football frog "
        "from garden gave get give go got grabbed gray green hallway handed he "
        "how hungry in inside is journeyed kitchen left lion longer many mice "
        "milk morning mouse moved no north not objects of office or pajamas "
        "park passed picked pink put received rectangle red rhino right school "
        "she sheep south sphere square suitcase swan than that the then there "
        "they thirsty this tired to took travelled triangle up was went west "
        "what where white who why will wolf wolves yellow yesterday you"
    ).split(),
)

#: The 60 answers; a list of things, or of steps of a path, is one of them.
ANSWERS: tuple[str, ...] = (
    "yes", "no", "maybe",
    "none", "one", "two", "three",
    *ROOMS, "cinema", "park", "school",
    "Bill", "Fred", "Jeff", "Mary",
    "cat", "mouse", "sheep", "wolf",
    "gray", "green", "white", "yellow",
    "bored", "hungry", "thirsty", "tired",
    "nothing",
    *THINGS,
    *(f"{a},{b}" for a in THINGS for b in THINGS if a != b),
    *(
        f"{a},{b},{c}"
        for a in THINGS for b in THINGS for c in THINGS
        if len({a, b, c}) == 3
    ),
    # A path that turns back is not asked for.
    *(
        f"{a},{b}"
        for a in "ensw" for b in "ensw"
        if a + b not in ("ew", "we", "ns", "sn")
    ),
)  # fmt: skip

_TOKEN_INDEX = {token: i for i, token in enumerate(TOKENS)}
_ANSWER_INDEX = {answer: i for i, answer in enumerate(ANSWERS)}
_WORD = re.compile(r"[^\W_]+|[^\s]")
#: Tasks whose questions have names in lower case: 15 and 20.
_LOWER_NAMES = (14, 19)


def tokenize(text: str) -> list[str]:
    """Split a sentence into lower-case words, without its last mark."""
    words = _WORD.findall(text.lower())
    return words[:-1] if words and words[-1] in ".?" else words


def encode_tokens(words: Iterable[str]) -> list[int]:
    """Map words to their indices in :data:`TOKENS`.

    Raises:
        ValueError: For a word that is none of them; it names the word.
    """
    out = []
    for word in words:
        if word not in _TOKEN_INDEX or word == PAD:
            raise ValueError(
                f"unknown word {word!r}, expected one of bAbI's "
                f"{len(TOKENS) - 1} words, as in "
                f"`datasets/babi/vocabulary.py`"
            )
        out.append(_TOKEN_INDEX[word])
    return out


def encode_answer(answer: str) -> int:
    """Map an answer to its index in :data:`ANSWERS`.

    Raises:
        ValueError: If it is none of the 60.
    """
    if answer not in _ANSWER_INDEX:
        raise ValueError(
            f"unknown answer {answer!r}, expected one of the {len(ANSWERS)} "
            f"of `datasets/babi/vocabulary.py`"
        )
    return _ANSWER_INDEX[answer]


def sentence(tokens: Sequence[int], asks: int | None = None) -> str:
    """Write a sentence as it stands in the files.

    Args:
        tokens: Its words.
        asks: The task (0 to 19) that it is a question of; ``None``: it is a
            sentence of a story.
    """
    names = PEOPLE if asks not in _LOWER_NAMES else ()
    words = [TOKENS[token] for token in tokens]
    words = [word.capitalize() if word in names else word for word in words]
    words[0] = words[0].capitalize()
    return " ".join(words) + ("." if asks is None else "?")
