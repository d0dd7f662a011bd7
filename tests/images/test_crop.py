"""Central crops: which pixels they keep, and read_images with them."""

import numpy as np
import pytest
import torch
from PIL import Image

from skblood.images import _stack, check_crop, crop_places, read_images, resize_images
from skblood.images._crop import crop_image
from skblood.inference import FeatureStore

CROPS = [1, 0.5, 1.3]


def crop_by_hand(image, crop):
    """Crop an image by a slice, of enough reflections around it."""
    for axis in (0, 1):
        side = image.shape[axis]
        new = max(1, int(np.floor(side * round(1000 * crop) / 1000 + 0.5)))
        first = (side - new) // 2
        if first < 0:
            image = np.concatenate([image, np.flip(image, axis)] * 5, axis=axis)
            first += 4 * side
        image = image.take(range(first, first + new), axis=axis)
    return image


@pytest.mark.parametrize("crop", [0.01, 0.3, 0.5, 0.556, 0.999, 1, 1.001, 1.25, 2.5, 4])
def test_places(noise, crop):
    for side in (1, 2, 3, 7, 28, 29, 363):
        places = crop_places(side, crop)
        expected = crop_by_hand(np.arange(side)[:, None], crop)[:, 0]
        np.testing.assert_array_equal(places, expected)
        in_torch = crop_places(side, crop, torch.arange)
        assert in_torch.dtype == torch.int64 and in_torch.tolist() == places.tolist()
    image = noise(15, 4, 3)
    cropped = crop_image(image, crop)
    np.testing.assert_array_equal(cropped, crop_by_hand(image, crop))
    assert (cropped is image) == np.shares_memory(cropped, image) == (crop == 1)


def test_odd_numbers_of_pixels():
    """The end loses the odd pixel, and the start gets it."""
    assert crop_places(5, 0.4).tolist() == [1, 2]
    assert crop_places(3, 4 / 3).tolist() == [0, 0, 1, 2]
    assert crop_places(3, 3).tolist() == [2, 1, 0, 0, 1, 2, 2, 1, 0]
    # BloodMNIST is made of 200 x 200 pixels of the 360 x 363 of PBC: left 80, top 81.
    np.testing.assert_array_equal(crop_places(363, 200 / 363), np.arange(81, 281))


@pytest.mark.parametrize("crop", [0.009, 4.1, np.nan, "half", None])
def test_invalid_crop(crop):
    with pytest.raises(ValueError, match=r"crop must be a number in 0.01..4, .* not "):
        check_crop(crop)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("form", ["array", "floats", "gray", "list", "PIL", "files"])
def test_images_are_cropped_then_resized(files, form, mapped, monkeypatch):
    if mapped:
        monkeypatch.setattr(_stack, "_MAX_IN_MEMORY", 0)
    paths, images = files
    if form == "gray":
        images = images[..., :1]
    X = {
        "array": np.broadcast_to(images, images.shape),
        "floats": images / 255,
        "gray": images[..., 0],
        "list": list(images),
        "PIL": [Image.fromarray(image) for image in images if form == "PIL"],
        "files": paths,
    }[form]
    for size in (None, (5, 4), (60, 60)):
        for crop, read in zip(CROPS, read_images(X, crops=CROPS, size=size), strict=True):
            expected = np.stack([crop_by_hand(image, crop) for image in images])
            # A smaller size is kept, to be resized later.
            expected = resize_images(expected, size) if size == (5, 4) else expected
            np.testing.assert_array_equal(read, expected)
            np.testing.assert_array_equal(read_images(X, crop=crop, size=size), expected)


class TestSeveralCrops:
    @pytest.fixture
    def paths(self, files, save, noise):
        """Forty files of several sizes; the last has the content of the first."""
        paths, _ = files
        for i in range(1, 40, 2):
            save(noise(21, 15 + i, 3), f"{i}.png")
        paths[-1].write_bytes(paths[0].read_bytes())
        return paths

    def test_each_file_is_decoded_once(self, paths, decoded, monkeypatch):
        monkeypatch.setattr(_stack, "_CHUNK", 16)
        options = {"size": (16, 16), "channels": 1, "interpolation": "bicubic"}
        crops = read_images(paths, crops=CROPS, **options)
        assert sorted(decoded) == sorted(paths)
        for crop, images in zip(CROPS, crops, strict=True):
            np.testing.assert_array_equal(images, read_images(paths, crop=crop, **options))

    def test_store(self, paths, decoded, tmp_path):
        store, size = FeatureStore(tmp_path / "store"), (16, 16)
        expected = [read_images(paths, crop=crop, size=size) for crop in CROPS]
        read_images(paths[:10], crop=0.5, size=size, store=store)
        decoded.clear()
        np.testing.assert_array_equal(
            read_images(paths, crops=CROPS, size=size, store=store), expected
        )
        assert sorted(decoded) == sorted(paths[:-1])  # equal files once
        assert len(store) == store.n_computed == 39 * 3
        decoded.clear()
        np.testing.assert_array_equal(
            read_images(paths, crops=CROPS, size=size, store=store), expected
        )
        read_images(paths, crop=1.3, size=size, store=store)
        assert decoded == []

    @pytest.mark.parametrize("stored", [False, True])
    def test_unreadable_files_are_missing_everywhere(self, paths, decoded, tmp_path, stored):
        store = FeatureStore(tmp_path / "store") if stored else None
        paths[3].write_bytes(b"no image")
        paths[7].unlink()
        with pytest.raises(ValueError, match="2 of 40 image files cannot be read"):
            read_images(paths, crops=CROPS, size=(16, 16), store=store)
        decoded.clear()
        unreadable = {}
        read = read_images(paths, crops=CROPS, size=(16, 16), store=store, unreadable=unreadable)
        assert list(unreadable) == [3, 7]
        assert decoded.count(paths[3]) == 1
        assert [len(images) for images in read] == [38] * 3

    def test_no_copy(self, noise):
        images = noise(2, 9, 8, 3)
        assert read_images(images, crops=[0.5, 1])[1] is images
