"""A small network, samples that it can learn, and a net that trains it."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from skblood.images import CellStream, EncodedImage
from skblood.networks import CellNetwork, make_head
from skblood.training import TrainingNet, WeightedLoss
from skblood.training._samples import Samples


class Flat(nn.Flatten):
    """A backbone without parameters: the pixels are the features."""

    frozen = False


@pytest.fixture
def make_network():
    """Return a function that makes a network for 4 x 4 images of two classes."""

    def make(seed=0):
        torch.manual_seed(seed)
        return CellNetwork([Flat()], make_head(48, (8,), 2, dropout=0.0))

    return make


@pytest.fixture
def make_samples():
    """Return a function that makes uint8 images of two classes, a dark and a bright one."""

    def make(n=24, size=4, seed=0):
        rng = np.random.default_rng(seed)
        codes = np.arange(n) % 2
        images = rng.integers(0, 128, (n, size, size, 3)) + 127 * codes[:, None, None, None]
        return Samples(
            torch.from_numpy(images.astype(np.uint8)),
            torch.arange(n),
            torch.as_tensor(codes),
            torch.ones(n),
        )

    return make


@pytest.fixture
def make_net(make_network):
    """Return a function that makes an initialized TrainingNet."""

    def make(network=None, **options):
        options = {
            "criterion": WeightedLoss("cross_entropy", 0.0),
            "optimizer": "adam",
            "lr": 0.01,
            "weight_decay": 0.0,
            "batch_size": 8,
            "device": "cpu",
            "augment": None,
            "autocast_dtype": torch.float32,
            **options,
        }
        return TrainingNet(network or make_network(), **options).initialize()

    return make


class ListedCells(CellStream):
    """Encoded images in lists, one for each part."""

    def __init__(self, parts, buffer_bytes=2**20, n_open=16, on_error="raise"):
        self.parts, self.names = parts, [f"part {i}" for i in range(len(parts))]
        self.sizes = np.array([len(part) for part in parts])
        self.buffer_bytes, self.n_open, self.on_error = buffer_bytes, n_open, on_error
        self.n_read, self.errors = 0, {}

    def read_part(self, part, size):
        for start in range(0, len(self.parts[part]), size):
            items = self.parts[part][start : start + size]
            self.n_read += len(items)
            yield items


def encode(pixels, name):
    """Return an image as a PNG file in memory."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return EncodedImage(file.getvalue(), name)


@pytest.fixture(scope="session")
def make_stream():
    """Return a function that makes a stream of images, cut into parts of equal size."""

    def make(images, size, **options):
        items = [
            each if isinstance(each, EncodedImage) else encode(each, f"{i}.png")
            for i, each in enumerate(images)
        ]
        return ListedCells([items[i : i + size] for i in range(0, len(items), size)], **options)

    return make
