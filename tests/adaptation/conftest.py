"""Fitted classifiers, and the cells of a laboratory that they were not trained on."""

import numpy as np
import pytest
import torch

from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells

QUICK = {"max_epochs": 2, "batch_size": 16, "random_state": 0, "device": "cpu"}


def other_laboratory(X):
    """Return the cells in other colors, darker and greener."""
    mixed = X @ np.array([[0.5, 0.4, 0.0], [0.1, 0.3, 0.5], [0.4, 0.1, 0.2]])
    return (255 * (mixed / 255) ** 1.3).round().astype(np.uint8)


def state(model):
    """Return copies of all tensors of a model."""
    return {name: t.clone() for name, t in model.predictor_.network.state_dict().items()}


def same(one, other):
    """Return whether two state dicts are equal."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def n_per_class(y, n):
    """Return the positions of the first n cells of each class."""
    return np.concatenate([np.flatnonzero(y == label)[:n] for label in np.unique(y)])


@pytest.fixture(scope="session")
def small():
    """(X, y): 64 cells, 8 of each class. Shared: do not write into them."""
    X, y = make_blood_cells(64, image_size=28, random_state=0)
    X.setflags(write=False)
    return X, y


@pytest.fixture(scope="session")
def skilled():
    """A classifier that is accurate at home. Shared: do not fit it again."""
    X, y = make_blood_cells(480, image_size=28, random_state=0)
    return TransferCellClassifier("cellnet_t", **{**QUICK, "max_epochs": 6}).fit(X, y)


@pytest.fixture
def network(skilled):
    """The network of the skilled classifier. Shared: do not change it."""
    return skilled.predictor_.network


@pytest.fixture(scope="session")
def home():
    """(X, y): 160 further cells of the laboratory that the skilled classifier was trained on."""
    return make_blood_cells(160, image_size=28, random_state=1)


@pytest.fixture(scope="session")
def abroad(home):
    """(X, y): the same cells in another laboratory."""
    return other_laboratory(home[0]), home[1]


@pytest.fixture
def no_crop(monkeypatch):
    """Leave out the measurement, which is tested by itself."""
    monkeypatch.setattr(
        "skblood.adaptation._adapt.read_cells", lambda m, X: (m.read_images(X), None, None)
    )
