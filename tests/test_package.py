"""What is said of the package in several files is the same in all of them."""

import importlib
import pkgutil
import re
import tomllib
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import pytest
import yaml

import rn_graph

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
}
PINNED = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if "==" in line
)


def steps(workflow):
    for job in WORKFLOWS[workflow]["jobs"].values():
        yield from job["steps"]


def test_the_version_stands_in_one_place():
    assert "version" in PROJECT["dynamic"]
    assert "version" not in PROJECT
    assert version("rn-graph") == rn_graph.__version__
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == rn_graph.__version__
    assert cited["license"] == PROJECT["license"]


def test_the_package_is_typed():
    assert (ROOT / "rn_graph" / "py.typed").exists()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_supported_pythons_are_tested():
    tested = WORKFLOWS["tests"]["jobs"]["tests"]["strategy"]["matrix"]["python"]
    named = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["classifiers"]))
    assert named
    assert set(named) <= set(tested)
    assert PROJECT["requires-python"] == f">={tested[0]}"


def test_every_requirement_has_a_tested_version():
    known = {re.sub(r"[-_.]+", "-", name).lower() for name in PINNED}
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *chain(*extras.values())]
    names = {re.match(r"[\w.-]+", w)[0].lower() for w in wanted}
    assert names - known == {"torch-scatter"}  # built from source, optional


@pytest.mark.parametrize("name", ["tests", "docs", "release"])
def test_workflows_give_no_more_rights_than_needed(name):
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        rights = dict(job["permissions"])
        rights.pop("contents", None)
        publishes = "environment" in job
        assert bool(rights) == publishes
        assert job["timeout-minutes"] <= 45


def test_workflows_run_what_is_there():
    run = [step["run"] for name in WORKFLOWS for step in steps(name)
           if "run" in step]  # fmt: skip
    targets = (ROOT / "Makefile").read_text()
    for command in run:
        word, *rest = command.split()
        if word.startswith(".ci/"):
            assert (ROOT / word).stat().st_mode & 0o100, word
        elif word == "make" and rest != ["docs"]:
            assert f"\n{rest[0]}: " in targets, rest
    assert {"make test", "make docs", ".ci/package"} <= set(run)


def test_a_release_is_published_by_trust_alone():
    text = (ROOT / ".github/workflows/release.yml").read_text()
    assert "secrets." not in text
    assert "password" not in text.split("name: release")[1]
    assert 'grep -qx "__version__ = ' in text.replace('\\"', '"')
    line = f'__version__ = "{rn_graph.__version__}"'
    assert line in (ROOT / "rn_graph/__init__.py").read_text().splitlines()


def test_hooks_run_from_the_pinned_environment():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert {hook["language"] for hook in hooks} == {"system"}
    assert {"ruff", "ruff-format", "mypy"} <= {hook["id"] for hook in hooks}
    assert {"ruff", "mypy", "pre_commit", "pre_commit_hooks"} <= set(PINNED)


def test_of_every_module_it_is_said_what_is_promised():
    text = (ROOT / "docs" / "stability.md").read_text()
    promised, not_promised = text.split("## Not promised")
    for module in pkgutil.iter_modules(rn_graph.__path__):
        name = module.name
        full, short = f"`rn_graph.{name}`", f"`{name}`"
        said = (full in promised) + (
            full in not_promised or short in not_promised
        )
        assert said == 1, name
    for name in re.findall(r"`(rn_graph(?:\.[a-z]+)?)`", promised):
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", []):
            assert hasattr(module, public), f"{name}.{public}"
