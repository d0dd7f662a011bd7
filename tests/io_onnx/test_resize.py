"""The graph's own resizing is that of skblood, to the bit."""

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn

from skblood.images import INTERPOLATIONS, resize_batch
from skblood.io._onnx_proto import make_proto
from skblood.io._onnx_resize import resize

TARGETS = [(8, 8), (224, 224), (1, 1), (17, 51)]


class Resize(nn.Module):
    def __init__(self, size, interpolation):
        super().__init__()
        self.size, self.interpolation = size, interpolation

    def forward(self, images):
        return resize(images, self.size, self.interpolation).to(torch.uint8)


def draw(rng, height, width, n_channels=3):
    """Return noise, of which half the pixels are black or white: the hardest images."""
    noise = rng.integers(-128, 384, (2, height, width, n_channels)).clip(0, 255)
    return torch.from_numpy(noise.astype(np.uint8)).permute(0, 3, 1, 2)


@pytest.fixture(params=INTERPOLATIONS)
def interpolation(request):
    return request.param


@pytest.mark.parametrize("size", TARGETS)
def test_by_torch(size, interpolation, rng):
    for height, width in [size, (1, 1), (300, 7), *rng.integers(1, 200, (25, 2)).tolist()]:
        images = draw(rng, height, width, n_channels=int(rng.integers(1, 5)))
        assert_array_equal(
            resize(images, size, interpolation),
            resize_batch(images, size, interpolation),
            err_msg=f"{height}x{width}",
        )


def test_by_onnx_runtime(interpolation, rng):
    size = (33, 20)
    axes = {0: "n", 2: "height", 3: "width"}
    module, example = Resize(size, interpolation).eval(), draw(rng, 40, 41)
    proto = make_proto(module, example, axes, ("images", "out"))
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    for height, width in [size, (1, 1), (300, 7), *rng.integers(1, 200, (40, 2)).tolist()]:
        images = draw(rng, height, width)
        out = session.run(None, {"images": images.numpy()})[0]
        assert_array_equal(
            out, resize_batch(images, size, interpolation), err_msg=f"{height}x{width}"
        )


def test_the_same_size_is_left_as_it_is(interpolation, rng):
    images = draw(rng, 31, 23)
    assert_array_equal(resize(images, (31, 23), interpolation), images)


def test_interpolations_differ(rng):
    """Else the tests above could not tell one from another."""
    images = draw(rng, 30, 30)
    results = [resize(images, (20, 20), interpolation) for interpolation in INTERPOLATIONS]
    for i in range(3):
        assert (results[i] != results[i - 1]).double().mean() > 0.3
