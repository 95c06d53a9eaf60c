"""What tests of several kinds of data read."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def picture(tmp_path):
    """A picture of 480×320 with transparency: its file, and its bytes."""
    path = tmp_path / "a.png"
    values = np.random.default_rng().integers(0, 256, (320, 480, 4), np.uint8)
    Image.fromarray(values).save(path)
    return path, values
