"""Cheap estimators and tiny images.

Everything runs on the CPU, where the same seed gives the same figures, to the bit.
"""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from skblood import (
    CellEmbedder,
    ContrastiveCellClassifier,
    HybridFeatureClassifier,
    MLPCellClassifier,
    TransferCellClassifier,
)
from skblood.datasets import make_blood_cells
from skblood.images import _decode
from skblood.training import TrainingSet

QUICK = {
    "max_epochs": 2,
    "batch_size": 16,
    "label_smoothing": 0.0,  # so that the loss is the log-loss
    "random_state": 0,
    "device": "cpu",
}
TWO = {"backbones": ("cellnet_t", "cellnet_t"), "hidden_layer_sizes": (16,), "refine_epochs": 1}
CONTRASTIVE = {"backbone": "cellnet_t", "projection_dim": 8, "pretrain_epochs": 1}
MAKERS = {
    "mlp": partial(MLPCellClassifier, **{**QUICK, "hidden_layer_sizes": (16,)}),
    "transfer": partial(TransferCellClassifier, **{**QUICK, "backbone": "cellnet_t"}),
    "hybrid": partial(HybridFeatureClassifier, **{**QUICK, **TWO}),
    "contrastive": partial(ContrastiveCellClassifier, **{**QUICK, **CONTRASTIVE}),
    "embedder": partial(CellEmbedder, backbone="cellnet_t", random_state=0, device="cpu"),
}
THREE = {"lymphocyte": 1, "neutrophil": 1, "platelet": 1}


@pytest.fixture(scope="session", params=["mlp", "transfer"])
def make(request):
    """Return the constructor of a classifier; the test runs once for each class."""
    return MAKERS[request.param]


@pytest.fixture(scope="session", params=MAKERS)
def make_any(request):
    """Return the constructor of an estimator; the test runs once for each class."""
    return MAKERS[request.param]


@pytest.fixture(scope="session")
def make_mlp():
    return MAKERS["mlp"]


@pytest.fixture(scope="session")
def make_transfer():
    return MAKERS["transfer"]


@pytest.fixture(scope="session")
def make_hybrid():
    return MAKERS["hybrid"]


@pytest.fixture(scope="session")
def make_contrastive():
    return MAKERS["contrastive"]


@pytest.fixture(scope="session")
def make_embedder():
    return MAKERS["embedder"]


@pytest.fixture(scope="session")
def output():
    """Return a function that gives what a fitted estimator predicts."""

    def output(model, X):
        return model.predict_proba(X) if hasattr(model, "predict_proba") else model.transform(X)

    return output


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
    X, y = make_blood_cells(48, image_size=24, class_weights=THREE, random_state=0)
    X.setflags(write=False)
    return X, y


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
def fitted_any(make_any, small):
    """Return an estimator fitted on `small`. Shared: do not fit it again."""
    return make_any().fit(*small)


@pytest.fixture(scope="session")
def png_paths(small, tmp_path_factory):
    """Return the paths of the cells of `small`, as a list of str."""
    folder = tmp_path_factory.mktemp("cells")
    paths = [folder / f"cell_{i:02d}.png" for i in range(len(small[0]))]
    for path, pixels in zip(paths, small[0], strict=True):
        Image.fromarray(pixels).save(path)
    return [str(path) for path in paths]


@pytest.fixture
def decoded(monkeypatch):
    """Return a list of the paths of the files that were decoded in this process."""
    paths, read_file = [], _decode._read_file

    def read(path, *options):
        paths.append(str(path))
        return read_file(path, *options)

    monkeypatch.setattr(_decode, "_read_file", read)
    return paths


@pytest.fixture
def seen(monkeypatch):
    """Return a list to which each fit appends its TrainingSet, as it is trained on."""
    sets, original = [], TrainingSet.samples

    def samples(self, *args, **kwargs):
        sets.append(self)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(TrainingSet, "samples", samples)
    return sets


@pytest.fixture
def rng():
    return np.random.default_rng(0)
