"""The reader of a model: read images pass, others are held to the specification."""

from dataclasses import replace

import numpy as np
import pytest

from skblood.images import CellImages, ImageReader, Layout, read_images, unflatten_rows
from skblood.networks import NetworkSpec

SHAPE = (9, 8, 3)


@pytest.fixture
def spec():
    """A specification without a network, which reading does not need."""
    return NetworkSpec((), None, None, input_shape=SHAPE, image_shape=SHAPE)


class TestReadImages:
    def test_pass_as_they_are(self, spec, noise):
        reader = ImageReader(spec)
        (read,) = reader.read(noise(4, *SHAPE))
        assert reader.read(read) == [read] and reader.read(read)[0] is read
        assert reader.read(read, crops=[1.0, 0.5]) == [read]
        (some,) = reader.read(read[1:3])
        np.testing.assert_array_equal(some.pixels, read.pixels[1:3])

    @pytest.mark.parametrize(
        "other",
        [
            *({"crop": 0.5}, {"interpolation": "nearest"}, {"image_size": (9, 8)}),
            *({"is_pixels": False}, {"input_shape": (8, 8, 3)}, {"image_shape": (9, 8, 1)}),
        ],
        ids=str,
    )
    def test_of_another_model_are_refused(self, spec, noise, other):
        (read,) = ImageReader(spec).read(noise(4, *SHAPE))
        with pytest.raises(ValueError, match="read with another preprocessing"):
            ImageReader(replace(spec, **other)).read(read)

    def test_other_settings_of_prediction_pass(self, spec, noise):
        (read,) = ImageReader(spec).read(noise(4, *SHAPE))
        for other in ({"precision": "bfloat16"}, {"dihedral_views": 4}, {"bit_depth": 12}):
            assert ImageReader(replace(spec, **other)).read(read)[0] is read

    def test_a_fit_takes_their_layout(self, spec, noise):
        images = noise(4, *SHAPE)
        given, taken = Layout((4, 4), 0.5, "bilinear"), Layout((4, 4), 0.5, "bilinear")
        read, _ = given.read(images)
        assert taken.take(read) is read and isinstance(read, CellImages)
        assert taken.image_shape == given.image_shape == (4, 4, 3)
        with pytest.raises(ValueError, match="Pass what X was read from"):
            Layout((4, 4), 0.6, "bilinear").take(read)


def test_crops_and_sizes(spec, noise):
    images = noise(4, *SHAPE)
    whole, half = ImageReader(spec).read(images, crops=[1.0, 0.5])
    np.testing.assert_array_equal(half.pixels, read_images(images, crop=0.5))
    np.testing.assert_array_equal(whole.pixels, images)
    sized = replace(spec, image_size=(4, 4), image_shape=(4, 4, 3), crop=0.5)
    (read,) = ImageReader(sized).read(images)
    np.testing.assert_array_equal(read.pixels, read_images(images, crop=0.5, size=(4, 4)))
    rows = images.reshape(4, -1)
    rows = unflatten_rows(rows, SHAPE)
    (read,) = ImageReader(sized).read(rows, is_rows=True)
    np.testing.assert_array_equal(read.pixels, read_images(images, crop=0.5, size=(4, 4)))


@pytest.mark.parametrize("size", [None, (8, 8)])
def test_each_content_is_decoded_once_for_all_crops(files, tmp_path, decoded, size):
    from skblood.inference import FeatureStore

    paths, _ = files
    paths[3].write_bytes(b"no image")
    crops, store, unreadable = [1.0, 0.5, 0.7], FeatureStore(tmp_path / "store"), {}
    expected = read_images(paths, crops=crops, size=size, unreadable={})
    decoded.clear()
    read = read_images(paths, crops=crops, size=size, unreadable=unreadable, store=store)
    for ours, theirs in zip(read, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert sorted(decoded) == sorted(paths) and list(unreadable) == [3]
