"""A small network, samples that it can learn, and a net that trains it."""

import numpy as np
import pytest
import torch
from torch import nn

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
