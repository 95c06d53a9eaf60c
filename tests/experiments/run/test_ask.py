import pytest
import torch

from datasets.clevr.vocabulary import ANSWERS
from datasets.task import Source
from experiments.run import ask
from experiments.run.models import MODELS
from experiments.run.runs import load_model
from rn_graph.encoders import Nodes
from rn_graph.explain import PairContributions


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
    planned, model = load_model(smoke / "rn/seed-0")
    scene = planned.task.find_scene(
        Source(objects=5, seed=8), planned.task.settings()
    )
    question = "How many metal spheres are there?"
    batch = planned.task.batch(scene, question, planned.data)
    found = ask.reply(model, batch)
    assert found.probability.shape == (len(ANSWERS),)
    scores = model(batch)[0].softmax(-1)
    torch.testing.assert_close(found.probability, scores)
    assert torch.equal(found.nodes.x, batch.x)
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


@pytest.mark.parametrize("name", ["film", "stacked_attention"])
def test_a_model_over_cells_answers_about_a_picture(pictures, name, capsys):
    asked = "what is the shape of the object closest to the red object?"
    ask.main([asked, "--run", str(pictures / name / "seed-0")])
    text = capsys.readouterr().out
    assert "row 5, column 5" in text
    assert text.count(" %") == 5
    assert "has no g" in text


@pytest.mark.parametrize(
    ("question", "message"),
    [("Is it a rad ball?", "unknown word 'rad'"), (" ", "no words")],
)
def test_bad_questions(smoke, question, message):
    with pytest.raises(ValueError, match=message):
        ask.main([question, "--run", str(smoke / "rn/seed-0")])


def test_objects_without_names_are_called_after_their_place():
    x, row = torch.zeros(2, 1), torch.zeros(2).long()
    places = torch.tensor([[0.25, -1.0], [0.5, 0.125]])
    nodes = Nodes(x, row, places)
    assert ask.names_of(["a", "b"], nodes) == ["a", "b"]
    assert ask.names_of([], nodes) == ["at (0.25, -1.00)", "at (0.50, 0.12)"]
    assert ask.names_of([], Nodes(x, row)) == ["", ""]


def test_of_many_pairs_those_that_spoke_most_are_drawn():
    edges = torch.stack([torch.arange(6), torch.arange(6).flip(0)])
    score = torch.tensor([0.5, -2.0, 0.1, 0.9, 0.0, 0.3])
    one = torch.zeros(1)
    found = PairContributions(edges, one, score, one, one, one)
    for count, kept in ((2, [0, 3]), (3, [0, 3, 5]), (100, [0, 2, 3, 5])):
        shown = ask.strongest(found, count)
        assert shown.edge_index.tolist() == edges[:, kept].tolist()
        assert shown.edge_weight.tolist() == score[kept].tolist()


def test_bad_runs_and_options(smoke, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run\.json is missing"):
        load_model(tmp_path)
    assert MODELS["most_frequent"].build is None
    with pytest.raises(ValueError, match="'most_frequent' is not a trained"):
        load_model(smoke / "most_frequent/seed-0")
    run = str(smoke / "rn/seed-0")
    with pytest.raises(ValueError, match=r"`image` is 'a\.png' without `sc"):
        ask.main(["What color is it?", "--run", run, "--image", "a.png"])
    for key in ("question", "run"):
        options = {"question": "a", "run": "b", key: ""}
        with pytest.raises(ValueError, match=f"`{key}` is missing"):
            ask.AskConfig(**options)
