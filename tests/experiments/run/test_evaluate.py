"""Test figures, made again from what is stored."""

import pytest

from datasets.clevr.task import TASK, ClevrData
from experiments.run import evaluate
from experiments.run.data import Splits
from experiments.run.evaluate import answer_split
from experiments.run.runs import Run
from rn_graph import MostFrequentAnswer
from tests.experiments.run.fitting import data


def test_evaluate_makes_the_same_figures(smoke, roots, capsys):
    for run in ("rn/seed-1", "most_frequent/seed-0"):
        evaluate.main([str(smoke / run), *data(roots)])
        out = capsys.readouterr().out
        assert "\nequal to the stored figures" in out
    with pytest.raises(FileNotFoundError, match=r"run\.json is missing"):
        evaluate.main([str(smoke), *data(roots)])


def test_the_most_frequent_answers_are_those_of_its_own_training(smoke, splits):
    run = Run.read(smoke / "most_frequent/seed-0")
    own = answer_split(run, splits).accuracy()
    other = ClevrData(
        train=7, val=5, test=5, families=["zero_hop"], questions_per_scene=5
    )
    others = Splits(TASK, other, str(splits.folder.parent))
    found = answer_split(run, others, "test", splits)
    assert answer_split(run, others).accuracy() != found.accuracy()
    assert own != found.accuracy()
    model = MostFrequentAnswer(
        len(TASK.schema.question_types), len(TASK.schema.answers)
    )
    model.fit(*splits.types_and_answers("train"))
    types, answers = others.types_and_answers("test")
    expected = (model(types) == answers).double().mean().item()
    assert found.accuracy()["all"] == pytest.approx(expected)
