"""read_crops: several crops of each image, which is decoded once."""

import numpy as np
import pytest
from PIL import Image

from skblood.images import _files, _stack, read_crops, read_images
from skblood.inference import FeatureStore

CROPS = [1, 0.5, 1.3]


@pytest.fixture
def paths(tmp_path, noise):
    """Thirty files of two sizes; the last has the content of the first."""
    paths = [tmp_path / f"{i}.png" for i in range(30)]
    for i, path in enumerate(paths):
        Image.fromarray(noise(20, 18 + 3 * (i % 2), 3)).save(path)
    paths[-1].write_bytes(paths[0].read_bytes())
    return paths


@pytest.fixture
def decoded(monkeypatch):
    """Paths of the files that were decoded."""
    decoded, read_file = [], _files._read_file
    monkeypatch.setattr(
        _files, "_read_file", lambda path, *args: decoded.append(path) or read_file(path, *args)
    )
    return decoded


def assert_each_equal(X, crops, **options):
    for images, crop in zip(read_crops(X, crops, **options), crops, strict=True):
        np.testing.assert_array_equal(images, read_images(X, crop=crop, **options))


@pytest.mark.parametrize("size", [None, (16, 16), (64, 64)])
@pytest.mark.parametrize("kind", ["array", "floats", "gray", "list", "pil"])
def test_equals_read_images(noise, kind, size):
    images = noise(5, 20, 18, 3)
    X = {
        "array": images,
        "floats": images / 255,
        "gray": images[..., 0],
        "list": list(images),
        "pil": [Image.fromarray(image) for image in images],
    }[kind]
    assert_each_equal(X, CROPS, size=size)


def test_files_of_different_sizes(paths):
    assert_each_equal(paths, CROPS, size=(16, 16), channels=1, interpolation="bicubic")


def test_arrays_are_not_copied_without_need(noise):
    images = noise(5, 20, 18, 3)
    assert read_crops(images, [0.5, 1])[1] is images


def test_decoded_once(paths, decoded, monkeypatch):
    monkeypatch.setattr(_stack, "_CHUNK", 16)
    read_crops(paths, CROPS, size=(16, 16))
    assert sorted(decoded) == sorted(paths)


def test_store(paths, decoded, tmp_path):
    store = FeatureStore(tmp_path / "store")
    expected = [read_images(paths, crop=crop, size=(16, 16)) for crop in CROPS]
    decoded.clear()
    some = read_images(paths[:10], crop=0.5, size=(16, 16), store=store)
    assert (len(store), len(decoded)) == (10, 10)
    decoded.clear()
    read = read_crops(paths, CROPS, size=(16, 16), store=store)
    assert sorted(decoded) == sorted(paths[:-1])  # equal files once
    assert len(store) == 29 * 3
    decoded.clear()
    again = read_crops(paths, CROPS, size=(16, 16), store=store)
    for crop, images in zip(CROPS, again, strict=True):
        np.testing.assert_array_equal(
            images, read_images(paths, crop=crop, size=(16, 16), store=store)
        )
    assert decoded == []
    np.testing.assert_array_equal(read, expected)
    np.testing.assert_array_equal(again, expected)
    np.testing.assert_array_equal(some, expected[1][:10])


@pytest.mark.parametrize("stored", [False, True])
def test_unreadable(paths, decoded, tmp_path, stored):
    store = FeatureStore(tmp_path / "store") if stored else None
    paths[3].write_bytes(b"no image")
    paths[7].unlink()
    with pytest.raises(ValueError, match=r"2 of 30 image files cannot be read"):
        read_crops(paths, CROPS, size=(16, 16), store=store)
    decoded.clear()
    unreadable = {}
    read = read_crops(paths, CROPS, size=(16, 16), store=store, unreadable=unreadable)
    assert list(unreadable) == [3, 7]
    assert decoded.count(paths[3]) == 1
    assert [len(images) for images in read] == [28] * 3


@pytest.mark.parametrize("crops", [[], [1, 5], ["1"]])
def test_invalid_crops(noise, crops):
    with pytest.raises(ValueError, match="crop"):
        read_crops(noise(2, 9, 8, 3), crops)
