import pytest
import torch

from rn_graph.models import MostFrequentAnswer, QuestionOnly
from tests.rn_graph.models import model_checks as checks
from tests.rn_graph.models.model_checks import OUT, C


def test_a_question_alone_is_all_that_is_read():
    model = QuestionOnly(OUT, C, readout_channels=(7,)).double()
    data = checks.scenes([2, 0, 3], 0)
    out = model(**data)
    torch.testing.assert_close(out, model.readout(data["question"]))
    data["x"] = torch.randn_like(data["x"])
    assert torch.equal(model(**data), out)
    checks.check_several_questions(model, [2, 3], 0)
    checks.check_gradients(model)


def test_the_most_frequent_answer_of_each_type():
    model = MostFrequentAnswer(num_types=4, num_answers=5)
    types = torch.tensor([0, 0, 0, 1, 1, 2])
    model.fit(types, torch.tensor([4, 2, 4, 3, 1, 0]))
    # Among equally frequent answers, and without any, it is the first.
    assert model(torch.arange(4)).tolist() == [4, 1, 0, 0]
    model.fit(torch.tensor([1, 0, 0]), torch.tensor([3, 2, 2]))
    assert model(torch.tensor([1, 0, 1])).tolist() == [3, 2, 3]
    other = MostFrequentAnswer(4, 5)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(types), model(types))
    assert model(types[:0]).shape == (0,)


def test_small_indices_are_counted_alike():
    types, answers = torch.randint(3, (20,)), torch.randint(6, (20,))
    model, small = MostFrequentAnswer(3, 6), MostFrequentAnswer(3, 6)
    model.fit(types, answers)
    small.fit(types.int(), answers.int())
    assert torch.equal(small.count, model.count)


def test_answers_equal_a_count_by_hand():
    types, answers = torch.randint(3, (200,)), torch.randint(6, (200,))
    model = MostFrequentAnswer(3, 6)
    model.fit(types, answers)
    for kind in range(3):
        given = answers[types == kind].tolist()
        best = min(range(6), key=lambda a: (-given.count(a), a))
        assert model(torch.tensor([kind])).item() == best


@pytest.mark.parametrize(
    ("types", "answers", "error", "text"),
    [
        ([3], [0], ValueError, r"`question_type` holds .* \[0, 3\)"),
        ([0], [4], ValueError, r"`answer` holds .* \[0, 4\)"),
        ([0, 1], [0], ValueError, r"`answer` has shape \[1\], expected \[2\]"),
        ([0.5], [0], TypeError, r"`question_type` is torch.float32"),
    ],
)
def test_bad_input(types, answers, error, text):
    model = MostFrequentAnswer(num_types=3, num_answers=4)
    with pytest.raises(error, match=text):
        model.fit(torch.tensor(types), torch.tensor(answers))
    assert model.count.eq(0).all()


def test_a_type_that_is_not_known():
    with pytest.raises(ValueError, match="`question_type` holds values from 7"):
        MostFrequentAnswer(3, 4)(torch.tensor([7]))
