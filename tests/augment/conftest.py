"""A fixed seed, and synthetic cells as a batch."""

import pytest
import torch

from skblood.datasets import make_blood_cells


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def synthetic():
    """(X, y): 24 synthetic cells of 32 px. Shared: do not write into them."""
    X, y = make_blood_cells(24, image_size=32, random_state=0)
    X.setflags(write=False)
    return X, y


@pytest.fixture
def batch(synthetic):
    return torch.tensor(synthetic[0]).permute(0, 3, 1, 2).float() / 255
