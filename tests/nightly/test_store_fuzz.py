"""Damaged and malicious stores: an error that names the file, or nothing.

A process of its own opens them, so that a crash inside HDF5 fails a test.
"""

import contextlib
import multiprocessing
import random
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets.dataset import QuestionDataset
from datasets.store import open_store
from tests.datasets.test_dataset import KINDS, write_kind

pytestmark = pytest.mark.nightly
