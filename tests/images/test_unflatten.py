"""Rows of a table, folded into images or kept as features."""

import numpy as np
import pytest
from PIL import Image

from skblood.images import resolve_row_shape, unflatten_rows


@pytest.mark.parametrize(
    ("width", "fold"),
    [
        (3 * 28 * 28, (28, 28, 3)),
        (28 * 28, (28, 28, 1)),
        (3 * 8 * 8, (8, 8, 3)),
        (8 * 8, (8, 8, 1)),
        (28 * 28 * 4, (56, 56, 1)),
        (3 * 224 * 224, (224, 224, 3)),
    ],
)
@pytest.mark.parametrize("features", ["error", "keep"])
def test_default_folds(width, fold, features):
    assert resolve_row_shape(width, features=features) == fold


@pytest.mark.parametrize("width", [1, 2, 49, 147, 63, 65, 2351, 2353])
def test_default_without_a_square(width):
    assert resolve_row_shape(width, features="keep") == (1, 1, width)
    with pytest.raises(ValueError, match=f"Rows of {width} features.*image_shape=") as error:
        resolve_row_shape(width)
    assert "RGB" in str(error.value) and "gray" in str(error.value)


def test_message_names_the_nearest_squares():
    with pytest.raises(ValueError, match=r"2352 \(28 x 28 RGB\) and 2304 \(48 x 48 gray\)"):
        resolve_row_shape(2350)


@pytest.mark.parametrize(
    ("image_shape", "fold"),
    [
        ((28, 28, 3), (28, 28, 3)),
        ([28, 28, 3], (28, 28, 3)),
        (np.array([28, 28, 3]), (28, 28, 3)),
        ((-1, 28, 3), (28, 28, 3)),
        ((28, -1, 3), (28, 28, 3)),
        ((28, 28, -1), (28, 28, 3)),
        ((56, 42), (56, 42, 1)),
        ((56, -1), (56, 42, 1)),
        ((1, -1, 1), (1, 2352, 1)),
        ((1, 1, -1), (1, 1, 2352)),
    ],
)
def test_explicit_folds(image_shape, fold):
    assert resolve_row_shape(2352, image_shape) == fold
    assert all(type(side) is int for side in resolve_row_shape(2352, image_shape))


def test_explicit_fold_wins_over_keep():
    assert resolve_row_shape(12, (1, -1, 1), features="keep") == (1, 12, 1)


@pytest.mark.parametrize(
    "image_shape",
    [(28,), (28, 28, 3, 1), (0, 28, 3), (-2, 28, 3), (-1, -1, 3), (28.0, 28, 3), 28, "ab", ()],
)
def test_invalid_image_shape(image_shape):
    with pytest.raises(ValueError, match="image_shape must be"):
        resolve_row_shape(2352, image_shape)


@pytest.mark.parametrize(
    ("width", "image_shape", "says"),
    [
        (2352, (28, 28), r"2352.*\(28, 28\).*takes 784.*image_shape=\(28, 28, 3\) would fit"),
        (2352, (-1, 5, 3), r"takes a multiple of 15.*\(28, 28, 3\) would fit"),
        (2350, (28, 28, 3), r"takes 2352.*nearest squares.*\(1, -1, 1\)"),
    ],
)
def test_fold_that_does_not_fit(width, image_shape, says):
    with pytest.raises(ValueError, match=says):
        resolve_row_shape(width, image_shape)


def test_folding_equals_reshape_and_is_a_view(noise):
    images = noise(4, 9, 8, 3)
    rows = images.reshape(4, -1)
    folded = unflatten_rows(rows, (9, 8, 3))
    assert np.shares_memory(folded, rows)
    np.testing.assert_array_equal(folded, images)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", ">f8", "g"])
def test_float_images_become_uint8(noise, dtype):
    images = noise(4, 9, 8, 3)
    rows = (images.reshape(4, -1) / 255).astype(dtype)
    before = rows.copy()
    folded = unflatten_rows(rows, (9, 8, 3))
    assert folded.dtype == np.uint8
    np.testing.assert_array_equal(folded, images)
    np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (np.full((2, 192), 128), r"int64 in 128\.\.128.*X\.astype\(np\.uint8\)"),
        (np.full((2, 192), 200.0), r"float64 in 200\.\.200.*X / 255"),
        (np.full((2, 192), -1.0), r"\(X \+ 1\) / 2"),
    ],
)
@pytest.mark.parametrize("features", ["error", "keep"])
def test_images_out_of_range(rows, says, features):
    with pytest.raises(ValueError, match=says):
        unflatten_rows(rows, features=features)


@pytest.mark.parametrize("channels", [2, 5])
def test_images_of_odd_channels(channels):
    with pytest.raises(ValueError, match=f"of {channels} channels; images have 1, 3 or 4"):
        unflatten_rows(np.zeros((2, 16 * channels), np.uint8), (4, 4, channels))


def test_rgba_rows_equal_rgba_images(noise):
    rgba = noise(3, 6, 5, 4)
    folded = unflatten_rows(rgba.reshape(3, -1), (6, 5, 4))
    white = Image.new("RGBA", (5, 6), "white")
    expected = [Image.alpha_composite(white, Image.fromarray(image)) for image in rgba]
    expected = np.stack([np.asarray(image.convert("RGB")) for image in expected])
    assert folded.shape == (3, 6, 5, 3)
    assert np.abs(folded.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("image_shape", [(1, -1, 1), (1, 1, -1), (1, 2, 5), (1, 10)])
@pytest.mark.parametrize("dtype", ["i8", "f4", "f8", ">f8", "?", "u2"])
def test_features_become_float32_of_any_range(rng, image_shape, dtype):
    rows = (1e3 * rng.normal(size=(6, 10))).astype(dtype)
    folded = unflatten_rows(rows, image_shape)
    assert folded.dtype == np.float32
    assert folded.shape[:2] == (6, 1)
    np.testing.assert_array_equal(folded.reshape(6, 10), rows.astype(np.float32))


def test_features_by_keep(rng):
    rows = rng.normal(size=(6, 10))
    assert unflatten_rows(rows, features="keep").shape == (6, 1, 1, 10)
    with pytest.raises(ValueError, match="Rows of 10 features"):
        unflatten_rows(rows)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_features_are_not_copied_without_need(dtype):
    rows = np.ones((6, 10), dtype)
    folded = unflatten_rows(rows, (1, -1, 1))
    assert folded.dtype == dtype
    assert np.shares_memory(folded, rows)


def test_features_too_large_for_float32():
    rows = np.array([[1.0, 1e39], [-1e300, 0.0]])
    with pytest.raises(ValueError, match=r"2 values of float64 do not fit.*StandardScaler"):
        unflatten_rows(rows, (1, -1, 1))


@pytest.mark.parametrize("image_shape", [None, (1, -1, 1)])
def test_read_only_and_strided_rows(noise, image_shape):
    rows = noise(4, 2 * 192)[::-1, ::2]
    rows.flags.writeable = False
    folded = unflatten_rows(rows, image_shape)
    np.testing.assert_array_equal(folded.reshape(4, -1), rows)
