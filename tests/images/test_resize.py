"""Resizing: Pillow's pixels, the same in any company, layout and chunk."""

import numpy as np
import pytest
import torch
from PIL import Image

from skblood.images import INTERPOLATIONS, read_images, resize_batch, resize_images
from skblood.images._resize import _CHUNK, _resize_by_floats

PILLOW = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}

SIZES = [
    ((37, 53), (28, 28)),
    ((28, 28), (64, 64)),
    ((64, 64), (112, 112)),
    ((30, 60), (60, 30)),
    ((1, 1), (8, 8)),
    ((40, 40), (1, 1)),
]


def by_pillow(images, size, interpolation):
    resized = [
        Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).resize(
            size[::-1], PILLOW[interpolation]
        )
        for image in images
    ]
    return np.stack([np.asarray(image).reshape(*size, -1) for image in resized])


def as_tensor(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def difference(one, other):
    return np.abs(one.astype(int) - other)


@pytest.mark.parametrize(("old", "new"), SIZES)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("channels", [1, 3])
def test_close_to_pillow(noise, old, new, interpolation, channels):
    images = noise(4, *old, channels)
    resized = resize_images(images, new, interpolation)
    assert resized.dtype == np.uint8
    wrong = difference(resized, by_pillow(images, new, interpolation))
    assert wrong.max() <= 2
    assert (wrong <= 1).mean() > 0.999


@pytest.mark.parametrize(("old", "new"), [*SIZES, ((128, 128), (224, 224)), ((128, 100), (28, 28))])
def test_nearest_equals_pillow(noise, old, new):
    images = noise(2, *old, 3)
    expected = by_pillow(images, new, "nearest")
    np.testing.assert_array_equal(resize_images(images, new, "nearest"), expected)


def test_nearest_equals_pillow_at_random_sizes(noise, rng):
    for old, new in rng.integers(1, 300, (60, 2, 2)).tolist():
        images = noise(1, *old, 1)
        expected = by_pillow(images, new, "nearest")
        np.testing.assert_array_equal(resize_images(images, new, "nearest"), expected)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("new", [(28, 28), (96, 80)])
class TestIndependence:
    """No image's pixels depend on what lies beside it, or on how it lies in memory."""

    def test_of_company(self, noise, interpolation, new):
        images = noise(9, 50, 60, 3)
        batch = resize_images(images, new, interpolation)
        alone = [resize_images(image[None], new, interpolation) for image in images]
        np.testing.assert_array_equal(batch, np.concatenate(alone))

    def test_of_chunks(self, noise, interpolation, new):
        images = noise(_CHUNK + 3, 20, 30, 1)
        batch = resize_images(images, new, interpolation)
        whole = resize_batch(as_tensor(images), new, interpolation)
        np.testing.assert_array_equal(batch, whole.permute(0, 2, 3, 1).numpy())

    def test_of_the_memory_format(self, noise, interpolation, new):
        last = as_tensor(noise(5, 50, 60, 3))
        first = last.contiguous()
        assert last.stride() != first.stride()
        one, other = (resize_batch(images, new, interpolation) for images in (last, first))
        assert torch.equal(one, other)
        assert one.is_contiguous(memory_format=torch.channels_last)
        assert other.is_contiguous()

    def test_of_other_channels(self, noise, interpolation, new):
        images = noise(3, 50, 60, 3)
        together = resize_images(images, new, interpolation)
        apart = [resize_images(images[..., c : c + 1], new, interpolation) for c in range(3)]
        np.testing.assert_array_equal(together, np.concatenate(apart, axis=-1))

    def test_of_reading(self, noise, interpolation, new):
        """What the network sees of an image read alone and with larger and smaller ones."""
        shapes = [(20, 20), (28, 28), (20, 90), (90, 20), (96, 80), (120, 130)]
        images = [noise(*shape, 3) for shape in shapes]
        together = read_images(images, size=new, interpolation=interpolation)
        together = resize_images(together, new, interpolation)
        for image, seen in zip(images, together, strict=True):
            alone = read_images([image], size=new, interpolation=interpolation)
            alone = resize_images(alone, new, interpolation)
            np.testing.assert_array_equal(alone[0], seen)

    def test_of_the_form(self, noise, interpolation, new, tmp_path):
        images = noise(3, 50, 90, 3)
        pil = [Image.fromarray(image) for image in images]
        paths = [tmp_path / f"{i}.png" for i in range(3)]
        for image, path in zip(pil, paths, strict=True):
            image.save(path)
        expected = resize_images(images, new, interpolation)
        for X in (images, list(images), pil, paths, images / 255):
            read = read_images(X, size=new, interpolation=interpolation)
            np.testing.assert_array_equal(resize_images(read, new, interpolation), expected)


@pytest.mark.parametrize(("old", "new"), SIZES)
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_other_devices_stay_close(noise, old, new, interpolation):
    """The way of devices without a uint8 kernel, run on the CPU."""
    images = noise(4, *old, 3)
    floats = _resize_by_floats(as_tensor(images), new, interpolation)
    assert floats.dtype == torch.uint8
    wrong = difference(
        floats.permute(0, 2, 3, 1).numpy(), resize_images(images, new, interpolation)
    )
    assert wrong.max() <= 2
    assert (wrong <= 1).mean() > 0.999


@pytest.mark.gpu
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_gpu_stays_close(noise, interpolation):
    images = as_tensor(noise(4, 128, 100, 3))
    here = resize_batch(images, (224, 224), interpolation)
    there = resize_batch(images.cuda(), (224, 224), interpolation).cpu()
    wrong = difference(here.numpy(), there.numpy())
    assert wrong.max() <= (0 if interpolation == "nearest" else 2)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_nothing_to_do_returns_the_same_object(noise, interpolation):
    images = noise(2, 9, 8, 3)
    tensor = as_tensor(images)
    assert resize_images(images, (9, 8), interpolation) is images
    assert resize_images(images, [9, 8], interpolation) is images
    assert resize_batch(tensor, (9, 8), interpolation) is tensor


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_any_memory_layout_and_nothing_changed(noise, interpolation):
    base = noise(4, 40, 60, 3)
    views = {
        "reversed": base[::-1, ::-1, ::-1],
        "strided": base[:, ::2, 1::3],
        "mirrored colours": base[..., ::-1],
        "transposed": base.transpose(0, 2, 1, 3),
    }
    before = base.copy()
    base.flags.writeable = False
    for name, view in views.items():
        expected = resize_images(view.copy(), (20, 30), interpolation)
        resized = resize_images(view, (20, 30), interpolation)
        np.testing.assert_array_equal(resized, expected, err_msg=name)
    np.testing.assert_array_equal(base, before)


def test_constant_images_stay_constant():
    for value in (0, 1, 128, 254, 255):
        images = np.full((1, 17, 23, 3), value, np.uint8)
        for interpolation in INTERPOLATIONS:
            assert (resize_images(images, (40, 11), interpolation) == value).all()


def test_no_images():
    assert resize_images(np.zeros((0, 9, 8, 3), np.uint8), (4, 4)).shape == (0, 4, 4, 3)


@pytest.mark.parametrize("size", [None, 28, (28,), (28, 28, 3), (0, 28), (28.0, 28), "ab", (-1, 9)])
def test_invalid_size(noise, size):
    with pytest.raises(ValueError, match=r"size must be \(height, width\)"):
        resize_images(noise(1, 9, 8, 3), size)
    with pytest.raises(ValueError, match=r"size must be \(height, width\)"):
        resize_batch(as_tensor(noise(1, 9, 8, 3)), size)


@pytest.mark.parametrize("interpolation", ["lanczos", None, 2])
def test_invalid_interpolation(noise, interpolation):
    says = "interpolation must be one of 'bilinear', 'bicubic', 'nearest', not"
    with pytest.raises(ValueError, match=says):
        resize_images(noise(1, 9, 8, 3), (9, 8), interpolation)
    with pytest.raises(ValueError, match=says):
        resize_batch(as_tensor(noise(1, 9, 8, 3)), (9, 8), interpolation)


def test_invalid_images(noise):
    with pytest.raises(
        ValueError, match=r"uint8 array of shape .*not float64 of shape \(1, 9, 8\)"
    ):
        resize_images(np.zeros((1, 9, 8)), (4, 4))
    with pytest.raises(ValueError, match=r"uint8 tensor of shape .*not torch.float32 of shape"):
        resize_batch(torch.zeros(1, 3, 9, 8), (4, 4))
