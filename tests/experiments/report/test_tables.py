import json
import shutil

import pytest

from experiments.report import tables as report
from experiments.report.export import EXPORTED
from experiments.report.frames import read_csv, read_frames
from experiments.report.results import read_results
from experiments.run.runs import load_model
from tests.experiments.report.made import result


def cells(table):
    return [[c.strip() for c in line.split("|")[1:-1]] for line in table]


def test_a_table_says_learning_rates_where_they_differ():
    def table(*rates):
        results = [
            result(name, rate=rate)
            for name, rate in zip(("rn", "deep_sets"), rates, strict=True)
        ]
        results.append(result("most_frequent"))
        terminal = report.terminal(results)
        assert ("learning rate" in terminal) == (rates[0] != rates[1])
        return cells(report.markdown(results).splitlines())

    same = table(0.01, 0.01)
    assert same[0][:2] == ["model", "pairs a scene"]
    header, _, *rows = table(0.01, 0.02)
    assert header[:3] == ["model", "learning rate", "pairs a scene"]
    assert [row[1] for row in rows] == ["0.01", "0.02", "–"]
    assert {len(row) for row in rows} == {len(header)} == {len(same[0]) + 1}


def test_costs_have_their_units():
    cost = {"pairs": 0.0, "parameters": 465188, "flops": 7296561.8}
    cost |= {"step_ms": 141.747, "memory_mib": 326.0}
    *_, row = cells(report.markdown([result("rn", cost=cost)]).splitlines())
    assert row[1:6] == ["0", "465,188", "7.30 M", "141.7", "326 MiB"]


#: Of 0.95 and more a family counts as solved.
SOLVED = [
    {"a": 0.95, "b": 0.949, "c": 1.0, "d": None},
    {"a": 0.96, "b": 0.5, "c": 0.94, "d": None},
    {"a": 1.0, "b": 1.0, "c": 1.0, "d": None},
]


def test_families_that_are_solved_are_counted():
    options = {"accuracy": (0.5, 0.6, 0.7), "task": "babi"}
    options["stores.test.source"] = "somewhere"
    results = [
        result("rn", families=SOLVED, **options),
        result("deep_sets", families=SOLVED[:1] * 3, **options),
    ]
    assert results[0].solved == [2, 1, 3]
    for table in (report.markdown(results), report.short(results)):
        header, _, first, second = cells(table.splitlines())
        assert header[-1] == "solved of 3"
        assert (first[-1], second[-1]) == ("2 (1 to 3)", "2")
    assert "solved of 3" in report.terminal(results).split("\n\n")[1]
    *table, _, source = report.by_family(results).splitlines()
    header, _, *rows = cells(table)
    assert header == ["%", "RN, all pairs", "Deep Sets"]
    assert rows == [
        ["a", "96.0", "95.0"],
        ["b", "94.9", "94.9"],
        ["c", "100.0", "100.0"],
        # Of each seed the mean, of the seeds the median.
        ["mean error", "3.37", "3.37"],
        ["solved", "2 (1 to 3)", "2"],
    ]
    assert source == "Data: test: somewhere."


def test_a_task_that_counts_none():
    table = report.markdown([result("rn", families=[{"a": 1.0}])])
    assert "solved" not in table


def test_report_is_made_from_the_folder_alone(smoke, tmp_path):
    folder = tmp_path / "smoke"
    shutil.copytree(smoke, folder)
    for path in ("runs.csv", "curves.csv", "families.csv", "table.md"):
        (folder / path).unlink()
    shutil.rmtree(folder / "plots")
    test = folder / "rn" / "seed-0" / "test.json"
    test.write_text(json.dumps({"accuracy": {"all": 0.5, "count": 0.25}}))
    test = folder / "rn" / "seed-1" / "test.json"
    test.write_text(json.dumps({"accuracy": {"all": 0.7, "count": 0.75}}))

    readme = tmp_path / "README.md"
    readme.write_text(
        "before\n<!-- results:smoke -->\nold\n<!-- /results:smoke -->\nafter"
    )
    report.main([str(folder), "--readme", str(readme)])
    text = readme.read_text()
    assert "old" not in text
    assert text.startswith("before\n<!-- results:smoke -->\n|")
    assert text.endswith("|\n<!-- /results:smoke -->\nafter")
    assert (folder / "table.md").read_text().strip() in text
    # Mean 60, s = 14.142, t(0.975, 1) = 12.7062: ± 127.1.
    assert "60.0 ± 127.1" in text
    assert "RN, all pairs" in text
    saved = read_csv(folder / "runs.csv").set_index("run")
    assert list(saved.loc[["rn/seed-0", "rn/seed-1"], "test/count"]) == [
        0.25,
        0.75,
    ]
    assert saved.loc["rn/seed-0", "test/exist":"test/exist"].isna().all()


