import json
from dataclasses import replace

import pytest

from experiments import cli
from experiments.__main__ import main
from experiments.measure.pair_sum import floor, run
from experiments.measure.pair_sum.check import WrongResultError
from experiments.measure.pair_sum.contenders import find_contenders
from experiments.measure.pair_sum.contenders.base import Case, Settings
from experiments.measure.pair_sum.contenders.ours import RNConvAll
from experiments.measure.pair_sum.contenders.torch_peers import Padded
from experiments.measure.pair_sum.limits import Limits, why_not
from experiments.measure.pair_sum.measuring import measure
from experiments.measure.pair_sum.memory import peak_memory
from experiments.measure.pair_sum.records import MemoryRow, TimeRow, read_rows
from experiments.measure.pair_sum.run import Plan, Run
from experiments.measure.pair_sum.shapes import SHAPES, make_inputs

FP32 = Case("training", "fp32")
TINY = replace(SHAPES["n8"], width=16)


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(floor, "BLOCKS", (64,))
    monkeypatch.setattr(floor, "_TUNE_SECONDS", 0.0)


def plan(*contenders, shapes=(TINY,), **options):
    options = {"repeats": 2, "seconds": 60.0} | options
    return Plan(
        list(shapes), find_contenders(list(contenders)), [FP32], [], **options
    )


def small_floor():
    return floor.Floor(16, 3, "fp32", blocks=(64,))


def times(folder):
    return {r.key[3]: r for r in read_rows(folder / "times.csv", TimeRow)}


def test_run_resumes(tmp_path, monkeypatch):
    first = plan("rnconv", "padded", "graph_nets", "rnconv_late")
    Run(first, Settings(), tmp_path).measure()
    rows = times(tmp_path)
    for name in ("rnconv", "padded"):
        assert rows[name].rounds == 2
        assert rows[name].fastest <= rows[name].seconds <= rows[name].slowest
        assert rows[name].floor > 0
    assert "--graph_nets_python" in rows["graph_nets"].reason
    assert "several questions" in rows["rnconv_late"].reason
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["runs"][0]["seed"] == 0
    assert "16 fp32, 3 products" in config["runs"][0]["floor"]

    monkeypatch.setattr(run, "measure", None)  # would be called
    Run(first, Settings(), tmp_path).measure()
    monkeypatch.undo()
    Run(replace(first, again=True), Settings(), tmp_path).measure()
    assert times(tmp_path)["rnconv"].run == 2


def test_another_machine_is_refused(tmp_path):
    Run(plan("rnconv"), Settings(), tmp_path).measure()
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    config["runs"][0]["machine"]["cpu"] = "Z80"
    path.write_text(json.dumps(config))
    with pytest.raises(ValueError, match="'Z80'"):
        Run(plan("rnconv"), Settings(), tmp_path)


def test_each_g_has_its_floor(tmp_path):
    plain = replace(SHAPES["n64_plain"], width=16)
    Run(plan("rnconv", shapes=[TINY, plain]), Settings(), tmp_path).measure()
    config = json.loads((tmp_path / "config.json").read_text())
    floors = config["runs"][0]["floor"]
    assert list(floors) == ["16 fp32, 3 products", "16 fp32, 2 products"]


def test_a_wrong_contender_is_not_timed(tmp_path, monkeypatch):
    prepare = Padded.prepare

    def forget(self, inputs):
        prepare(self, inputs)
        self.mask = None

    monkeypatch.setattr(Padded, "prepare", forget)
    Run(plan("rnconv", "padded"), Settings(), tmp_path).measure()
    row = times(tmp_path)["padded"]
    assert "padded is wrong" in row.reason
    assert row.seconds is None


def test_a_wrong_rnconv_ends_the_run(tmp_path, monkeypatch):
    forward = RNConvAll.forward
    monkeypatch.setattr(
        RNConvAll, "forward", lambda self: 1.001 * forward(self)
    )
    with pytest.raises(WrongResultError, match="rnconv is wrong"):
        Run(plan("rnconv", "padded"), Settings(), tmp_path).measure()
    assert not (tmp_path / "times.csv").exists()


