import itertools
import shutil

import pytest
import yaml

from datasets.files import read_json, write_json
from experiments.cli import parse
from experiments.config import CompareConfig
from experiments.report.results import read_results
from experiments.run import compare
from experiments.run.runs import Run
from tests.experiments.run.fitting import data


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


def test_the_best_depth_on_validation_gets_the_other_seeds(roots, tmp_path):
    command = [
        *("smoke", "--runs", str(tmp_path), *data(roots), "--name", "d"),
        *("--models", "gcn", "--depths", "[1,2]"),
        *("--cost_steps", "1"),
    ]
    compare.main(command)
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
    damaged = tmp_path / f"d/gcn-depth-{best}/seed-0/val.json"
    damaged.write_text('{"accuracy": {"count": 0.5}}')
    with pytest.raises(ValueError, match="holds no figures"):
        compare.main(command)


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
            *("--models", "gcn", "--seeds", "1", "--depths", "[2,1]"),
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


def test_every_budget_is_a_row_of_its_own(smoke, roots, tmp_path):
    compare.main(
        [
            *("smoke", "--runs", str(tmp_path), *data(roots), "--name", "b"),
            *("--models", "rn,rn_knn,rn_random", "--seeds", "1"),
            *("--shares", "[0.5,0.1]", "--cost_steps", "1"),
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
    # No results: at most the lock that was held.
    found = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert {p.name for p in found} <= {".lock"}


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


def test_two_commands_do_not_share_a_folder(tmp_path):
    with (
        compare.alone_in(tmp_path / "runs"),
        pytest.raises(BlockingIOError, match="another command is at work in"),
        compare.alone_in(tmp_path / "runs"),
    ):
        pass
    with compare.alone_in(tmp_path / "runs"):  # free again
        pass


def test_a_plan_says_runs_and_hours_and_trains_nothing(roots, tmp_path, capsys):
    compare.main(
        [
            *("smoke", "--runs", str(tmp_path), *data(roots), "--plan"),
            *("--models", "rn,gcn,most_frequent", "--depths", "[2,3]"),
            *("--seeds", "3", "--train.steps", "1000000"),
        ]
    )
    lines = capsys.readouterr().out.splitlines()
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in lines
        if line.startswith("|")
    ]
    assert rows[0] == ["model", "runs", "ms a step", "hours a run", "hours"]
    # Two depths with the first seed, the better one with two more.
    assert [row[:2] for row in rows[2:5]] == [
        ["RN, all pairs", "3"],
        ["GCN, 2 layers", "4"],
        ["Most frequent answer of the type", "1"],
    ]
    hours = [float(row[4]) for row in rows[2:]]
    assert hours[0] > 0
    assert sum(hours[:-1]) == pytest.approx(hours[-1], abs=0.02)
    assert not list(tmp_path.rglob("*.ckpt"))
    assert not list(tmp_path.rglob("val.json"))
