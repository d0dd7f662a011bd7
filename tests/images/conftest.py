"""Synthetic images for the tests of the image layer."""

import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def noise(rng):
    """Return a function that makes uint8 noise of a shape: no two pixels alike by chance only."""

    def make(*shape):
        return rng.integers(0, 256, shape, dtype=np.uint8)

    return make


@pytest.fixture
def smooth():
    """Return a function that makes a smooth uint8 RGB image, on which JPEG loses little."""

    def make(height, width):
        y, x = np.mgrid[:height, :width]
        planes = [255 * x / width, 255 * y / height, 255 * (x + y) / (width + height)]
        return np.stack(planes, -1).astype(np.uint8)

    return make