def test_what_is_published_says_the_same(smoke, tmp_path):
    out = tmp_path / "smoke"
    names = ["rn/seed-0", "gcn-depth-2/seed-1"]
    report.main(
        [str(smoke), "--publish", str(out), "--weights", ",".join(names)]
    )
    kept = sorted(path.parent for path in out.rglob(EXPORTED))
    assert kept == sorted(out / name for name in names)
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [
            *("config.yaml", "runs.csv", "curves.csv", "families.csv"),
            *("table.md", "plots", "runs.zip", "rn", "gcn-depth-2"),
        ]
    )
    assert (out / "plots" / "cost.png").exists()
    for name in names:
        assert not (out / name / "logs").exists()
        load_model(out / name)
    # Those that are not there any more stand in it all the same.
    for live, published in zip(
        read_frames(smoke), read_frames(out), strict=True
    ):
        assert live.equals(published)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    report.main([str(out)])
    assert {p: p.read_bytes() for p in before} == before
    assert len(read_results(out)) == 8


def test_what_is_not_there_is_not_published(smoke, tmp_path):
    out = ["--publish", str(tmp_path / "out")]
    with pytest.raises(FileNotFoundError, match=r"run\.json is missing"):
        report.main([str(smoke), *out, "--weights", "rn/seed-7"])
    with pytest.raises(ValueError, match="not a trained"):
        report.main([str(smoke), *out, "--weights", "most_frequent/seed-0"])
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match=r"`weights` is .* without"):
        report.main([str(smoke), "--weights", "rn/seed-0"])


def test_report_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="no finished run"):
        report.main([str(tmp_path)])
    readme = tmp_path / "README.md"
    with pytest.raises(FileNotFoundError, match="README"):
        report.insert(readme, "quick", "")
    readme.write_text("<!-- results:quick -->")
    with pytest.raises(ValueError, match="once each"):
        report.insert(readme, "quick", "")


def test_training_cost_is_that_of_the_step_that_reached_the_aim():
    curves = [{10: 0.5, 20: 0.8, 40: 0.9}, {10: 0.5, 20: 0.6, 40: 0.9}]
    made = {"cost": {"step_ms": 1500.0, "flops": 2e6}, "batch_size": 50_000}
    found = result("rn", curves=curves, **made)
    taken_over = result("rn", curves=curves, **made, init="runs/quick")
    lost = result("lstm", curves=curves[:1], **made)
    assert "2.00 M" in report.training_cost([taken_over], 90)
    assert "12.0 T" not in report.training_cost([taken_over], 90)
    table = report.training_cost([found, result("most_frequent")], 90)
    header, _, first = table.splitlines()
    assert "to 90 % on validation" in header
    # 40 × 50,000 questions; 40 × 1.5 s; 3 × 2e6 FLOPs for each question.
    assert cells([first]) == [
        ["RN, all pairs", "40", "2.00 M", "1.0", "12.0 T"]
    ]
    assert "not reached" in report.training_cost([lost], 95)


def test_accuracy_by_the_share_of_the_pairs():
    results = [
        result("rn", None, accuracy=[0.9]),
        result("rn_knn", 0.05, accuracy=[0.4]),
        result("rn_knn", 0.2, accuracy=[0.6, 0.62]),
        result("rn_random", 0.2, accuracy=[0.5]),
    ]
    table = cells(report.by_share(results).splitlines())
    assert table[0] == ["share of the pairs", "5 %", "20 %", "100 %"]
    assert table[2:] == [
        ["RN, all pairs", "–", "–", "90.0"],
        ["RN, nearest pairs", "40.0", "61.0 ± 12.7", "–"],
        ["RN, random pairs", "–", "50.0", "–"],
    ]


def test_a_page_has_some_of_the_tables(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- results:a-shares --> <!-- /results:a-shares -->")
    report.insert_some(page, {"a": "| whole |", "a-shares": "| short |"})
    assert "| short |" in page.read_text()
    assert "whole" not in page.read_text()
    with pytest.raises(ValueError, match=r"<!-- results:b --> and .* once"):
        report.insert_some(page, {"b": "| whole |"})


def test_the_aim_gets_a_table_of_its_own(smoke, tmp_path):
    folder = tmp_path / "smoke"
    shutil.copytree(smoke, folder)
    readme = tmp_path / "README.md"
    names = "smoke", "smoke-aim"
    readme.write_text(
        "\n".join(f"<!-- results:{n} -->\n<!-- /results:{n} -->" for n in names)
    )
    report.main([str(folder), "--readme", str(readme), "--aim", "0.5"])
    table = (folder / "training_cost.md").read_text()
    assert table in readme.read_text()
    assert (folder / "table.md").read_text() in readme.read_text()
    with pytest.raises(ValueError, match=r"`aim` is 101.0, expected a perc"):
        report.main([str(folder), "--aim", "101"])


def test_figures_are_said_in_words():
    said = report.in_words(
        [
            result("rn", accuracy=(0.93,), curves=({1: 0.5},)),
            result("deep_sets", accuracy=(0.81,), curves=({1: 0.5},)),
            result("most_frequent", accuracy=(0.467,)),
        ]
    )
    words = " ".join(said.split())
    assert words.startswith("RN, all pairs answered most of the test questions")
    assert "right (93.0 %), Deep Sets fewest (81.0 %)" in words
    assert "is right in 46.7 %" in words
    assert "Each was trained once" in words
    assert words.count(". ") == 2
    assert max(map(len, said.splitlines())) < 80

    several = result("rn", accuracy=(0.9, 0.8, 0.7), curves=3 * ({1: 0.5},))
    one = report.in_words([several])
    assert "(80.0 %)." in one
    assert "fewest" not in one
    assert "intervals (±) overlap" in one
    assert report.in_words([result("most_frequent")]) == ""
