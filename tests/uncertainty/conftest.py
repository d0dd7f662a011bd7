"""Classifiers to ask what they do not know."""

import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin

from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells


class GivenProbabilities(ClassifierMixin, BaseEstimator):
    """A classifier whose images are rows of probabilities, which it gives back."""

    def __init__(self, classes=("a", "b", "c")):
        self.classes = classes

    def fit(self, X=None, y=None):
        self.classes_ = np.array(self.classes)
        return self

    def predict_proba(self, X):
        return np.asarray(X, dtype=float)

    def predict(self, X):
        return self.classes_[np.argmax(X, axis=1)]


@pytest.fixture
def given():
    return GivenProbabilities().fit()


@pytest.fixture
def make_given():
    return GivenProbabilities


@pytest.fixture
def draw():
    """Draw n cells: rows of probabilities, and labels that come true as they say."""

    def draw(n, classes=("a", "b", "c"), seed=0, alpha=0.6):
        rng = np.random.default_rng(seed)
        p = rng.dirichlet(np.full(len(classes), alpha), size=n)
        codes = (rng.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(max=len(classes) - 1)
        return p, np.array(classes)[codes]

    return draw


@pytest.fixture(scope="session")
def some_cells():
    """(X, y): 480 synthetic cells of 28 x 28 pixels. Shared: do not write into them."""
    X, y = make_blood_cells(480, image_size=28, random_state=0)
    X.setflags(write=False)
    return X, y


@pytest.fixture(scope="session")
def network(some_cells):
    """A small network, fitted on the first 160 of the cells."""
    X, y = some_cells
    clf = TransferCellClassifier("cellnet_t", max_epochs=4, random_state=0)
    return clf.fit(X[:160], y[:160])


@pytest.fixture
def paths(some_cells, tmp_path):
    """Files of the cells from 160 to 240."""
    files = [tmp_path / f"{i}.png" for i in range(160, 240)]
    for i, file in zip(range(160, 240), files, strict=True):
        Image.fromarray(some_cells[0][i]).save(file)
    return files
