"""read_images on numeric arrays, whole and in lists."""

import numpy as np
import pytest
import torch

from skblood.images import as_uint8, convert_channels, read_images, resize_images


def boxed(images):
    box = np.empty(len(images), object)
    for i, image in enumerate(images):
        box[i] = image
    return box


class TestWholeArrays:
    def test_not_copied_without_need(self, noise, tmp_path):
        images = noise(3, 9, 8, 3)
        assert read_images(images) is read_images(images, size=(9, 20)) is images
        gray = read_images(images[..., 0])
        assert gray.shape == (3, 9, 8, 1) and np.shares_memory(gray, images)
        np.save(tmp_path / "images.npy", images)
        mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
        assert np.shares_memory(read_images(mapped), mapped)

    def test_same_pixels_in_any_form(self, noise):
        images = noise(3, 9, 8, 3)
        forms = [(images / 255).astype(">f4"), torch.from_numpy(images / 255)]
        forms += [(images / 255).tolist(), np.asfortranarray(images), images[::-1][::-1]]
        for form in forms:
            read = read_images(form)
            assert read.dtype == np.uint8
            np.testing.assert_array_equal(read, images)

    @pytest.mark.parametrize("c", [1, 3, 4])
    @pytest.mark.parametrize("channels", [None, 1, 3])
    def test_channels(self, noise, c, channels):
        images = noise(3, 9, 8, c)
        expected = convert_channels(images, channels)
        np.testing.assert_array_equal(read_images(images / 255, channels=channels), expected)
        np.testing.assert_array_equal(read_images(list(images), channels=channels), expected)

    @pytest.mark.parametrize(
        ("shape", "says"),
        [
            ((2, 3, 9, 8), r"c = 1, 3 or 4.* 2 of shape \(3, 9, 8\).*X\.(transpose|permute)\(0"),
            ((2, 9, 8, 7, 3), r"2 of shape \(9, 8, 7, 3\)"),
            ((9, 8, 3), r"single image\. Pass X\[None\], or X\[\.\.\., None\].* 3 pixels wide"),
            ((0, 9, 8, 3), r"X holds no images"),
            ((2, 9, 0), r"2 of shape \(9, 0\)"),
        ],
    )
    @pytest.mark.parametrize("make", [np.zeros, torch.zeros])
    def test_odd_shapes(self, shape, says, make):
        with pytest.raises(ValueError, match=says):
            read_images(make(shape))

    def test_ragged_nested_lists(self):
        with pytest.raises(ValueError, match="nested lists form no array"):
            read_images([[[0, 1], [2, 3]], [[0, 1, 2], [2, 3, 4]]])

    @pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
    @pytest.mark.parametrize("size", [(8, 8), (9, 7), (50, 4)])
    def test_images_with_a_larger_side_are_resized(self, noise, size, interpolation):
        images = noise(3, 9, 8, 3)[:, ::-1]
        expected = resize_images(images, size, interpolation)
        for X in (images, images / 255, list(images)):
            read = read_images(X, size=size, interpolation=interpolation)
            np.testing.assert_array_equal(read, expected)


class TestLists:
    @pytest.mark.parametrize(
        "pack", [list, tuple, boxed, lambda images: [torch.tensor(image) for image in images]]
    )
    def test_forms(self, noise, pack):
        images = noise(4, 9, 8, 3)
        np.testing.assert_array_equal(read_images(pack(images)), images)
        np.testing.assert_array_equal(read_images(pack(images[..., 0])), images[..., :1])
        mixed = [noise(9, 8, 3), noise(30, 20, 3) / 255, noise(5, 40, 3)]
        expected = [resize_images(as_uint8(image[None]), (12, 12)) for image in mixed]
        np.testing.assert_array_equal(
            read_images(pack(mixed), size=(12, 12)), np.concatenate(expected)
        )

    @pytest.mark.parametrize(
        ("image", "says"),
        [
            (np.zeros((3, 9, 8)), r"shape \(3, 9, 8\).*transpose"),
            (np.zeros((5, 9, 8, 3)), r"shape \(5, 9, 8, 3\)"),
            (np.zeros((0, 8)), r"shape \(0, 8\)"),
            (np.full((9, 8), 2.0), r"float64 in 2\.\.2"),
        ],
    )
    def test_odd_images_are_named(self, noise, image, says):
        with pytest.raises(ValueError, match=r"The image at position 2.*" + says):
            read_images([noise(9, 8), noise(9, 8), image])


def test_input_is_not_changed(noise):
    images = noise(3, 30, 20, 4)
    lists, before = [images[0], images[1] / 255, images[2, ..., 0]], images.copy()
    images.flags.writeable = False
    for X in (images, images[..., 0], lists):
        for channels in (None, 1, 3):
            read_images(X, size=(9, 9), channels=channels, crop=0.9)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"size": 28}, r"size must be \(height, width\)"),
        ({"size": (28, 0)}, r"size must be \(height, width\)"),
        ({"channels": 2}, "channels must be None, 1"),
        ({"interpolation": "lanczos"}, "interpolation must be one of"),
        ({"crop": 0}, "crop must be a number"),
    ],
)
def test_invalid_arguments(noise, arguments, says):
    with pytest.raises(ValueError, match=says):
        read_images(noise(2, 9, 8, 3), **arguments)
