from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skblood.datasets import find_unreadable


@pytest.fixture
def paths(tmp_path):
    for name in ("a.png", "c.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "b.png").write_bytes(b"not an image")
    return [str(tmp_path / f"{name}.png") for name in "abcd"]


@pytest.mark.parametrize(
    "container",
    [list, np.array, pd.Series, lambda x: pd.DataFrame({"path": x}), lambda x: [*map(Path, x)]],
)
def test_paths(paths, container):
    unreadable = find_unreadable(container(paths))
    assert list(unreadable) == [1, 3] and unreadable[3] == "no such file"
    assert unreadable[1].startswith("not an image that Pillow can read as PNG, JPEG")
    assert find_unreadable(container(paths[::2])) == {}


def test_pil_images(paths):
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(paths[0])
    Path(paths[0]).write_bytes(Path(paths[0]).read_bytes()[:1000])
    with Image.open(paths[2]) as whole, Image.open(paths[0]) as cut:
        assert list(find_unreadable([whole, cut])) == [1]


def test_arrays_are_readable():
    assert find_unreadable(np.zeros((2, 8, 8, 3), np.uint8)) == {}
    assert find_unreadable([np.zeros((8, 8)), np.zeros((6, 8))]) == {}


def test_errors(paths):
    with pytest.raises(ValueError, match=r"single path.*list of paths"):
        find_unreadable(paths[0])
    with pytest.raises(ValueError, match="must all be paths"):
        find_unreadable([paths[0], 3])
