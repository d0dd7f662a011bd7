"""CellImages and content keys."""

import numpy as np
import pytest
from sklearn.utils import _safe_indexing

from skblood.images import CellImages, content_keys


def test_content_keys(noise):
    images = noise(6, 4, 4, 3)
    images[3] = images[4] = images[1]
    images[4, 3, 3, 2] ^= 1
    keys = content_keys(images)
    assert (keys.shape, keys.dtype) == ((6, 2), np.uint64)
    assert (keys[1] == keys[3]).all()
    assert len(np.unique(keys, axis=0)) == 5
    strided = np.asfortranarray(images)[:, ::-1][:, ::-1]
    np.testing.assert_array_equal(content_keys(strided), keys)


@pytest.mark.parametrize("keys_first", [False, True])
@pytest.mark.parametrize("rows", [slice(1, 3), [4, 0, 0], np.arange(5) > 2], ids=str)
def test_selection(noise, rows, keys_first):
    pixels = noise(5, 4, 4, 3)
    images = CellImages(pixels, ("as given",))
    if keys_first:
        assert len(images.keys) == 5
    for some in (images[rows], _safe_indexing(images, rows)):
        np.testing.assert_array_equal(some.pixels, pixels[rows])
        np.testing.assert_array_equal(some.keys, content_keys(pixels[rows]))
        assert some.preprocessing == images.preprocessing
        assert len(some) == some.shape[0] == len(pixels[rows])


def test_a_single_position_is_refused(noise):
    with pytest.raises(TypeError, match="by a slice, a mask or a list"):
        CellImages(noise(2, 4, 4, 3))[np.int64(0)]
