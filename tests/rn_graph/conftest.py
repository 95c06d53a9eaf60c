"""Fresh random numbers for each test, and one thread for small tensors."""

import random

import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def _one_thread():
    # A second thread costs these small tensors more than it gives.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _fresh_seed():
    seed = random.SystemRandom().randrange(2**31)
    print(f"torch.manual_seed({seed})")  # shown where a test fails
    torch.manual_seed(seed)
