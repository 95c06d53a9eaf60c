import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import datasets.sort_of_clevr.words as module
from datasets.sort_of_clevr.questions import question_vector
from datasets.sort_of_clevr.vocabulary import (
    COLORS,
    PAD,
    QUESTION_TYPES,
    TOKENS,
)
from datasets.sort_of_clevr.words import parse_question, question_words

TYPES = {name: i for i, name in enumerate(QUESTION_TYPES)}
COLOR = st.integers(0, len(COLORS) - 1)

WORDINGS = {
    "shape": [
        "what shape is the {} object",
        "Which shape does the {} one have?",
        "What's the shape of the {} thing?",
        "what is the {} object's shape?",
        "Is the {} object a square or a circle?",
        "shape of the {} object",
    ],
    "left": [
        "Is the {} object on the left or the right?",
        "is the {} one left or right",
        "is {} on the left-hand side?",
        "Is the {} object in the left half of the picture?",
        "is the {} object to the left?",
    ],
    "top": [
        "is the {} object on the top or on the bottom?",
        "is the {} object in the upper half?",
        "Is the {} thing at the top of the image?",
        "is the {} object top or bottom",
    ],
    "closest": [
        "what shape is the object closest to the {} object",
        "What is the shape of the object nearest to {}?",
        "what is the shape of the object that is closest to the {} one?",
        "what shape does the closest object to the {} object have?",
        "which shape is closest to the {} object?",
    ],
    "furthest": [
        "what is the shape of the object farthest from the {} object?",
        "what shape is the thing furthest away from the {} one?",
        "What is the shape of the most distant object from the {} object?",
        "what is the shape of the furthest object from the {} object?",
    ],
    "count": [
        "how many objects have the same shape as the {} object?",
        "How many things share the shape of the {} one?",
        "how many objects have the {} object's shape?",
        "how many objects are of the same shape as the {} object, itself "
        "included?",
        "how many objects have the shape of the {} object (including it)?",
        "How many objects are shaped like the {} object?",
        "how many objects are there with the same shape as the {} one?",
    ],
}


@given(COLOR, st.sampled_from(QUESTION_TYPES))
def test_words_and_bits_are_each_others_inverse(color, name):
    vector = question_vector(color, TYPES[name])
    words = question_words(vector)
    read = parse_question(words)
    np.testing.assert_array_equal(read, vector)
    assert read.dtype == np.uint8
    assert set(words.replace("?", " ?").split()) <= set(TOKENS)


@given(st.data())
def test_usual_wordings_are_read(data):
    name = data.draw(st.sampled_from(QUESTION_TYPES))
    wording = data.draw(st.sampled_from(WORDINGS[name]))
    color = data.draw(COLOR)
    written = data.draw(
        st.sampled_from(["gray", "grey"])
        if COLORS[color] == "gray"
        else st.just(COLORS[color])
    )
    words = wording.format(written)
    words = data.draw(
        st.sampled_from(
            [words, words.upper(), f"  {words}\n", f"'{words}'", f'"{words}."']
        )
    )
    read = parse_question(words).tolist()
    assert read == question_vector(color, TYPES[name]).tolist()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "names no known colour; expected just one of red, green, blue"),
        ("what is the shape of the purple object?", "purple.*no known colour"),
        ("is the red object left of the blue object?", "names red and blue"),
        ("is the red object on the right?", "expected the left, since yes"),
        ("is the red object right or left?", "expected the left"),
        ("is the red object at the bottom?", "expected the top, since yes"),
        ("how many other objects have red's shape?", "includes the object"),
        (
            "how many objects have the shape of the red object, apart from it",
            "includes the object",
        ),
        ("how many objects are red?", "none of the six questions"),
        ("is the red object a square?", "none of the six questions"),
        ("what is the red object?", "Questions are: what is the shape of the"),
        ("red", "is there|how many objects have the shape of the red object"),
        (None, "`words` is None, expected a question as text"),
        (b"red", "expected a question as text"),
    ],
)
def test_other_questions_are_refused(words, said):
    with pytest.raises(ValueError, match=said) as error:
        parse_question(words)
    assert "`words`" in str(error.value)


WORDS = st.sampled_from(
    [*TOKENS, "right", "other", "nearest", "it's", "é", "'"]
)


@given(st.one_of(st.text(max_size=30), st.lists(WORDS).map(" ".join)))
@settings(max_examples=60)
def test_any_text_is_read_or_refused(words):
    try:
        read = parse_question(words)
    except ValueError as error:
        said = str(error)
        assert said.startswith("`words` is ")
    else:
        assert (
            words.lower()
            .replace("grey", "gray")
            .count(COLORS[int(read[:6].argmax())])
        )


def test_only_one_question_is_put_in_words():
    with pytest.raises(ValueError, match=r"shape \(2, 11\), expected \[11\]"):
        question_words(question_vector(np.arange(2), np.arange(2)))
    with pytest.raises(ValueError, match="bits 0 to 5"):
        question_words(np.zeros(11))


def test_every_token_is_used():
    used = {PAD}
    for color in range(len(COLORS)):
        for name in range(len(QUESTION_TYPES)):
            words = question_words(question_vector(color, name))
            used |= set(words.replace("?", " ?").split())
    assert used == set(TOKENS)
    assert TOKENS[0] == PAD
    assert len(set(TOKENS)) == len(TOKENS)


def test_examples():
    result = doctest.testmod(module)
    assert result.attempted == 2
    assert result.failed == 0
