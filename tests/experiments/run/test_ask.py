import pytest
import torch

from datasets.clevr.vocabulary import ANSWERS
from experiments.report.draw_pairs import find_scene, objects_of
from experiments.run import ask
from experiments.run.models import MODELS


def test_a_run_answers_and_shows_its_pairs(smoke, tmp_path, capsys):
    out = tmp_path / "asked.png"
    ask.main(
        [
            "What color is the large cube?",
            *("--run", str(smoke / "rn/seed-0"), "--objects", "4"),
            *("--out", str(out), "--pairs", "3"),
        ]
    )
    text = capsys.readouterr().out
    assert "  3  " in text  # the last of 4 objects
    assert "  4  " not in text
    assert text.count(" %") == 5
    assert text.split("object j\n")[1].split("\n\n")[0].count("\n") == 3
    assert out.stat().st_size > 1000


def test_the_reply_is_the_model_s(smoke):
    planned, model = ask.load_model(smoke / "rn/seed-0")
    scene = find_scene(None, 0, 5, seed=8)
    x, pos = objects_of(scene, planned.data.features)
    found = ask.reply(model, x, pos, "How many metal spheres are there?")
    assert found.probability.shape == (len(ANSWERS),)
    assert float(found.probability.sum()) == pytest.approx(1)
    pairs = found.pairs
    assert pairs.edge_index.size(1) == 25
    assert int(pairs.answer) == int(found.probability.argmax())
    torch.testing.assert_close(
        pairs.contribution.sum(),
        (pairs.score - pairs.baseline).sum(),
        rtol=1e-2,  # the integral's midpoint rule
        atol=1e-3,
    )


def test_a_model_without_g_answers_too(smoke, tmp_path, capsys):
    run = str(smoke / "gcn-depth-2/seed-0")
    ask.main(["Are there any red balls?", "--run", run])
    assert "has no g" in capsys.readouterr().out
    out = str(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"`out` is given.*'gcn'"):
        ask.main(["Are there any red balls?", "--run", run, "--out", out])


@pytest.mark.parametrize(
    ("question", "message"),
    [("Is it a rad ball?", "unknown word 'rad'"), (" ", "no words")],
)
def test_bad_questions(smoke, question, message):
    with pytest.raises(ValueError, match=message):
        ask.main([question, "--run", str(smoke / "rn/seed-0")])


def test_bad_runs_and_options(smoke, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run\.json is missing"):
        ask.load_model(tmp_path)
    assert MODELS["most_frequent"].build is None
    with pytest.raises(ValueError, match="'most_frequent' is not a trained"):
        ask.load_model(smoke / "most_frequent/seed-0")
    with pytest.raises(ValueError, match="`objects` is 0"):
        ask.AskConfig("a", "b", objects=0)
    with pytest.raises(ValueError, match="`image` is given without"):
        ask.AskConfig("a", "b", image="images")
