"""read_images on numeric arrays, whole and in lists."""

import numpy as np
import pytest
import torch

from skblood.images import as_uint8, convert_channels, read_images, resize_images


class TestWholeArrays:
    @pytest.mark.parametrize("c", [1, 3])
    def test_uint8_passes_without_a_copy(self, noise, c):
        images = noise(3, 9, 8, c)
        assert read_images(images) is images

    def test_gray_gets_a_channel_axis_without_a_copy(self, noise):
        images = noise(3, 9, 8)
        read = read_images(images)
        assert read.shape == (3, 9, 8, 1)
        assert np.shares_memory(read, images)

    def test_forms_of_the_same_pixels(self, noise):
        images = noise(3, 9, 8, 3)
        forms = [
            images / 255,
            (images / 255).astype(">f4"),
            torch.from_numpy(images),
            torch.from_numpy(images / 255),
            (images / 255).tolist(),
            memoryview(images),
            np.asfortranarray(images),
        ]
        for form in forms:
            read = read_images(form)
            assert read.dtype == np.uint8
            np.testing.assert_array_equal(read, images)

    @pytest.mark.parametrize("c", [1, 3, 4])
    @pytest.mark.parametrize("channels", [None, 1, 3])
    def test_channels(self, noise, c, channels):
        images = noise(3, 9, 8, c)
        read = read_images(images / 255, channels=channels)
        np.testing.assert_array_equal(read, convert_channels(images, channels))
        assert read.shape[3] == (channels or min(c, 3))

    @pytest.mark.parametrize(
        ("shape", "says"),
        [
            ((2, 3, 9, 8), r"channels come first.*X\.transpose\(0, 2, 3, 1\)"),
            ((2, 1, 9, 8), r"channels come first.*X\.transpose\(0, 2, 3, 1\)"),
            ((2, 4, 9, 8), r"channels come first.*X\.transpose\(0, 2, 3, 1\)"),
            ((2, 9, 8, 2), r"Pick the channels to use.*c = 1, 3 or 4"),
            ((2, 9, 8, 7), r"Pick the channels to use.*c = 1, 3 or 4"),
            ((2, 9, 8, 7, 3), r"has 5 axes"),
            ((9, 8, 3), r"\(9, 8, 3\).*single image.*X\[None\]"),
            ((9, 8, 4), r"\(9, 8, 4\).*single image.*X\[None\]"),
            ((9, 8, 1), r"single image.*X\[None\].*X\[\.\.\., None\] for 9 gray"),
            ((0, 9, 8, 3), r"holds no pixels"),
            ((2, 0, 8, 3), r"holds no pixels"),
            ((2, 9, 0), r"holds no pixels"),
        ],
    )
    @pytest.mark.parametrize("make", [np.zeros, torch.zeros])
    def test_odd_shapes(self, shape, says, make):
        with pytest.raises(ValueError, match=says) as error:
            read_images(make(shape))
        assert str(tuple(shape)) in str(error.value)

    def test_the_fixes_of_shapes_are_right(self, noise):
        images = noise(2, 9, 8, 3)
        first = images.transpose(0, 3, 1, 2)
        np.testing.assert_array_equal(read_images(first.transpose(0, 2, 3, 1)), images)
        np.testing.assert_array_equal(read_images(images[0][None]), images[:1])
        assert read_images(noise(5, 9, 3)[..., None]).shape == (5, 9, 3, 1)

    @pytest.mark.parametrize(
        ("X", "says"),
        [
            (np.full((2, 9, 8), 255), "astype"),
            (np.full((2, 9, 8), 255.0), "X / 255"),
            (np.full((2, 9, 8), np.nan), "144 values are NaN or infinite, in 2 of 2 images"),
            (np.zeros((2, 9, 8), complex), "Complex data not supported"),
            (np.zeros((2, 9, 8)).astype(object), "not object"),
        ],
    )
    def test_odd_values(self, X, says):
        with pytest.raises(ValueError, match=says):
            read_images(X)

    def test_ragged_nested_lists(self):
        with pytest.raises(ValueError, match="nested lists do not form one array"):
            read_images([[[0, 1], [2, 3]], [[0, 1, 2], [2, 3, 4]]])

    def test_nested_lists_in_an_object_array(self):
        X = np.empty(2, object)
        X[0] = X[1] = np.ones((9, 8)).tolist()
        assert read_images(X).shape == (2, 9, 8, 1)

    @pytest.mark.parametrize("size", [(9, 8), (20, 20)])
    def test_images_that_fit_are_not_resized(self, noise, size):
        images = noise(3, 9, 8, 3)
        assert read_images(images, size=size) is images

    @pytest.mark.parametrize("size", [(8, 8), (9, 7), (50, 4)])
    def test_images_with_a_larger_side_are_resized(self, noise, size):
        images = noise(3, 9, 8, 3)
        read = read_images(images, size=size)
        np.testing.assert_array_equal(read, resize_images(images, size))

    def test_interpolation_is_used(self, noise):
        images = noise(3, 40, 40, 3)
        for interpolation in ("nearest", "bicubic"):
            read = read_images(images, size=(15, 15), interpolation=interpolation)
            expected = resize_images(images, (15, 15), interpolation)
            np.testing.assert_array_equal(read, expected)


