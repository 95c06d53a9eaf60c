import matplotlib.pyplot as plt
import pytest
import yaml

from experiments.config import PRESETS, load_preset
from experiments.studies import growth as study
from experiments.studies.columns import Column
from experiments.studies.growth import GrowthConfig, draw
from tests.experiments.report.made import result

SMALL = {
    "name": "small",
    "preset": "furthest_pair",
    "objects": [5, 3],
    "models": ["rn", "most_frequent"],
    "settings": {
        "seeds": 1,
        "learning_rates": [],
        "cost_steps": 1,
        "threads": 1,
        "data": {"train": 40, "val": 4, "test": 4},
        "model": {"hidden_channels": 8, "readout_channels": [8]},
        "train": {"steps": 4, "val_every": 2, "batch_size": 32},
    },
}


@pytest.mark.parametrize(
    "path", (PRESETS / "growth").glob("*.yaml"), ids=lambda p: p.stem
)
def test_presets_differ_in_the_objects_alone(path):
    config = GrowthConfig(**load_preset(f"growth/{path.stem}"))
    first, *others = map(config.comparison, config.objects)
    assert first.data.num_objects == config.objects[0]
    for objects, other in zip(config.objects[1:], others, strict=True):
        assert other.data.num_objects == objects
        assert other.train == first.train
        assert other.models == config.models
        # Looked at by each model, at most.
        assert other.train.steps * other.train.batch_size <= 1_000_000


def test_several_keys_may_be_the_number_of_objects():
    keys = ["data.min_objects", "data.max_objects"]
    config = GrowthConfig(preset="crowded", keys=keys, models=["rn"])
    data = config.comparison(32).data
    assert (data.min_objects, data.max_objects) == (32, 32)


def test_curves():
    def column(n, **accuracy):
        cost = {"step_ms": 10.0 * n, "memory_mib": 2.0, "flops": 1}
        results = {
            name: result(name, accuracy=values, cost=cost)
            for name, values in accuracy.items()
        }
        return Column(f"{n} objects", "all", results)

    found = {
        8: column(8, rn=(0.9, 0.8, 1.0), edge=(0.5,)),
        32: column(32, rn=(0.6,)),
    }
    figure = draw(found, ["rn", "edge"])
    accuracy, step, memory = figure.axes
    lines = {
        bars.get_label(): bars.lines[0].get_xydata().tolist()
        for bars in accuracy.containers
    }
    assert lines["RN, all pairs"] == [[8, pytest.approx(90)], [32, 60]]
    assert lines["EdgeConv"] == [[8, 50]]
    # Three seeds have an interval, one has none.
    (bars,) = accuracy.containers[0].lines[2]
    heights = [s[1, 1] - s[0, 1] for s in bars.get_segments()]
    assert heights[0] > 10
    assert heights[1] == 0
    assert step.lines[0].get_ydata().tolist() == [80, 320]
    assert memory.lines[1].get_ydata().tolist() == [2]
    plt.close(figure)


def test_a_growth_is_made_kept_and_shown_again(tmp_path, roots, capsys):
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL))
    readme = tmp_path / "README.md"
    readme.write_text("<!-- results:small -->\n<!-- /results:small -->\n")
    runs = tmp_path / "runs"
    argv = [str(path), "--runs", str(runs), "--data_root", str(roots[1])]
    study.main(argv)
    times = {p: p.stat().st_mtime_ns for p in runs.rglob("seed-*/*.json")}
    assert len(times) > 8
    study.main([*argv, "--report_only", "--readme", str(readme)])
    assert times == {p: p.stat().st_mtime_ns for p in times}
    folder = runs / "small"
    table = (folder / "table.md").read_text()
    assert readme.read_text().split("\n", 1)[1].split("\n<!--")[0] in table
    cells = [c.strip() for c in table.splitlines()[0].split("|")[1:-1]]
    assert cells == ["", "3 objects", "5 objects"]  # rising, as drawn
    assert (folder / "small.png").stat().st_size > 1000
    assert (folder / "5" / "table.md").is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ["rm"]}, "unknown model 'rm': expected some of rn"),
        ({"objects": []}, r"`objects` is \[\], expected at least one"),
        ({"objects": [8, 8]}, r"`objects` is \[8, 8\], expected at least one"),
        ({"name": "../a"}, "../a"),
    ],
)
def test_what_is_wrong_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        GrowthConfig(**{**SMALL, **changes})


@pytest.mark.parametrize(
    ("key", "message"),
    [("data.objects", "objects"), ("num_objects", "num_objects")],
)
def test_a_setting_that_there_is_not_is_named(key, message):
    config = GrowthConfig(**{**SMALL, "keys": [key]})
    with pytest.raises(ValueError, match=message):
        config.comparison(8)


def test_what_is_not_there_is_named(tmp_path):
    config = GrowthConfig(**SMALL, runs=str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no results of"):
        study.columns(config)
