"""Classifiers with given probabilities, a small network, and image files."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin

from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


class GivenProbabilities(ClassifierMixin, BaseEstimator):
    """A classifier whose X are the probabilities that it returns."""

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
    """Draw n cells: probabilities, and labels drawn by them."""

    def draw(n, classes=("a", "b", "c"), seed=0, alpha=0.6):
        rng = np.random.default_rng(seed)
        p = rng.dirichlet(np.full(len(classes), alpha), size=n)
        codes = (rng.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(max=len(classes) - 1)
        return p, np.array(classes)[codes]

    return draw


@pytest.fixture(scope="session")
def some_cells():
    """(X, y): 480 synthetic cells of 28 x 28 pixels, which tests must not modify."""
    X, y = make_blood_cells(480, image_size=28, random_state=0)
    X.setflags(write=False)
    return X, y


@pytest.fixture(scope="session")
def network(some_cells):
    """A small network, fitted on the first 160 of the cells."""
    X, y = some_cells
    clf = TransferCellClassifier("cellnet_t", max_epochs=4, random_state=0)
    return clf.fit(X[:160], y[:160])


@pytest.fixture(scope="session")
def paths(some_cells, tmp_path_factory):
    """Files of the cells 160 to 240."""
    folder = tmp_path_factory.mktemp("cells")
    files = [folder / f"{i}.png" for i in range(160, 240)]
    for image, file in zip(some_cells[0][160:240], files, strict=True):
        Image.fromarray(image).save(file)
    return files
