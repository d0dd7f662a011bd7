"""Rows of a table as images or features."""

import numpy as np
import pytest

from skblood.images import convert_channels, resolve_row_shape, unflatten_rows


@pytest.mark.parametrize(
    ("width", "shape"),
    [(2352, (28, 28, 3)), (784, (28, 28, 1)), (192, (8, 8, 3)), (64, (8, 8, 1))],
)
@pytest.mark.parametrize("features", ["error", "keep"])
def test_squares(width, shape, features):
    assert resolve_row_shape(width, features=features) == shape


@pytest.mark.parametrize("width", [1, 49, 147, 65, 2351])
def test_no_square(width):
    assert resolve_row_shape(width, features="keep") == (1, 1, width)
    with pytest.raises(ValueError, match=f"Rows of {width} features.*RGB.*gray.*image_shape="):
        resolve_row_shape(width)


@pytest.mark.parametrize(
    ("image_shape", "shape"),
    [
        ([28, 28, 3], (28, 28, 3)),
        (np.array([-1, 28, 3]), (28, 28, 3)),
        ((28, 28, -1), (28, 28, 3)),
        ((56, 42), (56, 42, 1)),
        ((56, -1), (56, 42, 1)),
        ((1, -1, 1), (1, 2352, 1)),
    ],
)
def test_given_shapes(image_shape, shape):
    assert resolve_row_shape(2352, image_shape, features="keep") == shape
    assert all(type(side) is int for side in resolve_row_shape(2352, image_shape))


@pytest.mark.parametrize(
    "image_shape", [(28,), (1, 1, 1, 1), (0, 28, 3), (-2, 28), (-1, -1, 3), (28.0, 28), 28, "ab"]
)
def test_invalid_shapes(image_shape):
    with pytest.raises(ValueError, match="image_shape must be"):
        resolve_row_shape(2352, image_shape)


@pytest.mark.parametrize(
    ("width", "image_shape", "says"),
    [
        (2352, (28, 28), r"2352.*\(28, 28\), which takes 784\."),
        (2352, (-1, 5, 3), r"takes a multiple of 15"),
        (2350, (28, 28, 3), r"takes 2352\. .*\(1, -1, 1\)"),
        (50, (5, 5, 2), r"image_shape=\(5, 5, 2\) must have 1, 3 or 4"),
    ],
)
def test_shapes_that_do_not_fit(width, image_shape, says):
    with pytest.raises(ValueError, match=says):
        unflatten_rows(np.zeros((2, width), np.uint8), image_shape)


def test_images(noise):
    images = noise(4, 9, 8, 3)[::-1]
    rows = images.reshape(4, -1)
    rows.flags.writeable = False
    read = unflatten_rows(rows, (9, 8, 3))
    assert np.shares_memory(read, rows)
    np.testing.assert_array_equal(read, images)
    np.testing.assert_array_equal(unflatten_rows((rows / 255).astype(">f4"), (9, 8, 3)), images)
    rgba = noise(3, 6, 5, 4)
    read = unflatten_rows(rgba.reshape(3, -1), (6, 5, 4))
    np.testing.assert_array_equal(read, convert_channels(rgba))


@pytest.mark.parametrize("features", ["error", "keep"])
def test_images_out_of_range(features):
    with pytest.raises(ValueError, match=r"float64 in 200\.\.200"):
        unflatten_rows(np.full((2, 192), 200.0), features=features)


@pytest.mark.parametrize("dtype", ["i8", "f4", ">f8", "?"])
def test_features(rng, dtype):
    rows = (1e3 * rng.normal(size=(6, 10))).astype(dtype)
    for features in (unflatten_rows(rows, (1, 2, 5)), unflatten_rows(rows, features="keep")):
        assert features.dtype == np.float32
        np.testing.assert_array_equal(features.reshape(6, 10), rows.astype(np.float32))


def test_features_without_a_copy_and_too_large():
    for dtype in (np.uint8, np.float32):
        rows = np.ones((6, 10), dtype)
        assert np.shares_memory(unflatten_rows(rows, (1, -1, 1)), rows)
    with pytest.raises(ValueError, match=r"2 values of float64 exceed.*StandardScaler"):
        unflatten_rows(np.array([[1.0, 1e39], [-1e300, 0.0]]), (1, -1, 1))
