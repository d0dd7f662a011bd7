"""Predictions that are the mean over the ways in which a cell can lie."""

import numpy as np
import pytest
import torch

import skblood
from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells
from skblood.networks._module import turned


@pytest.fixture(scope="module")
def cells():
    return make_blood_cells(64, image_size=28, random_state=0)


def make(**options):
    settings = {"max_epochs": 2, "random_state": 0, "precision": "float32"}
    return TransferCellClassifier("cellnet_t", **settings | options)


@pytest.fixture(scope="module")
def fitted(cells):
    return make(predict_views=8).fit(*cells)


def lie_differently(X):
    """Return the cells in all ways."""
    four = [X, X[:, :, ::-1], X[:, ::-1], X[:, ::-1, ::-1]]
    return [*four, *(view.transpose(0, 2, 1, 3) for view in four)]


@pytest.mark.parametrize("n_views", [1, 2, 4, 8])
def test_views_are_different_and_the_first_is_the_image(n_views):
    x = torch.rand(2, 3, 5, 5)
    views = turned(x, n_views)
    assert len(views) == n_views
    assert torch.equal(views[0], x)
    assert len({view.numpy().tobytes() for view in map(torch.Tensor.contiguous, views)}) == n_views


@pytest.mark.parametrize("n_views", [2, 4, 8])
def test_the_mean_of_the_logits(cells, n_views):
    X, y = cells
    one = make().fit(X, y)
    averaged = make(predict_views=n_views).fit(X, y)
    expected = [one.decision_function(view) for view in lie_differently(X)[:n_views]]
    found = averaged.decision_function(X)
    np.testing.assert_allclose(found, np.mean(expected, axis=0), atol=1e-5)


def test_how_a_cell_lies_does_not_count(cells, fitted):
    X, _ = cells
    for view in lie_differently(X):
        np.testing.assert_allclose(fitted.predict_proba(view), fitted.predict_proba(X), atol=1e-5)


def test_saved_and_loaded(cells, fitted, tmp_path):
    X, _ = cells
    again = skblood.load(skblood.save(fitted, tmp_path / "model.safetensors"))
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


def test_exported(fitted, tmp_path):
    pytest.importorskip("onnxruntime")
    assert skblood.export_onnx(fitted, tmp_path / "model.onnx") < 1e-4


def test_adapted(cells, fitted):
    X, y = cells
    adapted = skblood.adapt(fitted, X[..., ::-1], y, random_state=0)
    assert adapted.net_.module_.predict_views == 8


def test_a_frozen_backbone(cells):
    with pytest.raises(ValueError, match="predict_views=2 needs images that pass the backbone"):
        make(predict_views=2, trainable="head").fit(*cells)


def test_images_that_are_not_square(cells):
    X, y = cells
    with pytest.raises(ValueError, match="but the images are 28 x 24 px"):
        make(predict_views=8).fit(X[:, :, :24], y)
    assert make(predict_views=4, max_epochs=1).fit(X[:, :, :24], y).predict(X[:2, :, :24]).size == 2


@pytest.mark.parametrize("value", [0, 3, 16, 2.0, "all"])
def test_a_wrong_value(cells, value):
    with pytest.raises(ValueError, match="predict_views"):
        make(predict_views=value).fit(*cells)
