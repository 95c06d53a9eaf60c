import json
from dataclasses import replace

import pytest
import yaml

from experiments.config import PRESETS, CompareConfig, load_preset, read
from experiments.measure.matching import count_parameters
from experiments.report.frames import read_csv
from experiments.run.runs import Run
from experiments.studies import ablations
from experiments.studies.ablations import Recipes, find_file

SMALL = {
    "name": "small",
    "base": "smoke",
    "seeds": 2,
    "settings": {"train.steps": 4, "train.val_every": 2},
    "recipes": {
        "first": {},
        "muon, faster": {
            "train.optimizer": "muon",
            "train.learning_rate": 0.02,
        },
        "other data, another g": {
            "data.features": "rgb",
            "model.aggr": "mean",
            "model.norm": "layer_norm",
            "model.object_layers": 1,
            "model.object_sum": True,
        },
        "another model": {"models": ["gcn"]},
    },
}


def write(path, **changes):
    path.write_text(yaml.safe_dump({**SMALL, **changes}))
    return str(path)


@pytest.mark.parametrize(
    "path", (PRESETS / "ablations").glob("*.yaml"), ids=lambda p: p.stem
)
def test_every_file_of_recipes_is_valid_under_its_own_name(path):
    recipes = Recipes.read(find_file(path.stem))
    assert recipes.name == path.stem
    configs = recipes.configs("runs", "data")
    assert list(configs) == list(recipes.recipes)
    first, *others = configs.values()
    for other in others:
        assert replace(other, name="a") != replace(first, name="a")


def test_recipes_are_trained_tabulated_and_kept(tmp_path, roots, capsys):
    runs = tmp_path / "runs"
    argv = [
        write(tmp_path / "small.yaml"),
        *("--runs", str(runs), "--data_root", str(roots[1])),
        *("--readme", str(tmp_path / "README.md")),
    ]
    marked = "<!-- results:small -->\n<!-- /results:small -->\n"
    (tmp_path / "README.md").write_text(marked)
    ablations.main(argv)
    folder = runs / "small"
    text = (folder / "table.md").read_text()
    assert text.strip() in (tmp_path / "README.md").read_text()
    assert (folder / "recipes.png").stat().st_size > 1000
    values = []
    for seed in 0, 1:
        run = Run.read(folder / "muon, faster" / "rn" / f"seed-{seed}")
        assert run.train.optimizer == "muon"
        assert run.train.steps == 4
        val = json.loads((run.folder / "val.json").read_text())
        values.append(100 * val["accuracy"]["all"])
        assert not (run.folder / "test.json").exists()
    runs = read_csv(folder / "runs.csv")
    # As in the file, whose keys are sorted.
    assert list(runs["recipe"].unique()) == sorted(SMALL["recipes"])
    kept = runs[runs["recipe"] == "muon, faster"]
    assert list(100 * kept["val/all"]) == values
    assert list(kept["seed"]) == [0, 1]
    assert set(kept["train.optimizer"]) == {"muon"}
    assert runs["commit"].notna().all()
    curves = read_csv(folder / "curves.csv")
    assert set(curves["run"]) == set(runs["run"])
    config = read(CompareConfig, load_preset(str(folder / "config.yaml")))
    assert (config.name, config.train.steps) == ("small", 4)
    other = Run.read(folder / "other data, another g" / "rn" / "seed-0")
    model = other.build().model
    assert model.objects.phi is not None
    assert model.conv.aggr == "mean"
    assert len(model.conv.g.norms) > 0
    assert model.object_sum is not None
    gcn = Run.read(folder / "another model" / "gcn-depth-2" / "seed-0")
    rn = Run.read(folder / "first" / "rn" / "seed-0")
    ratio = count_parameters(gcn.build()) / count_parameters(rn.build())
    assert 0.9 <= ratio <= 1.1
    row = next(r for r in text.splitlines() if "muon" in r)
    assert f"{sum(values) / 2:.1f}" in row

    # A recipe that is added joins the others, which are kept.
    stamps = {p: p.stat().st_mtime_ns for p in folder.rglob("val.json")}
    added = SMALL["recipes"] | {"slow": {"train.learning_rate": 1e-5}}
    write(tmp_path / "small.yaml", recipes=added)
    ablations.main(argv)
    assert all(p.stat().st_mtime_ns == t for p, t in stamps.items())
    assert "slow" in (folder / "table.md").read_text()
    capsys.readouterr()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipes": {}}, "has no `recipes`"),
        ({"recipe": {}}, "the key 'recipe', expected some of name, base"),
        ({"recipes": {"a/b": {}}}, "'a/b', expected the plain name"),
        ({"recipes": {"a": {"train.stepz": 1}}}, "recipe 'a': .* 'stepz'"),
        (
            {"recipes": {"a": {"train.steps": 0}}},
            "'a': .*train.steps.*: 0 does",
        ),
        ({"model": "no"}, "unknown model 'no'"),
        ({"recipes": {"a": {"models": ["rn", "gcn"]}}}, "'a': `models` is"),
        (
            {"recipes": {"a": {"learning_rates": [0.001, 0.01]}}},
            r"'a': `learning_rates` is \[0\.001, 0\.01\], expected a single",
        ),
    ],
)
def test_bad_files(tmp_path, changes, message):
    path = write(tmp_path / "bad.yaml", **changes)
    with pytest.raises(ValueError, match=message):
        Recipes.read(find_file(path)).configs("runs", "data")


def test_an_unknown_file_names_those_that_exist():
    with pytest.raises(FileNotFoundError, match=r"'nope'.*recipe"):
        find_file("nope")
