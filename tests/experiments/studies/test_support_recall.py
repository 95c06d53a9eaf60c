import json
from types import SimpleNamespace

import pytest
import torch

from experiments import cli
from experiments.__main__ import main
from experiments.run.data import open_splits
from experiments.run.runs import load_model
from experiments.studies import support_recall as study

TINY = [
    *("--seeds", "1", "--cost_steps", "1", "--threads", "1"),
    *("--train.steps", "4", "--train.val_every", "2"),
    *("--train.batch_size", "20", "--model.hidden_channels", "16"),
    *("--model.readout_channels", "[8]", "--model.num_layers", "2"),
    *("--data.train", "50", "--data.val", "20", "--data.test", "50"),
]


def run(*words):
    main([str(word) for word in words])


@pytest.fixture(scope="module")
def stories(tmp_path_factory):
    """A results folder of models that answer about made stories."""
    runs = tmp_path_factory.mktemp("stories")
    run(
        *("compare", "--task", "babi", "--name", "b", "--runs", runs),
        *("--models", "rn,rn_attention,deep_sets,sequence,most_frequent"),
        *("--shares", "[0.3]", "--data_root", runs / "data", *TINY),
    )
    return runs / "b"


def test_families_are_tabulated(stories):
    lines = (stories / "by_family.md").read_text().splitlines()
    assert [line.split(" | ")[0] for line in lines[2:6]] == [
        line[: line.index(" | ")] for line in lines[2:6]
    ]
    heads = [line.split("|")[1].strip() for line in lines[:6]]
    assert heads[2:4] == [
        "1 single supporting fact",
        "3 three supporting facts",
    ]
    assert heads[4:] == ["mean error", "solved"]
    assert "stories of task 1, 3 made by rn_graph, not released" in lines[-1]
    assert "solved of 2" in (stories / "table.md").read_text()


def test_a_story_is_asked_about(stories, tmp_path, capsys):
    story = tmp_path / "story.txt"
    story.write_text("Mary got the milk.\nMary went to the office.\n")
    command = ("ask", "Where is Mary?", "--run", stories / "rn/seed-0")
    for option in (("--story", story), (f"--story={story}",)):
        run(*command, *option, "--out", tmp_path / "a.png")
        text = capsys.readouterr().out
        assert "  1  Mary went to the office." in text
        assert text.count(" %\n") == 5
        assert "0 Mary got the milk." in text.split("object j")[1]
    with pytest.raises(SystemExit, match="`story` is missing: expected"):
        cli.run(main, [str(word) for word in command])
    story.write_text("Mary got the milk.\nMary ate it.\n")
    words = [str(word) for word in (*command, "--story", story)]
    with pytest.raises(SystemExit, match=r"story.txt, line 2: unknown word"):
        cli.run(main, words)


def test_the_command(stories, tmp_path, capsys):
    names = [
        stories / f"{name}/seed-0" for name in ("rn", "rn_attention-share-0.3")
    ]
    run(
        *("support_recall", *names, "--questions", "60", "--data_root"),
        *(stories.parent / "data", "--out", tmp_path / "a.json"),
    )
    found = json.loads((tmp_path / "a.json").read_text())
    assert list(found) == [str(name) for name in names]
    text = capsys.readouterr().out
    for name, figures in found.items():
        [line] = [line for line in text.splitlines() if name in line]
        assert f"| {figures['questions']:.0f} " in line


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("deep_sets/seed-0", "is a run of 'deep_sets', expected a Relation"),
        ("nope", "is missing"),
    ],
)
def test_runs_that_do_not_fit(stories, name, message):
    with pytest.raises(SystemExit, match=message):
        cli.run(main, ["support_recall", str(stories / name)])
    with pytest.raises(SystemExit, match="`runs` is empty"):
        cli.run(main, ["support_recall"])


def test_data_that_do_not_say_what_decides(smoke):
    with pytest.raises(SystemExit, match="whose data do not say which objects"):
        cli.run(main, ["support_recall", str(smoke / "rn/seed-0")])


def test_the_objects_of_the_strongest_pairs():
    sender, receiver = torch.tensor([[0, 1, 2, 3], [1, 1, 0, 4]])
    weight = torch.tensor([0.1, 0.9, 0.5, 0.7])
    for count, expected in ((1, [1]), (2, [1, 3]), (4, [1, 3, 4, 2])):
        top = study.top_objects(sender, receiver, weight, count)
        assert top.tolist() == expected
    assert len(study.top_objects(sender, receiver, weight, 9)) == 5


def test_figures_against_loops(stories):
    """Each question alone, its pairs one by one."""
    planned, model = load_model(stories / "rn_attention-share-0.3/seed-0")
    root = str(stories.parent / "data")
    data = open_splits(planned.task, planned.data, root, "cpu").dataset("test")
    rows = range(3, 90, 7)
    batch = data[list(rows)]
    with torch.no_grad():
        kept, every = study.kept_pairs(model.model.pairs, model, batch)
        found = {q: (hit, by) for q, hit, by in study.explained(model, batch)}
        for i, row in enumerate(rows):
            one = data[[row]]
            decide = set(one.support.tolist())
            nodes, question = model.encode(one)
            pairs = model.model.pairs(nodes.x, question, nodes.batch, nodes.pos)
            here = [tuple(p) for p in pairs.edge_index.t().tolist()]
            count = sum(a in decide and b in decide and a != b for a, b in here)
            assert kept[i] == count
            assert every[i] == len(decide) * (len(decide) - 1)
            told = study.pair_contributions(
                model.model, nodes.x, question, pos=nodes.pos
            )
            order = told.contribution.argsort(descending=True)
            objects = []
            for p in order:
                for node in told.edge_index[:, p].tolist():
                    if node not in objects:
                        objects.append(node)
            hit = len(decide & set(objects[: len(decide)])) / len(decide)
            assert found[i][0] == pytest.approx(hit, abs=1e-6)
            assert found[i][1] == pytest.approx(len(decide) / len(nodes.x))


def test_what_is_answered_wrong_does_not_count(stories):
    planned, model = load_model(stories / "rn/seed-0")
    root = str(stories.parent / "data")
    data = open_splits(planned.task, planned.data, root, "cpu").dataset("test")
    batch = data[list(range(40))]
    right = model(batch).argmax(-1)
    half = torch.arange(40) < 20
    batch.y = torch.where(half, right, (right + 1) % 60)
    figures = study.recall(model, [batch], None)
    assert set(figures) == {"questions", "explained", "explained, chance"}
    assert figures["questions"] == 20
    only = SimpleNamespace(**batch.to_dict())
    hits = [h for q, h, _ in study.explained(model, only) if q < 20]
    assert figures["explained"] == pytest.approx(100 * sum(hits) / 20)
    batch.y = (right + 1) % 60
    assert study.recall(model, [batch], None) == {"questions": 0}


def test_a_selection_is_measured_beside_chance(stories):
    planned, model = load_model(stories / "rn_attention-share-0.3/seed-0")
    root = str(stories.parent / "data")
    data = open_splits(planned.task, planned.data, root, "cpu").dataset("test")
    batch = data[list(range(50, 100))]  # of three sentences that decide
    batch.y = model(batch).argmax(-1)
    figures = study.recall(model, [batch], planned.share)
    kept, every = study.kept_pairs(model.model.pairs, model, batch)
    share = 100 * float(kept.sum() / every.sum())
    assert figures["selected"] == pytest.approx(share)
    # Three in ten pairs are drawn; 95 % of so many draws lie within.
    assert 15 < figures["selected, chance"] < 50
