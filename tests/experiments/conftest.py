import pytest

from datasets.task import find_task
from experiments.config import ModelConfig
from experiments.run import compare
from experiments.run.data import Splits


@pytest.fixture(scope="session")
def roots(tmp_path_factory):
    """Folders of results and of generated data, shared by the tests."""
    return tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def smoke(roots):
    """The results folder of the smoke preset, run as from the shell."""
    runs, data = roots
    compare.main(["smoke", "--runs", str(runs), "--data_root", str(data)])
    return runs / "smoke"


@pytest.fixture(scope="session")
def splits(roots):
    task = find_task("clevr")
    config = task.settings(train=30, val=5, test=5)
    return Splits(task, config, str(roots[1]))


@pytest.fixture
def sizes():
    return ModelConfig(
        embedding_channels=5,
        question_channels=7,
        hidden_channels=12,
        num_layers=3,
        readout_channels=[9],
    )
