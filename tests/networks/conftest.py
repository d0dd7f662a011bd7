"""Backbones with known random weights."""

import pytest
import torch

from skblood.networks import create_backbone


def randomize(module, seed):
    """Give every tensor of a module values of its own, BatchNorm statistics included."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.rand(tensor.shape, generator=generator)
                tensor.copy_(noise + 0.5 if name.endswith("running_var") else 0.2 * noise - 0.1)
            else:
                tensor.fill_(7)
    return module


@pytest.fixture
def random_state_dict():
    """Return a function that makes the state dict of a module, filled with random values."""

    def make(module, seed=0):
        state = randomize(module, seed).state_dict()
        return {name: tensor.clone() for name, tensor in state.items()}

    return make


@pytest.fixture
def small():
    """Return a function that makes an untrained backbone for small RGB images."""

    def make(name="cellnet_t", size=32, **options):
        options = {"weights": None, "image_shape": (size, size, 3), **options}
        return create_backbone(name, **options)

    return make
