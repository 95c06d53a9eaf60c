import pytest
from matplotlib import image

from experiments import cli
from experiments.__main__ import main
from experiments.measure.pair_sum.contenders import CONTENDERS
from experiments.measure.pair_sum.records import (
    MemoryRow,
    TimeRow,
    add_rows,
    read_rows,
)
from experiments.measure.pair_sum.report import summary
from experiments.measure.pair_sum.targets import Results, find_targets
from tests.experiments.measure.pair_sum.rows import make_rows

SHAPES = ("scenes", "questions", "n64", "n256", "n1024")


@pytest.fixture
def folder(tmp_path):
    times, memory = make_rows(SHAPES)
    add_rows(tmp_path / "times.csv", times, TimeRow)
    add_rows(tmp_path / "memory.csv", memory, MemoryRow)
    return tmp_path


def test_rows_survive_the_file(tmp_path):
    times, memory = make_rows(["n64"])
    times.append(TimeRow(2, "n8", "forward", "fp32", "padded", reason="a, b"))
    add_rows(tmp_path / "t.csv", times, TimeRow)
    found = read_rows(tmp_path / "t.csv", TimeRow)
    assert [row.key for row in found] == [row.key for row in times]
    for row, expected in zip(found, times, strict=True):
        assert row.reason == expected.reason
        if expected.seconds is None:
            assert row.seconds is None
        else:
            assert row.seconds == pytest.approx(expected.seconds, rel=1e-5)
    add_rows(tmp_path / "m.csv", memory, MemoryRow)
    assert read_rows(tmp_path / "m.csv", MemoryRow) == memory


def test_new_rows_replace_old_ones(tmp_path):
    path, key = tmp_path / "m.csv", ("n8", "training", "fp32", "padded")
    add_rows(
        path,
        [MemoryRow(1, *key, 5), MemoryRow(1, "n16", *key[1:], 6)],
        MemoryRow,
    )
    add_rows(path, [MemoryRow(2, *key, reason="too much")], MemoryRow)
    found = {row.key: row for row in read_rows(path, MemoryRow)}
    assert len(found) == 2
    assert found[key].peak_bytes is None
    assert found[key].run == 2


