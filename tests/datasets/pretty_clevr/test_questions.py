import numpy as np
import pytest

from datasets.pretty_clevr.questions import (
    COLORS,
    MARKERS,
    parse_question,
    question_vector,
    question_words,
)


def test_all_questions_are_read_as_they_are_said():
    starts, jumps = np.indices((16, 8)).reshape(2, -1)
    vectors = question_vector(starts, jumps)
    words = [question_words(vector) for vector in vectors]
    assert len(set(words)) == 128
    for start, jump, vector, said in zip(
        starts, jumps, vectors, words, strict=True
    ):
        assert np.flatnonzero(vector).tolist() == [start, 16 + jump]
        assert (COLORS + MARKERS)[start] in said
        assert f"jump {jump} " in said
        assert said.endswith("which marker?" if start < 8 else "which colour?")
        np.testing.assert_array_equal(parse_question(said), vector)


@pytest.mark.parametrize(
    ("words", "start", "jumps"),
    [
        ("Start at the grey one and jump 1 time: which marker", 7, 1),
        (" start at the red  and jump 0 times: which marker?", 0, 0),
        ("START AT THE CROSS AND JUMP 7 TIMES: WHICH COLOR?", 15, 7),
    ],
)
def test_other_wordings(words, start, jumps):
    vector = question_vector(start, jumps)
    np.testing.assert_array_equal(parse_question(words), vector)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "which marker?",
        "start at the mauve one and jump 3 times: which marker?",
        "start at the red one and jump 8 times: which marker?",
        "start at the red one and jump 3 times: which colour?",
        "start at the star and jump 3 times: which marker?",
        "start at the red one and jump 3 times: which marker? why",
    ],
)
def test_what_is_no_question_is_refused(words):
    with pytest.raises(ValueError, match=r"`question` is .* expected one as"):
        parse_question(words)
