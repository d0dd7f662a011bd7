"""Synthetic cells in the place of those that the ready model was trained on."""

import numpy as np
import pytest

from skblood.datasets import make_blood_cells
from skblood.pretrained import _seen
from skblood.pretrained._fingerprints import as_tree, fingerprints


@pytest.fixture(scope="session")
def drawn():
    """(X, y): 60 drawn cells of 64 px. Shared: do not write into them."""
    X, y = make_blood_cells(60, image_size=64, random_state=1)
    X.setflags(write=False)
    return X, y


@pytest.fixture
def trained_on(monkeypatch):
    """Return a function that says which images the ready model was trained on."""

    def pretend(images):
        tree = as_tree(fingerprints(np.asarray(images))[:, 0])
        monkeypatch.setattr(_seen, "_trained_on", lambda: tree)

    return pretend
