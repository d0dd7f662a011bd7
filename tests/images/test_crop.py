"""Frames around the centre of an image: what they keep, for each form that X may have."""

import numpy as np
import pytest
import torch
from PIL import Image

from skblood.images import _files, _stack, check_crop, crop_places, read_images, resize_images
from skblood.images._crop import crop_image
from skblood.inference import FeatureStore

CROPS = [0.01, 0.3, 0.5, 0.556, 0.9, 0.999, 1.001, 1.25, 2.5, 4]
SIDES = [1, 2, 3, 7, 28, 29, 360, 363]


def by_hand(image, crop):
    """Crop an image as words have it: cut a slice, or lay enough mirror images around it."""
    for axis in (0, 1):
        side = image.shape[axis]
        new = max(1, int(np.floor(side * round(1000 * crop) / 1000 + 0.5)))
        first = (side - new) // 2
        if first < 0:
            n = 2 * side
            image = np.concatenate([image, np.flip(image, axis)] * 5, axis=axis)
            first += 2 * n  # of the five, the third begins with the image
        image = image.take(range(first, first + new), axis=axis)
    return image


class TestPlaces:
    @pytest.mark.parametrize("crop", CROPS)
    @pytest.mark.parametrize("side", SIDES)
    def test_by_hand(self, side, crop):
        expected = by_hand(np.arange(side)[:, None], crop)[:, 0]
        np.testing.assert_array_equal(crop_places(side, crop), expected)

    @pytest.mark.parametrize("crop", CROPS)
    @pytest.mark.parametrize("side", SIDES)
    def test_torch_and_numpy_agree(self, side, crop):
        places = crop_places(side, crop, torch.arange)
        assert places.dtype == torch.int64
        assert places.tolist() == crop_places(side, crop).tolist()

    @pytest.mark.parametrize("side", SIDES)
    def test_all_of_it(self, side):
        assert crop_places(side, 1).tolist() == list(range(side))

    def test_odd_numbers_of_pixels(self):
        """The end loses the odd pixel, and the start gets it."""
        assert crop_places(5, 0.4).tolist() == [1, 2]
        assert crop_places(4, 0.25).tolist() == [1]
        assert crop_places(3, 4 / 3).tolist() == [0, 0, 1, 2]

    def test_mirror_images(self):
        assert crop_places(3, 3).tolist() == [2, 1, 0, 0, 1, 2, 2, 1, 0]
        assert crop_places(1, 4).tolist() == [0] * 4

    def test_the_crop_of_bloodmnist(self):
        """PBC's originals are 360 x 363 pixels, and 200 of them are taken: left 80, top 81."""
        np.testing.assert_array_equal(crop_places(360, 200 / 360), np.arange(80, 280))
        np.testing.assert_array_equal(crop_places(363, 200 / 363), np.arange(81, 281))

    def test_something_is_left(self):
        assert len(crop_places(3, 0.01)) == 1


class TestImage:
    @pytest.mark.parametrize("crop", CROPS)
    @pytest.mark.parametrize("shape", [(1, 1, 1), (2, 9, 3), (15, 4, 1)])
    def test_by_hand(self, noise, shape, crop):
        image = noise(*shape)
        before = image.copy()
        np.testing.assert_array_equal(crop_image(image, crop), by_hand(image, crop))
        np.testing.assert_array_equal(image, before)

    def test_nothing_is_copied_without_a_crop(self, noise):
        image = noise(4, 5, 3)
        assert crop_image(image, 1.0) is image

    def test_a_crop_does_not_hold_the_whole(self, noise):
        image = noise(4, 5, 3)
        assert not np.shares_memory(image, crop_image(image, 0.5))

    @pytest.mark.parametrize("crop", [0, -1, 0.009, 4.1, np.nan, np.inf, "half", None])
    def test_no_crop(self, crop):
        with pytest.raises(ValueError, match=r"crop must be a number in 0.01..4, .* not "):
            check_crop(crop)
        with pytest.raises(ValueError, match="crop must be"):
            read_images(np.zeros((2, 4, 4), np.uint8), crop=crop)


