import pytest

from datasets.clevr.task import TASK, ClevrData
from experiments.config import ModelConfig
from experiments.run import compare
from experiments.run.data import Splits
from experiments.run.models import Inputs
from tests.experiments.run.fitting import measured_here


@pytest.fixture(scope="session", autouse=True)
def _measured_here():
    """Fresh processes take long; that they measure the same has its test."""
    with measured_here():
        yield


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
def pictures(roots):
    """The results folder of a few steps on Sort-of-CLEVR's pictures."""
    runs, data = roots
    compare.main(
        [
            *("sort_of_clevr", "--name", "pictures"),
            *("--models", "rn,mlp,film,stacked_attention"),
            *("--data.train", "12", "--data.val", "3", "--data.test", "4"),
            *("--train.steps", "4", "--train.val_every", "2"),
            *("--train.curriculum", "[]"),
            *("--train.batch_size", "40", "--cost_steps", "1"),
            *("--threads", "1", "--runs", str(runs), "--data_root", str(data)),
        ]
    )
    return runs / "pictures"


@pytest.fixture(scope="session")
def splits(roots):
    config = ClevrData(train=30, val=5, test=5)
    return Splits(TASK, config, str(roots[1]))


@pytest.fixture
def inputs():
    """What the models of these tests are given, where there are no data."""
    return Inputs("states", 18, 28, most=10, words=84)


@pytest.fixture
def sizes():
    return ModelConfig(
        embedding_channels=5,
        question_channels=7,
        hidden_channels=12,
        num_layers=3,
        readout_channels=[9],
    )