class TestLists:
    @pytest.fixture(params=["list", "tuple", "object array", "tensors"])
    def pack(self, request):
        """Pack arrays into a sequence of each kind."""

        def objects(images):
            box = np.empty(len(images), object)
            for i, image in enumerate(images):
                box[i] = image
            return box

        packers = {
            "list": list,
            "tuple": tuple,
            "object array": objects,
            "tensors": lambda images: [torch.tensor(image) for image in images],
        }
        return packers[request.param]

    def test_equal_sizes(self, noise, pack):
        images = noise(4, 9, 8, 3)
        np.testing.assert_array_equal(read_images(pack(images)), images)

    def test_gray(self, noise, pack):
        images = noise(4, 9, 8)
        np.testing.assert_array_equal(read_images(pack(images)), images[..., None])

    def test_different_sizes(self, noise, pack):
        images = [noise(9, 8, 3), noise(30, 20, 3), noise(5, 40, 3)]
        read = read_images(pack(images), size=(12, 12))
        expected = [resize_images(image[None], (12, 12)) for image in images]
        np.testing.assert_array_equal(read, np.concatenate(expected))

    def test_an_object_array_of_equal_sizes(self, noise):
        images = np.empty(2, object)
        images[:] = [noise(9, 8), noise(9, 8)]
        assert read_images(images).shape == (2, 9, 8, 1)

    def test_dtypes_may_be_mixed(self, noise):
        images = noise(2, 9, 8, 3)
        np.testing.assert_array_equal(read_images([images[0], images[1] / 255]), images)

    @pytest.mark.parametrize("channels", [None, 3, 1])
    def test_gray_and_colour(self, noise, channels):
        gray, flat, colour, clear = noise(9, 8), noise(9, 8, 1), noise(9, 8, 3), noise(9, 8, 4)
        read = read_images([gray, flat, colour, clear], channels=channels)
        assert read.shape == (4, 9, 8, channels or 3)
        single = [gray[..., None], flat, colour, clear]
        for image, expected in zip(read, single, strict=True):
            expected = convert_channels(convert_channels(expected[None]), channels or 3)
            np.testing.assert_array_equal(image, expected[0])

    def test_small_images_of_one_size_are_kept(self, noise):
        images = [noise(9, 8, 3), noise(9, 8, 3)]
        assert read_images(images, size=(20, 20)).shape == (2, 9, 8, 3)

    def test_large_images_of_one_size_are_resized(self, noise):
        images = [noise(9, 8, 3), noise(9, 8, 3)]
        assert read_images(images, size=(20, 7)).shape == (2, 20, 7, 3)

    def test_different_sizes_without_a_size(self, noise):
        images = [noise(9, 8), noise(9, 9), noise(9, 8), noise(7, 9)]
        with pytest.raises(ValueError, match="3 sizes") as error:
            read_images(images)
        message = str(error.value)
        assert "9 x 8 (2 images, the first at position 0)" in message
        assert "9 x 9 (1 images, the first at position 1)" in message
        assert "7 x 9 (1 images, the first at position 3)" in message
        assert "image_size=(height, width)" in message

    def test_many_different_sizes_are_cut_short(self, noise):
        with pytest.raises(ValueError, match=r"12 sizes.*, \.\.\.\. Set") as error:
            read_images([noise(9, width) for width in range(5, 17)])
        assert str(error.value).count("position") == 5

    @pytest.mark.parametrize(
        ("image", "says"),
        [
            (np.zeros((3, 9, 8)), r"\(3, 9, 8\).*x\.transpose\(1, 2, 0\)"),
            (np.zeros((9, 8, 2)), r"\(9, 8, 2\).*channels to use"),
            (np.zeros((5, 9, 8, 3)), r"It is a batch: pass np\.concatenate\(X\)"),
            (np.zeros((2, 2, 2, 2, 2)), r"axes and channels"),
            (np.zeros((0, 8)), r"no pixels"),
            (np.zeros((9, 8, 0)), r"no pixels"),
            (np.full((9, 8), 7), r"int64 in 7\.\.7.*astype"),
            (np.full((9, 8), 2.0), r"X / 255"),
            (np.full((9, 8), np.nan), r"72 values are NaN or infinite, in 1 of 1 images"),
        ],
    )
    def test_odd_images_are_named(self, noise, image, says):
        with pytest.raises(ValueError, match=r"The image at position 2.*" + says):
            read_images([noise(9, 8), noise(9, 8), image])