@pytest.fixture
def cells(noise):
    return noise(20, 15, 12, 3)


def save_all(cells, folder):
    paths = [folder / f"{i}.png" for i in range(len(cells))]
    for path, cell in zip(paths, cells, strict=True):
        Image.fromarray(cell).save(path)
    return paths


class TestRead:
    """Whatever X is, its images are cropped and then resized, as they would be by hand."""

    FORMS = {
        "stack": lambda cells, folder: cells,
        "floats": lambda cells, folder: cells / 255,
        "read-only": lambda cells, folder: np.broadcast_to(cells, cells.shape),
        "list": lambda cells, folder: list(cells),
        "PIL": lambda cells, folder: [Image.fromarray(cell) for cell in cells],
        "paths": save_all,
    }

    @pytest.mark.parametrize("mapped", [False, True])
    @pytest.mark.parametrize("crop", [0.4, 1.25])
    @pytest.mark.parametrize("form", FORMS)
    def test_forms(self, cells, tmp_path, form, crop, mapped, monkeypatch):
        if mapped:
            monkeypatch.setattr(_stack, "_MAX_IN_MEMORY", 0)
        X = self.FORMS[form](cells, tmp_path)
        expected = np.stack([by_hand(cell, crop) for cell in cells])
        np.testing.assert_array_equal(read_images(X, crop=crop), expected)
        smaller = resize_images(expected, (5, 4))
        np.testing.assert_array_equal(read_images(X, crop=crop, size=(5, 4)), smaller)
        # A smaller size is kept, to be resized later.
        np.testing.assert_array_equal(read_images(X, crop=crop, size=(60, 60)), expected)

    @pytest.mark.parametrize("form", FORMS)
    def test_no_crop_is_no_crop(self, cells, tmp_path, form):
        X = self.FORMS[form](cells, tmp_path)
        np.testing.assert_array_equal(read_images(X, crop=1), cells)

    def test_a_stack_is_not_copied_without_a_crop(self, cells):
        assert read_images(cells, crop=1.0) is cells

    @pytest.mark.parametrize("form", ["list", "PIL", "paths"])
    def test_sizes_that_differ(self, noise, tmp_path, form):
        cells = [noise(9 + i, 30 - i, 3) for i in range(9)]
        cropped = [by_hand(cell, 0.5)[None] for cell in cells]
        expected = np.concatenate([resize_images(cell, (8, 8)) for cell in cropped])
        X = self.FORMS[form](cells, tmp_path)
        np.testing.assert_array_equal(read_images(X, crop=0.5, size=(8, 8)), expected)

    def test_gray_and_transparent(self, noise):
        gray, rgba = noise(3, 8, 8), noise(3, 8, 8, 4)
        np.testing.assert_array_equal(
            read_images(gray, crop=0.5), read_images(gray)[:, 2:6, 2:6], strict=True
        )
        np.testing.assert_array_equal(
            read_images(rgba, crop=0.5, channels=1), read_images(rgba, channels=1)[:, 2:6, 2:6]
        )

    def test_unreadable_files_are_named(self, cells, tmp_path):
        paths = save_all(cells, tmp_path)
        paths[3].write_bytes(b"no image")
        with pytest.raises(ValueError, match=r"(?s)1 of 20 image files.*position 3"):
            read_images(paths, crop=0.5)


class TestStore:
    def test_crops_are_told_apart(self, cells, tmp_path, monkeypatch):
        paths, store = save_all(cells, tmp_path), FeatureStore(tmp_path / "store")
        crops = (1, 0.5, 0.7, 1.25)
        for crop in crops:
            kept = read_images(paths, crop=crop, size=(6, 6), store=store)
            np.testing.assert_array_equal(kept, read_images(paths, crop=crop, size=(6, 6)))
        assert store.n_computed == len(crops) * len(cells)
        # All are there, and nothing is decoded again.
        monkeypatch.setattr(_files, "_read_file", None)
        for crop in crops:
            read_images(paths, crop=crop, size=(6, 6), store=store)
