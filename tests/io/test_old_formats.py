"""Files that earlier versions of skblood wrote go on loading; see fixtures/ for how."""

from pathlib import Path

import numpy as np
import pytest

import skblood
from skblood.augment import CellAugment

FIXTURES = Path(__file__).parent / "fixtures"
FORMAT_1 = ["format_1", "format_1_mlp"]


@pytest.fixture(scope="module")
def expected():
    with np.load(FIXTURES / "format_1.npz") as stored:
        return dict(stored)


@pytest.mark.parametrize("name", FORMAT_1)
def test_predictions(name, expected):
    model = skblood.load(FIXTURES / f"{name}.skblood", device="cpu")
    found = model.predict_proba(expected["X"])
    np.testing.assert_allclose(found, expected[name], atol=1e-5)  # processors differ
    labels = expected["classes"][expected[name].argmax(axis=1)]
    np.testing.assert_array_equal(model.predict(expected["X"]), labels, strict=True)


@pytest.mark.parametrize("name", FORMAT_1)
def test_expected_probabilities_tell_models_apart(name, expected):
    """Without differences between cells, any model would pass."""
    assert np.ptp(expected[name], axis=0).max() > 0.05


def test_parameters_and_attributes():
    model = skblood.load(FIXTURES / "format_1.skblood")
    assert model.backbone == "cellnet_t"
    assert model.hidden_layer_sizes == (16,)
    assert model.crop == model.crop_ == 1  # of which the file says nothing
    assert model.class_weight == {"lymphocyte": 1.5, "neutrophil": 1.0, "platelet": 1.0}
    assert repr(model.augment) == repr(CellAugment(shift=0.1))
    assert model.classes_.tolist() == ["lymphocyte", "neutrophil", "platelet"]
    assert len(model.history_) == model.n_iter_ == 12
    assert model.training_data_["n_images"] == 81
    assert model.training_data_["n_validation_images"] == 9


def test_a_further_epoch(expected):
    model = skblood.load(FIXTURES / "format_1.skblood", device="cpu")
    model.partial_fit(expected["X"], model.predict(expected["X"]))
    assert model.n_iter_ == 13


def test_info():
    info = skblood.load_info(FIXTURES / "format_1.skblood")
    assert info["format"] == 1
    assert info["evaluation"]["n_images"] == 6
    assert info["card"].splitlines()[5].startswith("# Model card")
    assert info["preprocessing"]["backbones"][0]["mean"][0] == pytest.approx(0.8, abs=0.1)


def test_the_files_are_small():
    assert sum(file.stat().st_size for file in FIXTURES.glob("format_1*")) < 400_000
