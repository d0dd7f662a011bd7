"""Cheap classifiers and tiny images for the tests of the estimators.

Everything runs on the CPU, where the same seed gives the same figures, to the bit.
"""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from skblood import HybridFeatureClassifier, MLPCellClassifier, TransferCellClassifier
from skblood.datasets import make_blood_cells

QUICK = {
    "max_epochs": 2,
    "batch_size": 16,
    "label_smoothing": 0.0,  # so that the loss is the log-loss
    "random_state": 0,
    "device": "cpu",
}
THREE = {"lymphocyte": 1, "neutrophil": 1, "platelet": 1}
MAKERS = {
    "mlp": partial(MLPCellClassifier, hidden_layer_sizes=(16,)),
    "transfer": partial(TransferCellClassifier, backbone="cellnet_t"),
    "hybrid": partial(
        HybridFeatureClassifier,
        backbones=("cellnet_t", "cellnet_t"),
        hidden_layer_sizes=(16,),
        refine_epochs=1,
    ),
}


def maker(kind):
    def make(**params):
        return MAKERS[kind](**{**QUICK, **params})

    return make


@pytest.fixture(scope="session", params=MAKERS)
def make(request):
    """Return the constructor of a classifier; the test runs once for each class."""
    return maker(request.param)


@pytest.fixture(scope="session")
def make_mlp():
    return maker("mlp")


@pytest.fixture(scope="session")
def make_transfer():
    return maker("transfer")


@pytest.fixture(scope="session")
def make_hybrid():
    return maker("hybrid")


@pytest.fixture(scope="session")
def small():
    """(X, y): 48 cells of 16 x 16 pixels in three classes. Nobody can write into them."""
    X, y = make_blood_cells(48, image_size=16, class_weights=THREE, random_state=0)
    X.setflags(write=False)
    y.setflags(write=False)
    return X, y


@pytest.fixture(scope="session")
def large():
    """(X, y): the cells of `small` at 24 x 24 pixels."""
    return make_blood_cells(48, image_size=24, class_weights=THREE, random_state=0)


@pytest.fixture(scope="session")
def skewed():
    """(X, y): 90 % lymphocytes, 10 % platelets, at 16 px and with much noise."""
    weights = {"lymphocyte": 9, "platelet": 1}
    return make_blood_cells(60, image_size=16, class_weights=weights, noise=4, random_state=0)


@pytest.fixture(scope="session")
def fitted(make, small):
    """Return a classifier fitted on `small`. Shared: do not fit it again."""
    return make().fit(*small)


@pytest.fixture(scope="session")
def png_paths(small, tmp_path_factory):
    """Return the paths of the cells of `small`, as a list of str."""
    folder = tmp_path_factory.mktemp("cells")
    paths = [folder / f"cell_{i:02d}.png" for i in range(len(small[0]))]
    for path, pixels in zip(paths, small[0], strict=True):
        Image.fromarray(pixels).save(path)
    return [str(path) for path in paths]


@pytest.fixture
def rng():
    return np.random.default_rng(0)
