"""A small network, samples that it can learn, and a net that trains it."""

import numpy as np
import pytest
import torch
from torch import nn

from skblood.networks import CellNetwork, make_head
from skblood.training import OPTIMIZERS, Samples, TrainingNet, WeightedLoss

CPU = torch.device("cpu")


class Flat(nn.Flatten):
    """A backbone without parameters: the pixels are the features."""

    frozen = False


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
def make_net():
    """Return a function that makes an initialized TrainingNet on 4 x 4 images of two classes."""

    def make(network=None, **options):
        torch.manual_seed(0)
        if network is None:
            network = CellNetwork([Flat()], make_head(48, (8,), 2, dropout=0.0))
        options = {
            "criterion": WeightedLoss("cross_entropy", 0.0),
            "optimizer": OPTIMIZERS["adam"],
            "lr": 0.01,
            "weight_decay": 0.0,
            "momentum": 0.9,
            "batch_size": 8,
            "iterator_train__shuffle": True,
            "device": "cpu",
            "augment": None,
            "autocast_dtype": torch.float32,
            "train_split": None,
            "verbose": 0,
            **options,
        }
        return TrainingNet(network, **options).initialize()

    return make
