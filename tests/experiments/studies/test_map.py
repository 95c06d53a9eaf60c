import matplotlib.pyplot as plt
import pytest
import yaml

from datasets.task import find_task
from experiments.config import PRESETS, load_preset
from experiments.run.models import MODELS
from experiments.studies import map as study
from experiments.studies.columns import shown
from experiments.studies.map import MapConfig, draw
from tests.experiments.studies.test_columns import GROUPS, made

SMALL = {
    "name": "small",
    "tasks": {"max_difference": ["all"], "pretty_clevr": ["all", "7 jumps"]},
    "models": {"no pairs": ["most_frequent", "deep_sets"], "pairs": ["rn"]},
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
    "path", (PRESETS / "map").glob("*.yaml"), ids=lambda p: p.stem
)
def test_every_map_has_presets_and_categories_that_there_are(path):
    config = MapConfig(**load_preset(f"map/{path.stem}"))
    for comparison, categories in zip(
        config.comparisons(), config.tasks.values(), strict=True
    ):
        task = find_task(comparison.task)
        assert {*categories} <= {"all", *task.categories}
        assert comparison.models == config.all_models
        assert comparison.folder.parent == config.folder


def test_the_picture_is_darker_the_nearer_to_right():
    figure = draw(made(), shown(GROUPS, made()))
    (axes,) = figure.axes
    shade = axes.images[0].get_array()
    assert shade.shape == (4, 3)
    assert shade[0, 0] == 0  # a guess
    assert shade[2, 0] == 1
    assert 0 < shade[1, 0] < shade[2, 0]
    assert shade.mask[0, 1]  # nothing is known
    texts = {text.get_text() for text in axes.texts}
    assert {"25.0", "100.0", "75.0", "no pairs", "pairs"} <= texts
    plt.close(figure)


def test_a_map_is_made_kept_and_shown_again(tmp_path, roots):
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
    for text in ("Max value difference", "Pretty-CLEVR, 7 jumps", "Deep Sets"):
        assert text in table
    assert (folder / "small.png").stat().st_size > 1000
    # Each comparison is one that other commands take.
    assert (folder / "pretty_clevr" / "table.md").is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"models": {"all": ["rm"]}},
            "unknown model 'rm': expected some of rn",
        ),
        ({"tasks": {}}, "`tasks` is empty, expected some"),
        ({"name": "../a"}, "../a"),
    ],
)
def test_what_is_wrong_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        MapConfig(**{**SMALL, **changes})


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no results of max_difference"):
        study.columns(tmp_path, {"max_difference": ["all"]})


def test_every_model_of_the_full_map_is_one():
    config = MapConfig(**load_preset("map/full"))
    assert len(config.all_models) == len({*config.all_models})
    assert {*config.all_models} <= {*MODELS}
