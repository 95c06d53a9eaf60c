"""Run folders that were damaged: they work, or one line says what is wrong.

``python -m pytest -m nightly tests/nightly/test_run_fuzz.py``
"""

import json
import random
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from datasets.task import Source
from experiments.report import tables
from experiments.run.accuracy import logits
from experiments.run.runs import load_model
from tests.nightly.test_store_fuzz import damage_bytes

pytestmark = pytest.mark.nightly
RESULTS = Path(__file__).parents[2] / "results" / "sort_of_clevr_states"
RUNS = ["rn/seed-0", "edge-depth-2/seed-0", "mlp/seed-0"]
#: What a command turns into one line.
FORESEEN = (ValueError, TypeError, OSError, FloatingPointError)
ROUNDS = 500


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    """No size in a file may make a process ask for all memory."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (16 * 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in nested JSON."""
    found = [path] if path else []
    items: Any = []
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        found += places(item, (*path, key))
    return found


def other(rng: random.Random) -> Any:
    """Something that was not expected."""
    return rng.choice(
        [
            None, True, "", "x", "../..", "rn", [], {}, [[]], [None],
            {"a": {}}, -1, 0, 1, 3, 2**31, 10**9, 2**70, 0.5, -0.5, 1e308,
            float("nan"), float("inf"), "1e999", "{}", "\x00", "é" * 999,
        ]
    )  # fmt: skip


def damage_json(path: Path, rng: random.Random) -> str:
    """Replace, remove or add something; say what."""
    value = json.loads(path.read_text())
    where = rng.choice(places(value))
    holder = value
    for key in where[:-1]:
        holder = holder[key]
    what = rng.randrange(5)
    if what == 0:
        del holder[where[-1]]
        said = "gone"
    elif what == 1 and isinstance(holder, dict):
        said = holder["another"] = other(rng)
    else:
        said = holder[where[-1]] = other(rng)
    path.write_text(json.dumps(value))
    return f"{path.name}: {'.'.join(map(str, where))} = {said!r}"


def use(folder: Path) -> None:
    """Ask a run's model a question."""
    planned, model = load_model(folder)
    task = planned.task
    scene = task.find_scene(Source(seed=1), planned.data)
    batch = task.batch(scene, task.example, planned.data)
    with torch.no_grad():
        logits(model, batch)


def refused(function: Callable[[Path], Any], folder: Path, said: str) -> bool:
    """Whether a folder was refused, by one of the errors that are foreseen."""
    try:
        function(folder)
    except FORESEEN as error:
        text = str(error)
    except BaseException as error:
        pytest.fail(f"{said}: {type(error).__name__}: {error}")
    else:
        return False
    assert text, said
    assert len(text) < 5000, said
    return True


@pytest.mark.parametrize("seed", range(4))
def test_damaged_runs_are_used_or_refused(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    count = 0
    for _ in range(ROUNDS):
        folder = tmp_path / "run"
        shutil.copytree(RESULTS / rng.choice(RUNS), folder)
        name = rng.choice(["run.json", "run.json", "model.safetensors"])
        if name == "run.json" and rng.random() < 0.8:
            said = damage_json(folder / name, rng)
        else:
            said = f"bytes of {name}"
            damage_bytes(folder / name, rng)
        count += refused(use, folder, said)
        shutil.rmtree(folder)
    assert ROUNDS / 10 < count < ROUNDS


@pytest.mark.parametrize("seed", range(2))
def test_damaged_figures_are_reported_or_refused(
    seed: int, tmp_path: Path
) -> None:
    rng = random.Random(100 + seed)
    for _ in range(ROUNDS // 20):
        folder = tmp_path / "results"
        shutil.copytree(RESULTS, folder, ignore=shutil.ignore_patterns("plots"))
        name = rng.choice(["runs.csv", "curves.csv", "config.yaml"])
        damage_bytes(folder / name, rng)
        kept = (folder / name).read_bytes()
        refused(tables.write_report, folder, f"{name}: {kept!r}"[:3000])
        shutil.rmtree(folder)
