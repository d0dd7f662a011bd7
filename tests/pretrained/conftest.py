"""Synthetic cells in place of the training images of the pretrained model."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from skblood.datasets import make_blood_cells
from skblood.io import load_pretrained
from skblood.pretrained import _training_overlap
from skblood.pretrained._fingerprints import compute_fingerprints


@pytest.fixture(scope="session")
def synthetic():
    """(X, y): 60 synthetic cells of 64 px. Shared: do not write into them."""
    X, y = make_blood_cells(60, image_size=64, random_state=1)
    X.setflags(write=False)
    return X, y


@pytest.fixture(scope="session")
def pretrained():
    """The pretrained model. Shared: do not change it."""
    return load_pretrained("pbc8", device="cpu")


@pytest.fixture
def trained_on(monkeypatch):
    """Return a function that pretends that the pretrained model was trained on given images."""

    def pretend(images):
        tree = cKDTree(compute_fingerprints(np.asarray(images))[:, 0])
        monkeypatch.setattr(_training_overlap, "_training_tree", lambda names: tree)

    return pretend
