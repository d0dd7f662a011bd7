"""Fitted classifiers, and the cells of a laboratory whose colours they do not know."""

import numpy as np
import pytest
import torch

from skblood import (
    ContrastiveCellClassifier,
    HybridFeatureClassifier,
    MLPCellClassifier,
    TransferCellClassifier,
)
from skblood.datasets import make_blood_cells

QUICK = {"max_epochs": 2, "batch_size": 16, "random_state": 0, "device": "cpu"}
MAKERS = {
    "transfer": lambda: TransferCellClassifier("cellnet_t", **QUICK),
    "frozen": lambda: TransferCellClassifier("cellnet_t", trainable="head", **QUICK),
    "hybrid": lambda: HybridFeatureClassifier(
        ("cellnet_t", "cellnet_t"), hidden_layer_sizes=(16,), refine_epochs=0, **QUICK
    ),
    "contrastive": lambda: ContrastiveCellClassifier("cellnet_t", pretrain_epochs=1, **QUICK),
    "mlp": lambda: MLPCellClassifier((16,), **QUICK),
}


def other_laboratory(X):
    """Return the cells in other colours, darker and greener."""
    mixed = X @ np.array([[0.5, 0.4, 0.0], [0.1, 0.3, 0.5], [0.4, 0.1, 0.2]])
    return (255 * (mixed / 255) ** 1.3).round().astype(np.uint8)


def state(model):
    """Return copies of all tensors of a model."""
    return {name: t.clone() for name, t in model.net_.module_.state_dict().items()}


def same(one, other):
    """Say whether two states are equal to the bit."""
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


@pytest.fixture(scope="session", params=list(MAKERS))
def model(request, small):
    """A fitted classifier of each kind. Shared: do not fit it again."""
    return MAKERS[request.param]().fit(*small)


@pytest.fixture(scope="session")
def skilled():
    """A classifier that is good at home. Shared: do not fit it again."""
    X, y = make_blood_cells(640, image_size=28, random_state=0)
    clf = TransferCellClassifier("cellnet_t", max_epochs=8, random_state=0, device="cpu")
    return clf.fit(X, y)


@pytest.fixture(scope="session")
def home():
    """(X, y): 160 further cells as the skilled classifier knows them."""
    return make_blood_cells(160, image_size=28, random_state=1)


@pytest.fixture(scope="session")
def abroad(home):
    """(X, y): the same cells in another laboratory."""
    return other_laboratory(home[0]), home[1]
