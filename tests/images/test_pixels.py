"""Numbers as pixels: conversion to uint8, and messages that name the fix."""

import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image

from skblood.images import _pixels as pixels
from skblood.images import as_uint8, convert_channels


def test_uint8_passes_without_a_copy(noise):
    images = noise(3, 5, 4)
    assert as_uint8(images) is images


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", ">f8", "g"])
def test_floats_round_trip(dtype):
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    np.testing.assert_array_equal(as_uint8((every / 255).astype(dtype)), every)


def test_floats_are_rounded():
    values = np.array([0, 0.4, 0.6, 254.4, 254.6, 255]) / 255
    assert as_uint8(values).tolist() == [0, 0, 1, 254, 255, 255]
    assert as_uint8(np.float64(1)).tolist() == 255
    assert as_uint8(np.array([-0.0])).tolist() == [0]


def test_every_float16_is_rounded_as_a_wider_float():
    values = np.arange(0, 0x3C01, dtype=np.uint16).view(np.float16)
    assert values[[0, -1]].tolist() == [0, 1]
    np.testing.assert_array_equal(as_uint8(values), as_uint8(values.astype(np.float64)))


def test_chunks_do_not_show(monkeypatch, rng):
    images = rng.random((7, 5, 4))
    whole = as_uint8(images)
    monkeypatch.setattr(pixels, "_CHUNK", 45)
    np.testing.assert_array_equal(as_uint8(images), whole)


def test_memory_of_a_large_array_stays_small():
    images = np.zeros((64, 512, 512), np.float32)
    tracemalloc.start()
    as_uint8(images)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.8 * images.nbytes


@pytest.mark.parametrize(
    "dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64]
)
def test_tensors(dtype):
    ones = torch.ones(2, 3, 4).to(dtype)
    value = 1 if dtype == torch.uint8 else 255
    assert as_uint8(ones).dtype == np.uint8
    assert (as_uint8(ones) == value).all()


def test_tensor_that_requires_grad():
    assert as_uint8(torch.ones(2, 3, requires_grad=True)).tolist() == [[255] * 3] * 2


@pytest.mark.parametrize(
    ("array", "says"),
    [
        ([[0, 255]], r"int64 in 0\.\.255.*X\.astype\(np\.uint8\)"),
        (np.array([[7, 255]], np.uint16), r"uint16 in 7\.\.255.*X\.astype\(np\.uint8\)"),
        (np.array([[7, 4095]], np.uint16), r"12-bit.*X / 4095.*X / 65535"),
        (np.array([[7, 65535]], np.uint16), r"uint16 in 7\.\.65535.*\(X / 65535\)"),
        (np.array([[-3, 7]], np.int8), r"int8 in -3\.\.7.*Shift and scale"),
        ([[0, 70000]], r"int64 in 0\.\.70000.*largest value"),
        ([[True, False]], r"bool in 0\.\.1.*X\.astype\(np\.uint8\) \* 255"),
        ([[0.0, 255.0]], r"float64 in 0\.\.255\. .*X / 255"),
        ([[-1.0, 1.0]], r"float64 in -1\.\.1\. .*\(X \+ 1\) / 2"),
        ([[-0.0001, 1.0]], r"X\.clip\(0, 1\)"),
        ([[0.0, 1.001]], r"X\.clip\(0, 1\)"),
        ([[-2.1, 2.6]], r"-2\.1\.\.2\.6.*normalisation"),
        ([[0.0, 300.0]], r"normalisation"),
        ([[1j, 0]], r"complex128\. Complex data not supported"),
        ([["a", "b"]], r"not <U1\. Pass numbers"),
        (np.array([[1, 2]], object), r"not object\. Pass X\.astype\(np\.uint8\)"),
        (np.zeros((1, 2), "M8[s]"), r"datetime64"),
        (np.zeros((0, 4), int), r"not int64\.$"),
    ],
)
def test_refused_with_the_fix_that_fits(array, says):
    with pytest.raises(ValueError, match=says) as error:
        as_uint8(np.asarray(array))
    assert str(error.value).startswith("Images are uint8 in 0..255 or floating point in 0..1")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_values_are_counted(value):
    images = np.zeros((5, 4, 3), np.float32)
    images[2, 0, :2] = images[4, 1, 1] = value
    says = r"3 values are NaN or infinite, in 2 of 5 images \(the first at position 2\).*nan_to_num"
    with pytest.raises(ValueError, match=says):
        as_uint8(images)


@pytest.mark.parametrize(
    "fix",
    [
        lambda X: X.astype(np.uint8),
        lambda X: X / 255,
        lambda X: ((X / 127.5 - 1) + 1) / 2,
        lambda X: (X.astype(np.uint16) * 257) / 65535,
    ],
)
def test_the_fixes_are_right(fix, noise):
    images = noise(2, 9, 8)
    np.testing.assert_array_equal(as_uint8(fix(images.astype(np.int64))), images)


class TestChannels:
    """Gray, colour and transparency."""

    def test_luma_is_that_of_pillow(self, noise):
        images = noise(3, 64, 50, 3)
        expected = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])
        np.testing.assert_array_equal(convert_channels(images, 1)[..., 0], expected)

    def test_luma_of_gray_is_gray(self):
        gray = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
        rgb = convert_channels(gray, 3)
        assert rgb.shape == (1, 16, 16, 3)
        np.testing.assert_array_equal(convert_channels(rgb, 1), gray)

    @pytest.mark.parametrize("channels", [None, 3, 1])
    def test_transparency_lies_on_white(self, noise, channels):
        rgba = noise(2, 9, 8, 4)
        rgba[..., 3] = 0
        shape = (2, 9, 8, channels or 3)
        np.testing.assert_array_equal(convert_channels(rgba, channels), np.full(shape, 255))
        rgba[..., 3] = 255
        expected = convert_channels(rgba[..., :3], channels)
        np.testing.assert_array_equal(convert_channels(rgba, channels), expected)

    def test_every_mixture_with_white_is_rounded(self):
        colour, alpha = np.meshgrid(*[np.arange(256, dtype=np.uint8)] * 2)
        rgba = np.stack([colour, colour, colour, alpha], -1)[None]
        part = alpha / 255
        expected = np.rint(colour * part + 255 * (1 - part))
        np.testing.assert_array_equal(convert_channels(rgba)[0, ..., 0], expected)

    @pytest.mark.parametrize(("c", "channels"), [(1, None), (3, None), (1, 1), (3, 3)])
    def test_nothing_to_do(self, noise, c, channels):
        images = noise(2, 9, 8, c)
        assert convert_channels(images, channels) is images

    def test_chunks_do_not_show(self, noise, monkeypatch):
        images = noise(7, 9, 8, 4)
        whole = convert_channels(images, 1)
        monkeypatch.setattr("skblood.images._channels._CHUNK", 150)
        np.testing.assert_array_equal(convert_channels(images, 1), whole)

    def test_no_images(self):
        assert convert_channels(np.zeros((0, 9, 8, 4), np.uint8), 1).shape == (0, 9, 8, 1)

    @pytest.mark.parametrize("channels", [0, 2, 4, "RGB"])
    def test_invalid(self, noise, channels):
        with pytest.raises(ValueError, match="channels must be None, 1"):
            convert_channels(noise(2, 9, 8, 3), channels)
