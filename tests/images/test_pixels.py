"""Numbers as pixels: conversion to uint8 and to gray or RGB, and errors with the fix."""

import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image

from skblood.images import _pixels, as_uint8, convert_channels, to_numpy


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f8", "g"])
def test_floats_round_trip(dtype, noise):
    every = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    assert as_uint8(every) is every
    np.testing.assert_array_equal(as_uint8((every / 255).astype(dtype)), every)


def test_floats_are_rounded():
    values = np.array([-0.0, 0.4, 0.6, 254.4, 254.6, 255]) / 255
    assert as_uint8(values).tolist() == [0, 0, 1, 254, 255, 255]
    values = np.arange(0, 0x3C01, dtype=np.uint16).view(np.float16)  # all of 0..1
    np.testing.assert_array_equal(as_uint8(values), as_uint8(values.astype(np.float64)))


def test_large_arrays_are_converted_in_chunks(monkeypatch, rng, noise):
    images, rgba = rng.random((7, 5, 4)), noise(7, 9, 8, 4)
    whole, gray = as_uint8(images), convert_channels(rgba, 1)
    monkeypatch.setattr(_pixels, "_CHUNK", 45)
    np.testing.assert_array_equal(as_uint8(images), whole)
    monkeypatch.setattr("skblood.images._channels._CHUNK", 150)
    np.testing.assert_array_equal(convert_channels(rgba, 1), gray)
    monkeypatch.undo()
    images = np.zeros((96, 512, 512), np.float32)
    tracemalloc.start()
    as_uint8(images)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.8 * images.nbytes


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float32])
def test_tensors(dtype):
    ones = torch.ones(2, 3, 4).to(dtype).requires_grad_(dtype != torch.uint8)
    assert (as_uint8(ones) == (1 if dtype == torch.uint8 else 255)).all()


def test_masked_arrays_and_odd_tensors():
    with pytest.raises(ValueError, match="y is a masked array with 1 masked values"):
        to_numpy(np.ma.masked_array([1, 2], [0, 1]), "y")
    for tensor in (torch.ones(2, 3).to_sparse(), torch.ones(2, device="meta")):
        with pytest.raises(TypeError, match=r"X holds a tensor of torch.*Pass a dense tensor"):
            to_numpy(tensor)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        ([[0, 255]], r"int64 in 0\.\.255.*X\.astype\(np\.uint8\)"),
        (np.array([[7, 4095]], np.uint16), r"uint16 in 7\.\.4095.*X / 65535"),
        ([[True, False]], r"bool in 0\.\.1"),
        ([[-1.0, 1.0]], r"float64 in -1\.\.1"),
        ([[-0.0001, 1.001]], r"float64 in -0\.0001\.\.1\.001"),
        ([[1j, 0]], r"not complex128"),
        ([["a", "b"]], r"not <U1\. Pass numbers"),
        (np.zeros((0, 4), int), r"not int64"),
        ([[[0.0, 1]], [[np.nan, np.inf]]], r"1 of 2 hold NaN.* first at position 1\)"),
    ],
)
def test_refused_with_the_fix_that_fits(array, says):
    with pytest.raises(ValueError, match=says) as error:
        as_uint8(np.asarray(array))
    assert str(error.value).startswith("Images are uint8 in 0..255 or floating point in 0..1")


class TestChannels:
    def test_luma_is_that_of_pillow(self, noise):
        images = noise(3, 64, 50, 3)
        expected = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])
        np.testing.assert_array_equal(convert_channels(images, 1)[..., 0], expected)
        gray = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
        np.testing.assert_array_equal(convert_channels(convert_channels(gray, 3), 1), gray)

    def test_every_mixture_with_white_is_rounded(self):
        color, alpha = np.meshgrid(*[np.arange(256, dtype=np.uint8)] * 2)
        rgba = np.stack([color, color, color, alpha], -1)[None]
        expected = np.rint(color * (alpha / 255) + 255 * (1 - alpha / 255))
        np.testing.assert_array_equal(convert_channels(rgba)[0, ..., 0], expected)
        np.testing.assert_array_equal(convert_channels(rgba, 1)[0, ..., 0], expected)

    def test_nothing_to_do(self, noise):
        for c, channels in ((1, None), (3, None), (1, 1), (3, 3)):
            images = noise(2, 9, 8, c)
            assert convert_channels(images, channels) is images
        assert convert_channels(np.zeros((0, 9, 8, 4), np.uint8), 1).shape == (0, 9, 8, 1)

    def test_invalid(self, noise):
        with pytest.raises(ValueError, match="channels must be None, 1"):
            convert_channels(noise(2, 9, 8, 3), 4)
