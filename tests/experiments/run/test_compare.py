import itertools
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from datasets.clevr.generate import GENERATOR_VERSION
from datasets.clevr.vocabulary import ANSWERS, QUESTION_TYPES
from datasets.files import read_json, write_json
from experiments.cli import parse
from experiments.config import (
    CompareConfig,
    DataConfig,
    ModelConfig,
    TrainConfig,
)
from experiments.report.results import read_results
from experiments.run import compare, evaluate
from experiments.run.data import Splits
from experiments.run.evaluate import answer_split
from experiments.run.models import MODELS, Plan, label
from experiments.run.runs import Run, load_model
from rn_graph import MostFrequentAnswer


def test_smoke_runs_end_to_end(smoke):
    results = read_results(smoke)
    assert [(r.name, r.share, r.depth) for r in results] == [
        ("rn", None, None),
        ("rn_attention", 0.35, None),
        ("rn_distilled", 0.35, None),
        ("gcn", None, 2),
        ("pna_knn", 0.35, 2),
        ("deep_sets", None, None),
        ("lstm", None, None),
        ("most_frequent", None, None),
    ]
    for result in results:
        assert 0 <= result.mean("all") <= 1
        if result.name == "most_frequent":
            continue
        assert len(result.runs) == 2
        assert result.cost("step_ms") > 0
        assert result.cost("memory_mib") > 0
        assert result.cost("flops") > 1000
        assert list(result.band.index) == [4, 8]
    parameters = results[0].cost("parameters")
    for result in results[1:5]:
        ratio = result.cost("parameters") / parameters
        assert 0.9 <= ratio <= 1.1
    for name in ("learning_curves", "categories", "cost"):
        assert (smoke / "plots" / f"{name}.png").stat().st_size > 1000
    config = yaml.safe_load((smoke / "config.yaml").read_text())
    assert config["name"] == "smoke"
    assert (smoke / "rn/seed-0/tensorboard").is_dir()


def test_a_run_says_where_it_comes_from(smoke, roots):
    run = read_json(smoke / "rn" / "seed-1" / "run.json")
    assert run["settings"]["seed"] == 1
    assert run["versions"]["torch"]
    assert run["machine"]["cores"] >= 1
    for path in smoke.rglob("*.json"):
        assert str(roots[0].parent) not in path.read_text()


def test_what_is_done_is_not_done_again(smoke, roots, capsys):
    before = {p: p.stat().st_mtime_ns for p in smoke.rglob("seed-*/*.json")}
    # On another machine's accelerator it is the same run.
    again = ["smoke", "--runs", str(roots[0]), "--train.accelerator", "auto"]
    compare.main([*again, *data(roots)])
    assert before == {p: p.stat().st_mtime_ns for p in before}
    assert "Measuring" not in capsys.readouterr().out


def test_other_settings_need_another_name(smoke, roots):
    with pytest.raises(ValueError, match=r"`train\.clip` = 5\.0.*with 1\.0"):
        compare.main(
            [
                *("smoke", "--runs", str(roots[0]), *data(roots)),
                *("--train.clip", "1.0"),
            ]
        )


def test_a_table_has_one_protocol(smoke, roots, tmp_path):
    """A model that joins a folder is trained as those that are there."""
    folder = tmp_path / "smoke"
    shutil.copytree(smoke, folder)
    before = (folder / "config.yaml").read_text()
    argv = ["smoke", "--runs", str(tmp_path), *data(roots), "--models", "sage"]
    with pytest.raises(ValueError, match=r"`train\.steps` = 8.*with 16"):
        compare.main([*argv, "--train.steps", "16"])
    assert not list(folder.glob("sage*"))
    assert (folder / "config.yaml").read_text() == before


def test_data_of_another_generator_is_not_gone_on_with(smoke):
    folder = smoke / "rn/seed-0"
    run = Run.read(folder)
    assert run.settings["generator"] == GENERATOR_VERSION
    newer = Run(folder, run.settings | {"generator": GENERATOR_VERSION + 1})
    with pytest.raises(ValueError, match=r"made with `generator` = \d"):
        newer.begin()
    # Runs from before it was written down are of the first one.
    older = {k: v for k, v in run.settings.items() if k != "generator"}
    Run(folder, older | {"seed": 0}).check_same(
        Run(folder, run.settings | {"generator": 1})
    )


def test_nearest_pairs_are_of_two_objects(sizes):
    """A small budget is not spent on objects paired with themselves."""
    for name in "rn_knn", "edge_knn":
        plan = Plan(sizes, 18, 12, depth=1, share=0.2)
        model = MODELS[name].build(plan).model
        x, pos = torch.randn(10, 18), torch.randn(10, 3)
        edges = model.pairs(x, pos=pos).edge_index
        assert edges.size(1) == 20
        assert (edges[0] != edges[1]).all()


