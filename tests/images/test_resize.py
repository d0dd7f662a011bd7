"""Resizing: Pillow's pixels, the same alone and in a batch, in any layout and form."""

import numpy as np
import pytest
import torch
from PIL import Image

from skblood.images import INTERPOLATIONS, read_images, resize_batch, resize_images
from skblood.images._resize import _CHUNK, _resize_by_floats

SIZES = [((37, 53), (28, 28)), ((28, 28), (64, 64)), ((30, 60), (60, 30)), ((40, 40), (1, 1))]


def resize_by_pillow(images, size, interpolation):
    method = Image.Resampling[interpolation.upper()]
    resized = [Image.fromarray(image.squeeze()).resize(size[::-1], method) for image in images]
    return np.stack([np.asarray(image).reshape(*size, -1) for image in resized])


def as_tensor(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def assert_close(images, expected):
    wrong = np.abs(images.astype(int) - expected)
    assert wrong.max() <= 2
    assert (wrong <= 1).mean() > 0.999


@pytest.mark.parametrize(("old", "new"), SIZES)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_close_to_pillow(noise, old, new, interpolation):
    images = noise(4, *old, 3)
    expected = resize_by_pillow(images, new, interpolation)
    resized = resize_images(images, new, interpolation)
    assert resized.dtype == np.uint8
    assert_close(resized, expected)
    # As on devices without a uint8 kernel.
    floats = _resize_by_floats(as_tensor(images), new, interpolation)
    assert_close(floats.permute(0, 2, 3, 1).numpy(), resized)


def test_nearest_equals_pillow(noise, rng):
    pairs = [*SIZES, ((128, 128), (224, 224)), *rng.integers(1, 300, (40, 2, 2)).tolist()]
    for old, new in pairs:
        images = noise(1, *old, 1)
        expected = resize_by_pillow(images, tuple(new), "nearest")
        np.testing.assert_array_equal(resize_images(images, new, "nearest"), expected)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("new", [(28, 28), (96, 80)])
class TestIndependence:
    """The pixels of an image depend on nothing else."""

    def test_of_the_batch_and_its_layout(self, noise, interpolation, new):
        images = noise(_CHUNK + 3, 50, 30, 3)
        resized = resize_images(images, new, interpolation)
        for i in (0, _CHUNK):
            alone = resize_images(images[i : i + 1], new, interpolation)
            np.testing.assert_array_equal(resized[i : i + 1], alone)
        apart = [resize_images(images[..., c : c + 1], new, interpolation) for c in range(3)]
        np.testing.assert_array_equal(resized, np.concatenate(apart, axis=-1))
        last = as_tensor(images)
        one, other = (resize_batch(x, new, interpolation) for x in (last, last.contiguous()))
        assert torch.equal(one, other)
        np.testing.assert_array_equal(resized, one.permute(0, 2, 3, 1).numpy())
        assert one.is_contiguous(memory_format=torch.channels_last) and other.is_contiguous()

    def test_of_the_array(self, noise, interpolation, new):
        base = noise(4, 40, 60, 3)
        before = base.copy()
        base.flags.writeable = False
        for view in (base[::-1, ::-1], base[:, ::2, 1::3], base[..., ::-1], base.swapaxes(1, 2)):
            expected = resize_images(view.copy(), new, interpolation)
            np.testing.assert_array_equal(resize_images(view, new, interpolation), expected)
        np.testing.assert_array_equal(base, before)

    def test_of_reading(self, noise, interpolation, new):
        """What the network sees of an image read alone, and with larger and smaller ones."""
        shapes = [(20, 20), (28, 28), (20, 90), (96, 80), (120, 130)]
        images = [noise(*shape, 3) for shape in shapes]
        together = read_images(images, size=new, interpolation=interpolation)
        for image, seen in zip(images, resize_images(together, new, interpolation), strict=True):
            alone = read_images([image], size=new, interpolation=interpolation)
            np.testing.assert_array_equal(resize_images(alone, new, interpolation)[0], seen)


@pytest.mark.gpu
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_gpu_stays_close(noise, interpolation):
    images = as_tensor(noise(4, 128, 100, 3))
    here = resize_batch(images, (224, 224), interpolation)
    there = resize_batch(images.cuda(), (224, 224), interpolation).cpu()
    wrong = np.abs(here.numpy().astype(int) - there.numpy())
    assert wrong.max() <= (0 if interpolation == "nearest" else 2)


def test_nothing_to_do(noise):
    images = noise(2, 9, 8, 3)
    tensor = as_tensor(images)
    assert resize_images(images, [9, 8]) is images
    assert resize_batch(tensor, np.array([9, 8])) is tensor
    assert resize_images(images[:0], (4, 4)).shape == (0, 4, 4, 3)


@pytest.mark.parametrize("size", [None, 28, (28, 28, 3), (0, 28), (28.0, 28), "ab"])
def test_invalid_size(noise, size):
    with pytest.raises(ValueError, match=r"size must be \(height, width\)"):
        resize_images(noise(1, 9, 8, 3), size)


def test_invalid_images_and_interpolation(noise):
    for interpolation in ("lanczos", None):
        with pytest.raises(ValueError, match=r"must be one of .*'nearest'.*, not"):
            resize_images(noise(1, 9, 8, 3), (9, 8), interpolation)
    with pytest.raises(ValueError, match=r"uint8 of .*not float64 of shape \(1, 9, 8\)"):
        resize_images(np.zeros((1, 9, 8)), (4, 4))
    with pytest.raises(ValueError, match=r"uint8 of shape .*not torch.float32 of shape"):
        resize_batch(torch.zeros(1, 3, 9, 8), (4, 4))