def test_a_foreign_file_is_refused(tmp_path):
    (tmp_path / "times.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"`times.csv` has the columns"):
        read_rows(tmp_path / "times.csv", TimeRow)


def test_a_short_table_for_the_readme(folder, tmp_path):
    readme = tmp_path / "README.md"
    marks = "<!-- results:pair_sum -->\n<!-- /results:pair_sum -->\n"
    readme.write_text(f"before\n\n{marks}\nafter\n")
    cli.run(
        main,
        [
            "pair_sum",
            "--report-only",
            "--folder",
            str(folder),
            "--readme",
            str(readme),
        ],
    )
    text = readme.read_text()
    assert text.startswith("before")
    assert text.endswith("after\n")
    times = {r.key: r for r in read_rows(folder / "times.csv", TimeRow)}
    results = Results(
        times.values(), read_rows(folder / "memory.csv", MemoryRow)
    )
    line = next(t for t in text.splitlines() if t.startswith("| 64 scenes"))
    for precision in ("fp32", "bf16"):
        case = ("scenes", "training", precision)
        best = results.best_peer(*case)
        assert CONTENDERS[best].label in line
        for name in ("rnconv", best):
            assert f"({results.floor_ratio(*case, name):.2f})" in line
    assert "| 50.0 " in line
    assert len([t for t in text.splitlines() if t.startswith("| 1")]) == 2


def test_a_short_table_without_others():
    times, _ = make_rows(["scenes"], ["rnconv"])
    lines = summary(Results(times, [])).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[-1].count("–") == 2 * 3 + 2


def test_report_from_csv_alone(folder):
    cli.run(main, ["pair_sum", "--report-only", "--folder", str(folder)])
    table = (folder / "table.md").read_text()
    assert "64 scenes" in table
    assert "N = 256" in table
    row = next(t for t in table.splitlines() if t.startswith("| RNConv (rn"))
    times = {r.key: r for r in read_rows(folder / "times.csv", TimeRow)}
    first = times["scenes", "forward", "fp32", "rnconv"]
    ratio = first.seconds / first.floor
    assert f"{1e3 * first.seconds:.2f} ({ratio:.2f})" in row
    assert "| 50.0 |" in row  # MB
    assert "RNConv, nearest 10 %: a choice among pairs" in table
    for name in ("time", "time_to_floor", "memory", "floor"):
        assert image.imread(folder / f"{name}.png").std() > 0
        assert f"]({name}.png)" in table
    assert "1 layer of gcn: for scale only, up to 65,536 pairs" in table
    # The fastest peer of each case has a star.
    part = table.split("64 scenes")[1].split("\n\n")[1]
    assert part.count("*") == 4
    best = Results(times.values(), []).best_peer("scenes", "forward", "fp32")
    row = next(t for t in part.splitlines() if CONTENDERS[best].label in t)
    assert "*" in row.split("|")[2]


def targets(times, memory=()):
    """Targets by their texts."""
    return {t.text: t for t in find_targets(Results(times, memory))}


def row(case, name, seconds, floor=None):
    return TimeRow(1, *case.split(), name, 3, seconds, seconds, seconds, floor)


def test_targets():
    where = "grid25 training fp32"
    times = [
        row(where, "rnconv", 2.0, 1.6),
        row(where, "padded", 1.95, 1.6),
        TimeRow(1, *where.split(), "jraph", reason="not here"),
    ]
    memory = [MemoryRow(1, "n1024", "training", "fp32", "rnconv", 100_000_000)]
    found = targets(times, memory)
    floor = found[
        "training, fp32: ≤ 1.3 × the floor of what is computed (aim 1.2)"
    ]
    assert floor.found == "grid25 1.25 ×"
    assert floor.reached is True
    best = found["at least 0.97 × as fast as the best peer, at every shape"]
    assert best.found == "grid25 training fp32 0.97 ×; 1 of 1 reach it"
    assert best.reached is True
    bf16 = found[
        "training, bf16: ≤ 1.8 × the floor of what is computed (aim 1.4)"
    ]
    assert bf16.reached is None
    assert found["training at 1,024 objects: ≤ 128 MB"].reached is True
    assert found["training at 4,096 objects: ≤ 1,000 MB"].reached is None


def test_targets_for_small_graphs():
    times = [
        row("n8 forward fp32", "rnconv", 1.19),
        row("n8 forward fp32", "dense_split", 1.0),
        row("n8 forward fp32", "jraph", 0.1),
        row("n32 training bf16", "rnconv", 1.01),
        row("n32 training bf16", "dense_split", 1.0),
    ]
    found = targets(times)
    text = "one graph of {} objects: ≤ {} × the time of plain PyTorch, dense, "
    text += "first layer split"
    small = found[text.format(8, 1.2)]
    assert small.found == "forward fp32 1.19 ×"
    assert small.reached is True
    assert found[text.format(16, 1.1)].reached is None
    assert found[text.format(32, 1.0)].reached is False
    assert found[text.format(64, 1.0)].reached is None


def test_targets_for_other_forms_of_g():
    times = [
        row("n256 training fp32", "rnconv", 1.0),
        row("n256 training fp32", "rnconv_symmetric", 0.55),
        row("n256_plain training fp32", "rnconv", 0.7),
        row("n256_plain training fp32", "padded", 0.9),
        row("grid25_plain training fp32", "rnconv", 1.0),
        row("grid25_plain training fp32", "padded", 1.1),
        row("n256_3 training bf16", "rnconv", 1.0),
        row("n256_3 training bf16", "padded", 0.5),
        row("n256_plain3 training bf16", "rnconv", 0.63),
    ]
    found = targets(times)
    plain = "last layer plain"
    before = f"{plain}, training at 256 objects, {{}} layers: ≤ {{}} × the "
    before += "time with a ReLU"
    assert found[before.format(4, 0.72)].reached is True
    three = found[before.format(3, 0.62)]
    assert three.found == "bf16 0.63 ×"
    assert three.reached is False
    never = found[f"{plain}: never slower than the best peer"]
    assert never.found.startswith("grid25_plain training fp32 1.10 ×, n256_pl")
    assert never.reached is True
    fast = found[f"{plain}: ≥ 1.3 × as fast as the best peer at N ≥ 64"]
    assert fast.found == "n256_plain training fp32 1.29 ×; 0 of 1 reach it"
    assert fast.reached is False
    symmetric = found[
        "symmetric g, training at 64, 256 and 1,024 objects: ≤ 0.6 × the time "
        "of a g of ordered pairs"
    ]
    assert symmetric.found == "n256 fp32 0.55 ×"
    assert symmetric.reached is True


def test_shapes_beside_the_sweep_have_tables_of_their_own(tmp_path):
    times, _ = make_rows(["n64", "n64_plain", "n256_3"])
    add_rows(tmp_path / "times.csv", times, TimeRow)
    cli.run(main, ["pair_sum", "--report-only", "--folder", str(tmp_path)])
    table = (tmp_path / "table.md").read_text()
    for title in (
        "1 × 64 objects, g 4×256",
        "1 × 64 objects, g 4×256, last layer plain",
        "1 × 256 objects, g 3×256",
    ):
        assert f"\n## {title}\n" in table
    # One graph alone is no growth.
    assert "N = " not in table
    assert not (tmp_path / "time.png").exists()

    more, _ = make_rows(["n256"])
    add_rows(tmp_path / "times.csv", more, TimeRow)
    cli.run(main, ["pair_sum", "--report-only", "--folder", str(tmp_path)])
    table = (tmp_path / "table.md").read_text()
    assert "| N = 64 " in table
    assert "| N = 256 " in table
    assert "N = 64_plain" not in table
    assert "## 1 × 64 objects, g 4×256, last layer plain" in table
    assert image.imread(tmp_path / "time.png").std() > 0


def test_all_are_measured_by_one_floor():
    """What computes products twice has no lower bar for it."""
    case = ("grid25", "training", "fp32")
    rows = {"floor": (1.2, None), "rnconv": (2.4, 1.6), "padded": (2.4, 1.2)}
    times = [
        TimeRow(1, *case, name, 3, seconds, seconds, seconds, floor=floor)
        for name, (seconds, floor) in rows.items()
    ]
    times.append(TimeRow(1, *case, "gnn_gcn", 3, 0.3, 0.3, 0.3))
    results = Results(times, [])
    for name in ("rnconv", "padded"):
        assert results.floor_ratio(*case, name) == pytest.approx(2.0)
    assert results.work_ratio(*case, "rnconv") == pytest.approx(1.5)
    assert results.floor_ratio(*case, "gnn_gcn") is None
    assert results.floor_ratio(*case, "jraph") is None


def test_the_worst_figures_are_named():
    times, memory = make_rows(SHAPES)
    results = Results(times, memory)
    target = next(
        t for t in find_targets(results) if t.text.startswith("at least 0.97")
    )
    speeds = sorted(
        results.speedup(s, m, p)
        for s in SHAPES
        for m in ("forward", "training")
        for p in ("fp32", "bf16")
    )
    assert f" {speeds[0]:.2f} ×" in target.found.split(",")[0]
    reach = sum(speed >= 0.97 for speed in speeds)
    assert target.found.endswith(f"{reach} of {len(speeds)} reach it")


def test_nothing_to_report(tmp_path):
    with pytest.raises(SystemExit, match="holds no times"):
        cli.run(main, ["pair_sum", "--report-only", "--folder", str(tmp_path)])
