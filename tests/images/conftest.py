"""Synthetic images and files for the tests of the images."""

import numpy as np
import pytest
from PIL import Image

from skblood.images import _files


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def noise(rng):
    """Return a function that makes uint8 noise of a shape."""
    return lambda *shape: rng.integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def smooth():
    """Return a function that makes a smooth uint8 RGB image, on which JPEG loses little."""

    def make(height, width):
        y, x = np.mgrid[:height, :width]
        planes = [255 * x / width, 255 * y / height, 255 * (x + y) / (width + height)]
        return np.stack(planes, -1).astype(np.uint8)

    return make


@pytest.fixture
def save(tmp_path):
    """Return a function that saves an array or PIL image as a file and returns its path."""

    def save(image, name="cell.png", **options):
        image = image if isinstance(image, Image.Image) else Image.fromarray(image)
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return save


@pytest.fixture
def files(noise, save):
    """Paths of 40 PNG files of 20 x 16 pixels, and their pixels."""
    images = noise(40, 20, 16, 3)
    return [save(image, f"{i}.png") for i, image in enumerate(images)], images


@pytest.fixture
def decoded(monkeypatch):
    """Paths of the files that were decoded, to be cleared at will."""
    decoded, read = [], _files.read_image
    monkeypatch.setattr(
        _files,
        "read_image",
        lambda path, *args, **kw: decoded.append(path) or read(path, *args, **kw),
    )
    return decoded
