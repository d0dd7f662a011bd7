"""Keys of what images hold."""

import numpy as np
import pytest

from skblood.images import content_keys


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)


class TestContentKeys:
    def test_same_for_the_same_pixels_only(self, images):
        images[3] = images[1]
        images[4] = images[1]
        images[4, 3, 3, 2] ^= 1
        keys = [tuple(key) for key in content_keys(images)]
        assert keys[1] == keys[3]
        assert len(set(keys)) == 5

    def test_layout_in_memory_does_not_matter(self, images):
        strided = np.asfortranarray(images)[:, ::-1][:, ::-1]
        assert np.array_equal(content_keys(strided), content_keys(images))

    def test_128_bits(self, images):
        keys = content_keys(images)
        assert (keys.shape, keys.dtype) == ((6, 2), np.uint64)
