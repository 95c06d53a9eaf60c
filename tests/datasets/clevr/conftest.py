"""Where the real sample lies, and sets that several files test."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from datasets.clevr.questions import QuestionGenerator
from datasets.clevr.scenes import generate_scene

SAMPLE = (
    Path(__file__).resolve().parents[4]
    / "shared"
    / "data"
    / "clevr_v1.0_sample"
)


@pytest.fixture(scope="session")
def sample() -> Path:
    """The folder of the real sample; skips where it is absent."""
    if not SAMPLE.is_dir():
        pytest.skip(f"the real CLEVR sample is not at {SAMPLE}")
    return SAMPLE


@pytest.fixture(scope="session")
def scenes() -> list[dict[str, Any]]:
    """A block of generated scenes."""
    rng = Random("tests")
    return [generate_scene(rng, i) for i in range(250)]


@pytest.fixture(scope="session")
def questions(scenes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ten questions on each of them."""
    return QuestionGenerator().generate(scenes, seed=1)