def test_nothing_of_the_users_is_changed(noise):
    images = noise(3, 30, 20, 4)
    floats = images / 255
    lists = [images[0], floats[1], images[2, ..., 0]]
    before = images.copy(), floats.copy()
    for array in (images, floats):
        array.flags.writeable = False
    for size in (None, (9, 9), (50, 50)):
        for X in (images, floats, images[..., 0], lists):
            for channels in (None, 1, 3):
                read_images(X, size=size, channels=channels)
    np.testing.assert_array_equal(images, before[0])
    np.testing.assert_array_equal(floats, before[1])
    assert len(lists) == 3 and all(image is not None for image in lists)


@pytest.mark.parametrize(
    "view", [np.s_[::-1], np.s_[:, ::-1, ::-1], np.s_[:, ::2, 1::3], np.s_[::2]]
)
def test_strided_arrays(noise, view):
    images = noise(4, 30, 21, 3)[view]
    for X in (images, images / 255, list(images), images[..., 0]):
        expected = as_uint8(np.array(X))
        expected = expected if expected.ndim == 4 else expected[..., None]
        np.testing.assert_array_equal(read_images(X), expected)
        resized = read_images(X, size=(6, 6))
        np.testing.assert_array_equal(resized, resize_images(expected, (6, 6)))


def test_memory_maps(noise, tmp_path):
    images = noise(3, 30, 21, 3)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    read = read_images(mapped)
    assert np.shares_memory(read, mapped)
    np.testing.assert_array_equal(
        read_images(mapped, size=(9, 9)), read_images(images, size=(9, 9))
    )
    del read, mapped


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"size": 28}, r"size must be \(height, width\)"),
        ({"size": (28, 0)}, r"size must be \(height, width\)"),
        ({"channels": 2}, "channels must be None, 1"),
        ({"interpolation": "lanczos"}, "interpolation must be one of"),
    ],
)
def test_invalid_arguments(noise, arguments, says):
    with pytest.raises(ValueError, match=says):
        read_images(noise(2, 9, 8, 3), **arguments)