def test_failing_and_deviating_contenders_are_left_out():
    kinds = find_contenders(["rnconv", "pyg_plain", "padded"])
    contenders = [kind(TINY, Settings()) for kind in kinds]
    for contender in contenders:
        contender.prepare(make_inputs(TINY, 0))
    contenders[1].forward = lambda: 1 / 0
    contenders[2].x = contenders[2].x.detach() * 2
    found, floors = measure(
        contenders, small_floor(), TINY, Case("forward", "fp32"), 3, 60.0
    )
    assert len(found[0].seconds) == 3
    assert "ZeroDivisionError" in found[1].reason
    assert "deviates from RNConv" in found[2].reason
    assert len(floors) >= 3


def test_rounds_interleave():
    order = []

    class Noted(Padded):
        def run(self, case):
            order.append(self.place)
            return super().run(case)

    contenders = []
    for place in "abc":
        contender = Noted(TINY, Settings())
        contender.place = place
        contender.prepare(make_inputs(TINY, 0))
        contenders.append(contender)
    measure(contenders, small_floor(), TINY, FP32, 3, 60.0)
    assert "".join(order) == "abc" + "abc" + "bca" + "cab"
    order.clear()
    found, _ = measure(contenders, small_floor(), TINY, FP32, 3, 0.0)
    assert "".join(order) == "abc" + "abc"  # out of time: once each
    assert [len(m.seconds) for m in found] == [1, 1, 1]


def test_limits():
    tight = Limits(memory_gib=1.0, step_seconds=1e9)
    big, at = SHAPES["n1024"], small_floor()
    ours, plain = find_contenders(["rnconv", "pyg_plain"])
    assert why_not(ours, big, FP32, tight, at) is None
    assert "GiB" in why_not(plain, big, FP32, tight, at)
    quick = Limits(memory_gib=1e9, step_seconds=1e-3)
    assert "s a step" in why_not(ours, big, FP32, quick, at)


def test_estimate_is_near_what_was_measured():
    # The plain form trains 1,024 objects in 7.4 GB.
    (plain,) = find_contenders(["pyg_plain"])
    estimate = plain.estimate_bytes(SHAPES["n1024"], FP32)
    assert 5e9 < estimate < 9e9


def test_memory_in_a_fresh_process():
    (kind,) = find_contenders(["padded"])
    shape = SHAPES["n256"]
    found = peak_memory("padded", shape, FP32, Settings())
    estimate = kind.estimate_bytes(shape, FP32)
    assert 0.6 * estimate < found < 1.6 * estimate


def test_memory_of_what_fails():
    shape = replace(TINY, sizes=(-1,))
    found = peak_memory("padded", shape, FP32, Settings())
    assert found.startswith("failed: RuntimeError")


def test_memory_rows(tmp_path):
    shape = replace(SHAPES["n64"], width=16)
    both = plan("rnconv", "pyg_plain", shapes=[shape, TINY])
    Run(
        replace(both, cases=[], memory_cases=[FP32]), Settings(), tmp_path
    ).measure()
    rows = read_rows(tmp_path / "memory.csv", MemoryRow)
    assert [(r.shape, r.contender) for r in rows] == [
        ("n64", "rnconv"),
        ("n64", "pyg_plain"),
    ]
    assert all(row.peak_bytes is not None for row in rows)


def test_nothing_is_timed_on_request(tmp_path):
    nothing = ["--modes", "none", "--memory", "none"]
    with pytest.raises(SystemExit, match="holds no times"):
        cli.run(
            main,
            ["pair_sum", *nothing, "--shapes", "n8", "--folder", str(tmp_path)],
        )


@pytest.mark.parametrize(
    "options",
    [
        ["--shapes", "n9"],
        ["--modes", "backward"],
        ["--precisions", "fp8"],
        ["--memory", "fp32"],
        ["--repeats", "0"],
        ["--contenders", "nobody"],
    ],
)
def test_bad_options_are_named(options, tmp_path):
    with pytest.raises(SystemExit, match=f"`{options[0][2:]}`"):
        cli.run(main, ["pair_sum", *options, "--folder", str(tmp_path / "new")])
    assert not (tmp_path / "new").exists()