def test_the_best_depth_on_validation_gets_the_other_seeds(roots, tmp_path):
    compare.main(
        [
            *("smoke", "--runs", str(tmp_path), *data(roots), "--name", "d"),
            *("--models", "gcn", "--model.depths", "[1,2]"),
            *("--cost_steps", "1"),
        ]
    )
    val = {
        depth: read_json(tmp_path / f"d/gcn-depth-{depth}/seed-0/val.json")
        for depth in (1, 2)
    }
    best = max(val, key=lambda depth: val[depth]["accuracy"]["all"])
    lost = tmp_path / f"d/gcn-depth-{3 - best}"
    assert not (lost / "seed-0" / "test.json").exists()
    assert not (lost / "seed-1").exists()
    [result] = read_results(tmp_path / "d")
    assert result.depth == best
    assert len(result.runs) == 2


def test_the_best_learning_rate_on_validation_gets_the_other_seeds(
    roots, tmp_path
):
    folder = tmp_path / "d"
    command = [
        *("smoke", "--runs", str(tmp_path), *data(roots), "--name", "d"),
        *("--cost_steps", "1", "--train.learning_rate", "0.003"),
    ]
    folders = {1e-9: "deep_sets-rate-1e-09", 0.003: "deep_sets"}

    def best(*rates):
        def validation(rate):
            found = read_json(folder / folders[rate] / "seed-0" / "val.json")
            return found["accuracy"]["all"]

        return max(rates, key=validation)

    tried = ["--models", "deep_sets,most_frequent"]
    tried += ["--learning_rates", "[1e-9,0.003]"]
    compare.main([*command, *tried])
    for rate, name in folders.items():
        chosen = rate == best(*folders)
        assert Run.read(folder / name / "seed-0").train.learning_rate == rate
        assert (folder / name / "seed-0" / "test.json").exists() == chosen
        assert (folder / name / "seed-1").exists() == chosen
    sets, untrained = read_results(folder)
    assert sets.learning_rate == best(*folders)
    assert len(sets.runs) == 2
    assert untrained.learning_rate is None
    # What a step costs is measured once, at whatever rate.
    assert len(list(folder.glob("*/seed-*/cost.json"))) == 1
    assert sets.cost("step_ms") > 0
    # What is not trained has no rate: one is asked for all the same.
    compare.main([*command, *tried, "--models", "most_frequent"])
    # Another rate is tried later, and stands if it is better.
    folders[0.01] = "deep_sets-rate-0.01"
    compare.main([*command, *tried[:-1], "[1e-9,0.003,0.01]"])
    assert read_results(folder)[0].learning_rate == best(*folders)


def test_of_equal_variants_the_smallest_is_chosen_and_stands(roots, tmp_path):
    folder = tmp_path / "d"
    config = parse(
        CompareConfig,
        [
            *("smoke", "--runs", str(tmp_path), *data(roots), "--name", "d"),
            *("--models", "gcn", "--seeds", "1", "--model.depths", "[2,1]"),
            *("--train.learning_rate", "0.2", "--learning_rates", "[0.2,0.1]"),
        ],
        "compare",
        "help",
    )
    comparison = compare.Comparison(config)
    names = ["gcn-depth-2", "gcn-depth-1", "gcn-depth-1-rate-0.1"]
    for depth, rate in itertools.product([2, 1], [0.2, 0.1]):
        run = comparison.plan(compare.Variant("gcn", None, depth, rate), 0)
        run.begin()
        found = {"accuracy": {"all": 0.5}, "seconds": 1.0}
        write_json(run.folder / "val.json", found)
        if run.folder.parent.name in names:
            write_json(run.folder / "test.json", found)
    tried = [
        compare.Variant("gcn", None, depth, rate)
        for depth in comparison.depths("gcn")
        for rate in comparison.rates("gcn")
    ]
    assert comparison.best(tried) == ("gcn", None, 1, 0.1)
    [result] = read_results(folder)
    assert (result.depth, result.learning_rate) == (1, 0.1)
    # What is tested at a rate that is not asked for stands in the way, since
    # it would stand in the table. What lost does not.
    config.learning_rates = []
    message = (
        r"gcn-depth-1-rate-0\.1/seed-0 was .*`train\.learning_rate` = 0\.1"
    )
    with pytest.raises(ValueError, match=message):
        compare.Comparison(config).run()


