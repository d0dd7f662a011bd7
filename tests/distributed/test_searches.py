"""Searches of scikit-learn on a Dask cluster: the same scores as on one machine."""

import joblib
import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from skorch.callbacks import EarlyStopping

from skblood import CellEmbedder, FeatureStore, MLPCellClassifier, TransferCellClassifier
from skblood.datasets import make_blood_cells

pytestmark = pytest.mark.slow
QUICK = {"max_epochs": 2, "batch_size": 16, "random_state": 0, "device": "cpu"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Paths of 60 cells of 16 x 16 pixels, and their classes."""
    folder = tmp_path_factory.mktemp("cells")
    X, y = make_blood_cells(60, image_size=16, random_state=0)
    paths = [str(folder / f"{i:03}.png") for i in range(len(X))]
    for path, pixels in zip(paths, X, strict=True):
        Image.fromarray(pixels).save(path)
    return np.array(paths), y


def test_a_search_with_frozen_features(client, files, tmp_path):
    """The workers share the folder of `memory`; callbacks and the refit work."""
    X, y = files
    model = TransferCellClassifier("cellnet_t", trainable="head", **QUICK)

    def search(memory):
        callbacks = [EarlyStopping(monitor="train_loss", patience=5)]
        estimator = model.set_params(memory=memory, callbacks=callbacks)
        grid = {"lr": [1e-3, 1e-2], "dropout": [0.0, 0.2]}
        return GridSearchCV(estimator, grid, cv=2, scoring="neg_log_loss").fit(X, y)

    alone = search(tmp_path / "alone")
    with joblib.parallel_config("dask"):
        found = search(tmp_path / "shared")
    for name in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(found.cv_results_[name], alone.cv_results_[name])
    np.testing.assert_array_equal(found.predict_proba(X), alone.predict_proba(X))
    # Each worker sees all images, but no image passes more than once in each of them.
    assert len(FeatureStore(tmp_path / "shared")) == len(FeatureStore(tmp_path / "alone"))


@pytest.mark.parametrize(
    "model",
    [
        MLPCellClassifier((8,), **QUICK),
        TransferCellClassifier("cellnet_t", early_stopping=True, validation_fraction=0.3, **QUICK),
        make_pipeline(
            CellEmbedder("cellnet_t", random_state=0, device="cpu"), LogisticRegression()
        ),
    ],
    ids=["mlp", "early stopping", "pipeline"],
)
def test_scores(client, files, model):
    X, y = files
    alone = cross_val_score(model, X, y, cv=3)
    with joblib.parallel_config("dask"):
        np.testing.assert_array_equal(cross_val_score(model, X, y, cv=3), alone)


def test_fitted_models_travel(client, files):
    X, y = files
    model = MLPCellClassifier((8,), **QUICK).fit(X, y)
    expected = model.predict_proba(X)
    np.testing.assert_array_equal(client.submit(model.predict_proba, X).result(), expected)
    again = client.submit(MLPCellClassifier((8,), **QUICK).fit, X, y).result()
    np.testing.assert_array_equal(again.predict_proba(X), expected)
