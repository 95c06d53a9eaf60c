import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.sort_of_clevr.questions import (
    answer_questions,
    question_family,
    question_vector,
    read_vector,
    sample_questions,
)
from datasets.sort_of_clevr.scenes import Scenes, make_streams, sample_scenes
from datasets.sort_of_clevr.vocabulary import (
    ANSWERS,
    CATEGORIES,
    COLORS,
    QUESTION_TYPES,
)
from tests.datasets.sort_of_clevr.seen import fresh

SEEDS = st.integers(0, 2**32 - 1)


def make(seed, count):
    streams = make_streams(seed, "train", 0, count)
    scenes = sample_scenes(streams)
    return scenes, sample_questions(scenes, streams)


def test_all_36_questions_about_one_scene():
    # red     .         green       squares: red, blue, yellow
    # .       blue      .
    # orange  .  gray   yellow
    center = [[10, 10], [66, 12], [30, 33], [8, 64], [42, 69], [70, 60]]
    scenes = Scenes(np.array([center]), np.array([[0, 1, 0, 1, 1, 0]]))
    color, question_type = np.divmod(np.arange(36), 6)
    answer, decides = answer_questions(
        scenes, np.zeros(36, int), color, question_type
    )
    #           shape    left   top   closest  furthest  count
    expected = """
        square  yes  yes  square  square  3
        circle  no   yes  square  circle  3
        square  yes  yes  square  square  3
        circle  yes  no   circle  circle  3
        circle  no   no   square  square  3
        square  no   no   circle  square  3
    """.split()
    assert [ANSWERS[i] for i in answer] == expected
    found = [set(np.flatnonzero(row).tolist()) for row in decides]
    closest = [2, 2, 0, 4, 5, 4]
    furthest = [5, 3, 5, 1, 0, 0]
    squares, circles = {0, 2, 5}, {1, 3, 4}
    for k in range(6):
        near, far = {k, closest[k]}, {k, furthest[k]}
        alike = squares if k in squares else circles
        assert found[6 * k : 6 * k + 6] == [{k}] * 3 + [near, far, alike]


@given(SEEDS)
@fresh(3)
def test_a_scene_has_ten_different_questions_of_each_kind(seed):
    _, questions = make(seed, 50)
    assert questions.scene.tolist() == [s for s in range(50) for _ in range(20)]
    family = question_family(questions.color, questions.question_type)
    for asked, kinds in zip(
        family.reshape(50, 20),
        questions.question_type.reshape(50, 20) // 3,
        strict=True,
    ):
        assert len(set(asked.tolist())) == 20
        assert kinds.tolist() == [0] * 10 + [1] * 10
    assert questions.num_support.sum() == len(questions.support)
    starts = np.cumsum(questions.num_support) - questions.num_support
    np.testing.assert_array_equal(questions.support[starts], questions.color)


@given(SEEDS)
@fresh(2)
def test_questions_and_answers_are_balanced(seed):
    num = 1500
    _, questions = make(seed, num)
    # Each of the 36 is asked in 10 of 18 scenes: six standard deviations.
    family = question_family(questions.color, questions.question_type)
    counts = np.bincount(family, minlength=36)
    assert abs(counts - num * 10 / 18).max() < 6 * np.sqrt(num * 80) / 18
    # So it is in every place of the order.
    asked = family.reshape(num, 20)
    for place in range(20):
        counts = np.bincount(asked[:, place], minlength=36)
        counts = counts[counts > 0]
        assert len(counts) == 18
        assert abs(counts - num / 18).max() < 6 * np.sqrt(num * 17) / 18
    shapes, sides = {"square": 0.5, "circle": 0.5}, {"yes": 0.5, "no": 0.5}
    expected = {
        "shape": shapes,
        "left": sides,
        "top": sides,
        "closest": shapes,
        "furthest": shapes,
        # The five others have its shape by chance.
        "count": {
            str(n + 1): times / 32
            for n, times in enumerate((1, 5, 10, 10, 5, 1))
        },
    }
    for i, name in enumerate(QUESTION_TYPES):
        answers = questions.answer[questions.question_type == i]
        shares = np.bincount(answers, minlength=len(ANSWERS)) / len(answers)
        for answer, share in zip(ANSWERS, shares, strict=True):
            wanted = expected[name].get(answer, 0)
            # As if a scene had one question: they hang together.
            bound = 6 * np.sqrt(wanted * (1 - wanted) / num)
            assert abs(share - wanted) <= bound, (name, answer)


def test_bits():
    assert question_vector(2, 4).tolist() == [0, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0]
    color, question_type = np.divmod(np.arange(36), 6)
    vector = question_vector(color, question_type)
    assert vector.dtype == np.uint8
    assert len({bytes(row) for row in vector}) == 36
    assert (vector.sum(1) == 3).all()
    # Bit 6: non-relational; bit 7: relational.
    kinds = list(CATEGORIES.values())
    for row, i in zip(vector, question_type, strict=True):
        assert QUESTION_TYPES[i] in kinds[row[6:8].argmax()]
    read = read_vector(vector)
    np.testing.assert_array_equal(read[0], color)
    np.testing.assert_array_equal(read[1], question_type)
    np.testing.assert_array_equal(
        question_family(color, question_type), np.arange(36)
    )
    assert len(COLORS) * len(QUESTION_TYPES) == 36


@pytest.mark.parametrize(
    ("bits", "said"),
    [
        ([1] * 10, r"shape \(10,\), expected \[\*, 11\]"),
        ([0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0], "bits 0 to 5 .the colour"),
        ([1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0], "bits 6 to 7 .the kind"),
        ([1, 0, 0, 0, 0, 0, 1, 0, 2, -1, 0], "bits 8 to 10 .the subtype"),
    ],
)
def test_what_is_no_question_is_refused(bits, said):
    with pytest.raises(ValueError, match=said):
        read_vector(np.array(bits))
    if len(bits) == 11:
        good = question_vector(0, 0).astype(int)
        with pytest.raises(ValueError, match=said):
            read_vector(np.array([good, bits]))