def test_trainings_end_with_the_command_that_began_them(roots, tmp_path):
    command = [
        *(sys.executable, "-m", "experiments", "compare", "smoke"),
        *("--runs", str(tmp_path), *data(roots), "--jobs", "2"),
        *("--models", "rn,deep_sets", "--seeds", "1"),
        *("--train.steps", "1000000"),
    ]
    with (tmp_path / "output").open("wb") as output:
        main = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        children = Path(f"/proc/{main.pid}/task/{main.pid}/children")
        if not children.exists():
            pytest.skip("this system does not list a process's children")
        logs = "smoke/*/seed-0/checkpoints/last.ckpt"
        _wait(lambda: len(list(tmp_path.glob(logs))) == 2)
        started = children.read_text().split()
    finally:
        main.kill()
        main.wait()
    assert len(started) >= 2
    _wait(lambda: not any(map(_runs, started)))


def _runs(pid):
    """Whether a process is there, and no zombie that nobody buries."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return "State:\tZ" not in status


def _wait(until, seconds=120):
    for _ in range(10 * seconds):
        if until():
            return
        time.sleep(0.1)
    pytest.fail(f"not within {seconds} seconds")


def test_costs_are_measured_in_rounds_and_the_fastest_counts(
    roots, tmp_path, monkeypatch
):
    seen = []
    times = {"rn": [5.0, 3.0, 4.0, 2.0], "deep_sets": [1.0, 2.0, 3.0, 4.0]}

    def measured(folder, steps, threads, data_root):
        name = folder.parent.name
        seen.append(name)
        return {"step_ms": times[name].pop(0), "memory_mib": 7.0}

    monkeypatch.setattr(compare, "measure_apart", measured)
    argv = [
        *("smoke", "--runs", str(tmp_path), *data(roots), "--seeds", "1"),
        *("--models", "rn,deep_sets,most_frequent"),
    ]

    def costs(rounds):
        compare.main([*argv, "--cost_rounds", str(rounds)])
        return [
            read_json(tmp_path / f"smoke/{name}/seed-0/cost.json")
            for name in times
        ]

    rn, deep_sets = costs(3)
    assert seen == ["rn", "deep_sets"] * 3
    assert (rn["step_ms"], deep_sets["step_ms"]) == (3.0, 1.0)
    assert costs(3) == [rn, deep_sets]
    rn, deep_sets = costs(4)
    assert seen == ["rn", "deep_sets"] * 4
    assert (rn["step_ms"], deep_sets["step_ms"]) == (2.0, 1.0)
    assert rn["rounds"] == 4
    # What was measured in another way is no round of the same.
    times["rn"], times["deep_sets"] = [9.0], [8.0]
    argv += ["--cost_steps", "5"]
    assert [c["step_ms"] for c in costs(1)] == [9.0, 8.0]
    with pytest.raises(ValueError, match=r"`cost_rounds` is 0, expected"):
        costs(0)


def test_trainings_side_by_side_give_the_same(smoke, roots, tmp_path):
    compare.main(
        [
            *("smoke", "--runs", str(tmp_path), *data(roots), "--jobs", "2"),
            *("--models", "rn,lstm", "--seeds", "1", "--cost_steps", "1"),
        ]
    )
    for name in ("rn", "lstm"):
        path = f"{name}/seed-0/val.json"
        side_by_side = read_json(tmp_path / "smoke" / path)
        alone = read_json(smoke / path)
        assert side_by_side["accuracy"] == alone["accuracy"]


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
    other = DataConfig(
        train=7, val=5, test=5, families=["zero_hop"], questions_per_scene=5
    )
    others = Splits(other, str(splits.folder.parent))
    found = answer_split(run, others, "test", splits)
    assert answer_split(run, others).accuracy() != found.accuracy()
    assert own != found.accuracy()
    model = MostFrequentAnswer(len(QUESTION_TYPES), len(ANSWERS))
    model.fit(*splits.types_and_answers("train"))
    types, answers = others.types_and_answers("test")
    expected = (model(types) == answers).double().mean().item()
    assert found.accuracy()["all"] == pytest.approx(expected)


def test_every_budget_is_a_row_of_its_own(smoke, roots, tmp_path):
    compare.main(
        [
            *("smoke", "--runs", str(tmp_path), *data(roots), "--name", "b"),
            *("--models", "rn,rn_knn,rn_random", "--seeds", "1"),
            *("--model.shares", "[0.5,0.1]", "--cost_steps", "1"),
        ]
    )
    results = read_results(tmp_path / "b")
    assert [(r.name, r.share) for r in results] == [
        ("rn", None),
        ("rn_knn", 0.1),
        ("rn_knn", 0.5),
        ("rn_random", 0.1),
        ("rn_random", 0.5),
    ]
    pairs = [r.cost("pairs") for r in results]
    # ⌈share · N²⌉ of each scene
    assert 0.1 * pairs[0] <= pairs[1] == pairs[3] <= 0.1 * pairs[0] + 1
    assert 0.5 * pairs[0] <= pairs[2] == pairs[4] <= 0.5 * pairs[0] + 1
    assert (tmp_path / "b/plots/pairs.png").stat().st_size > 1000


def test_a_reference_without_choices_is_needed(smoke, roots, tmp_path):
    for name in ("gcn", "rn_knn", "most_frequent"):
        with pytest.raises(ValueError, match=f"`reference` is '{name}'"):
            compare.main(
                [
                    *("smoke", "--runs", str(tmp_path), *data(roots)),
                    *("--reference", name, "--models", "deep_sets"),
                ]
            )
    assert not list(tmp_path.iterdir())


def test_a_model_begins_with_the_weights_of_a_run(smoke, roots, tmp_path):
    init = smoke / "rn/seed-0"
    options = [
        *("smoke", "--runs", str(tmp_path), *data(roots), "--seeds", "1"),
        *("--models", "rn_attention", "--train.init", str(init)),
    ]
    # With next to no learning, what is trained is what it began with.
    compare.main([*options, "--train.learning_rate", "1e-12"])
    given = load_model(init)[1].state_dict()
    run = tmp_path / "smoke/rn_attention-share-0.35/seed-0"
    found = load_model(run)[1].state_dict()
    assert any(
        name.startswith("model.pairs") for name in set(found) - set(given)
    )
    for name, value in given.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-9)

    wide = ["--name", "wide", "--model.hidden_channels", "24"]
    with pytest.raises(
        ValueError, match=r"`train.init` is .* has shape .*this"
    ):
        compare.main([*options, *wide])


def test_labels():
    assert label("rn", None, None) == "RN, all pairs"
    assert label("gcn_knn", 0.125, 1) == "GCN, nearest pairs (12.5 %), 1 layer"


def test_pna_gets_the_degrees_of_the_training_graphs(smoke):
    degrees = read_json(smoke / "pna_knn-share-0.35-depth-2/seed-0/run.json")[
        "settings"
    ]["degrees"]
    config = yaml.safe_load((smoke / "config.yaml").read_text())
    # 40 scenes of 3 to 10 objects, some of which two batches share.
    assert sum(degrees) >= 3 * config["data"]["train"]
    assert sum(degrees[1:]) > 0
    rn = read_json(smoke / "rn/seed-0/run.json")["settings"]
    assert rn["degrees"] is None


def test_a_run_reads_back(tmp_path):
    config = CompareConfig(
        runs=str(tmp_path), model=ModelConfig(dropout=0.1), train=TrainConfig()
    )
    plan = Plan(config.model, 18, 57, 3, 0.2, [0, 5])
    run = Run.plan(config, "gcn_knn", 2, plan)
    run.begin()
    folder = tmp_path / "compare" / "gcn_knn-share-0.2-depth-3" / "seed-2"
    again = Run.read(folder)
    assert again.settings == run.settings
    assert again.sizes == config.model
    (again.folder / "run.json").write_text("{")
    with pytest.raises(ValueError, match="does not hold JSON"):
        Run.read(again.folder)


def data(roots):
    return ("--data_root", str(roots[1]))


@pytest.mark.parametrize("damage", ["text", "cut", "empty", "other"])
def test_a_damaged_checkpoint_is_named(smoke, roots, tmp_path, damage):
    folder = tmp_path / "seed-0"
    shutil.copytree(smoke / "rn/seed-0", folder)
    path = folder / "checkpoints/best.ckpt"
    whole = path.read_bytes()
    if damage == "other":
        shutil.copy(smoke / "deep_sets/seed-0/checkpoints/best.ckpt", path)
    else:
        some = {"text": b"hi", "cut": whole[: len(whole) // 2], "empty": b""}
        path.write_bytes(some[damage])
    message = "another model" if damage == "other" else "is damaged"
    with pytest.raises(ValueError, match=rf"best\.ckpt .*{message}"):
        evaluate.main([str(folder), *data(roots)])


@pytest.mark.parametrize("text", ["{}", "[]", '{"settings": {}}', "5"])
def test_a_foreign_run_file_is_named(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=r"run\.json lacks a run's settings"):
        Run.read(tmp_path)


def test_an_unknown_model_is_named(smoke, tmp_path):
    run = json.loads((smoke / "rn/seed-0/run.json").read_text())
    run["settings"]["model"] = "foo"
    (tmp_path / "run.json").write_text(json.dumps(run))
    with pytest.raises(ValueError, match="names the model 'foo'"):
        Run.read(tmp_path)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
def test_results_stay_inside_their_folder(name):
    with pytest.raises(ValueError, match="`name` is"):
        CompareConfig(name=name)
