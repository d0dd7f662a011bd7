"""The graph's resizing is that of skblood in every pixel."""

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn

from skblood.images import INTERPOLATIONS, resize_batch
from skblood.io._onnx_proto import make_proto
from skblood.io._onnx_graph import resize


class Resize(nn.Module):
    def __init__(self, size, interpolation):
        super().__init__()
        self.size, self.interpolation = size, interpolation

    def forward(self, images):
        return resize(images, self.size, self.interpolation).to(torch.uint8)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def draw(rng, height, width, n_channels=3):
    """Return noise, of which half the pixels are black or white: the hardest images."""
    noise = rng.integers(-128, 384, (2, height, width, n_channels)).clip(0, 255)
    return torch.from_numpy(noise.astype(np.uint8)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("n_sizes", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_equal_in_every_pixel(interpolation, n_sizes, rng):
    sizes = [(1, 1), (300, 7), *rng.integers(1, 200, (n_sizes, 2)).tolist()]
    for target in [(8, 8), (224, 224), (17, 51)]:
        for height, width in [target, *sizes]:
            images = draw(rng, height, width, n_channels=int(rng.integers(1, 5)))
            expected = resize_batch(images, target, interpolation)
            found = resize(images, target, interpolation)
            assert_array_equal(found, expected, f"{height}x{width} to {target}")
            if target == (height, width):
                assert_array_equal(found, images)

    target, axes = (33, 20), {0: "n", 2: "height", 3: "width"}
    module = Resize(target, interpolation).eval()
    proto = make_proto(module, draw(rng, 40, 41), axes, ("images", "out"))
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    for height, width in [target, *sizes]:
        images = draw(rng, height, width)
        (out,) = session.run(None, {"images": images.numpy()})
        assert_array_equal(out, resize_batch(images, target, interpolation), f"{height}x{width}")
