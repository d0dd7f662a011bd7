"""Images that are standardised each by itself."""

import numpy as np
import pytest
import torch

import skblood
from skblood import CellEmbedder, HybridFeatureClassifier, TransferCellClassifier
from skblood.datasets import make_blood_cells
from skblood.networks import ImageStandardize


@pytest.fixture(scope="module")
def cells():
    return make_blood_cells(96, image_size=28, random_state=0)


def make(**options):
    return TransferCellClassifier(
        "cellnet_t",
        **{"max_epochs": 2, "random_state": 0, "precision": "float32", "standardize": "image"}
        | options,
    )


@pytest.fixture(scope="module")
def fitted(cells):
    return make().fit(*cells)


def relit(X):
    """Show the cells by a weaker, warmer lamp: another gain and offset for each channel."""
    return (X * np.array([0.8, 0.7, 0.5]) + np.array([20, 10, 5])).round().astype(np.uint8)


def test_the_numbers():
    x = torch.full((2, 3, 32, 32), 0.4)
    x[:, :, 4:6, 4:6], x[:, :, 20:22, 8:10] = 0.2, 0.8
    x[:, :, 0, 0] = 1.0  # noise: a pixel, and not a spot
    found = ImageStandardize(3)(x)
    expected = 4 * (0.4 - 0.2) / (0.6 + 0.05) - 2
    assert torch.allclose(found[:, :, 12, 12], torch.tensor(expected))
    assert torch.allclose(found[:, :, 4, 4], torch.tensor(-2.0))
    assert torch.allclose(found[:, :, 20, 8], torch.tensor(4 * 0.6 / 0.65 - 2))


@pytest.mark.parametrize("side", [1, 5, 28, 47])
def test_any_size(side):
    found = ImageStandardize(1)(torch.rand(2, 1, side, side + 3))
    assert found.shape == (2, 1, side, side + 3)
    assert torch.isfinite(found).all()


def test_an_empty_image_stays_empty():
    assert (ImageStandardize(3)(torch.full((2, 3, 8, 8), 0.7)) + 2).abs().max() < 1e-4


def test_light_hardly_counts(cells, fitted):
    X, y = cells
    change = np.abs(fitted.predict_proba(relit(X)) - fitted.predict_proba(X)).max()
    plain = make(standardize="auto").fit(X, y)
    change_of_plain = np.abs(plain.predict_proba(relit(X)) - plain.predict_proba(X)).max()
    assert change < 0.3 * change_of_plain


def test_an_image_does_not_depend_on_its_batch(cells, fitted):
    X, _ = cells
    np.testing.assert_allclose(
        fitted.predict_proba(X[3:4]), fitted.predict_proba(X)[3:4], atol=1e-6
    )


def test_saved_and_loaded(cells, fitted, tmp_path):
    X, _ = cells
    again = skblood.load(skblood.save(fitted, tmp_path / "model.safetensors"))
    assert isinstance(again.net_.module_.backbones[0].standardize, ImageStandardize)
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


def test_the_card_says_so(fitted):
    assert "Each image standardised by its own darkest" in skblood.model_card(fitted)


def test_exported(cells, fitted, tmp_path):
    pytest.importorskip("onnxruntime")
    assert skblood.export_onnx(fitted, tmp_path / "model.onnx") < 1e-4


def test_features_are_not_mixed_up(cells):
    X, _ = cells
    options = {"weights": None, "random_state": 0, "memory": None}
    by_data = CellEmbedder("cellnet_t", **options).fit(X).transform(X)
    by_image = CellEmbedder("cellnet_t", standardize="image", **options).fit(X).transform(X)
    assert np.abs(by_data - by_image).max() > 1e-3


def test_hybrid(cells):
    clf = HybridFeatureClassifier(
        ("cellnet_t", "cellnet_t"), standardize="image", max_epochs=1, refine_epochs=0
    ).fit(*cells)
    assert all(isinstance(b.standardize, ImageStandardize) for b in clf.net_.module_.backbones)


def test_gray_images(cells):
    X, y = cells
    gray = X.mean(3).astype(np.uint8)
    assert make(max_epochs=1).fit(gray, y).predict_proba(gray[:3]).shape == (3, 8)


def test_a_wrong_value(cells):
    with pytest.raises(ValueError, match="standardize"):
        make(standardize="batch").fit(*cells)
