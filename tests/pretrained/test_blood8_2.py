"""The pretrained model for other laboratories, and estimators that start from its weights."""

import shutil

import numpy as np
import pytest
import torch
from sklearn.base import clone

import skblood
from skblood import TransferCellClassifier, reconfigure
from skblood.datasets import load_image_folder
from skblood.io import load_pretrained
from skblood.networks import create_backbone
from skblood.pretrained import FINGERPRINT_FILES


@pytest.fixture(scope="module")
def model():
    return load_pretrained(device="cpu")


def test_it_is_the_default_and_stays_the_same(model, synthetic, tmp_path):
    assert (model.backbone, model.weights) == ("cell_lite0", "blood8-2")
    assert model.spec_.backbones[0].weights == "blood8-2"
    assert model.training_data_["n_images"] == 10_766 + 508
    assert model.training_data_["cell_size"] == pytest.approx(0.5575, abs=0.002)  # that of PBC
    again = skblood.load(skblood.save(model, tmp_path / "m"), device="cpu")
    expected = model.predict_proba(synthetic[0][:8])
    assert np.array_equal(again.predict_proba(synthetic[0][:8]), expected)


def test_its_file_loads_as_any_other(model, synthetic, trained_on, tmp_path):
    file = shutil.copy(FINGERPRINT_FILES["pbc"][0].with_name("blood8-2.safetensors"), tmp_path)
    again = skblood.load(file, device="cpu")
    expected = model.predict_proba(synthetic[0][:8])
    assert np.array_equal(again.predict_proba(synthetic[0][:8]), expected)
    assert skblood.load_info(file)["class"] == "TransferCellClassifier"
    trained_on(synthetic[0][:5])
    with pytest.warns(skblood.pretrained.TrainingOverlapWarning):
        again.score(*synthetic)


@pytest.mark.parametrize("device", [None, "", 1.5, "gpu"])
def test_devices_that_do_not_exist(device):
    with pytest.raises(ValueError, match=f"device={device!r} is not available.*use 'auto'"):
        load_pretrained(device=device)


def test_a_device_of_torch(tmp_path):
    model = load_pretrained(device=torch.device("cpu"))
    assert model.device == "cpu"


def test_it_is_stored_as_halves_and_computes_in_float32(model):
    file = FINGERPRINT_FILES["pbc"][0].with_name("blood8-2.safetensors")
    assert file.stat().st_size < 2_000_000
    tensors = model.predictor_.network.state_dict().values()
    assert {t.dtype for t in tensors if t.is_floating_point()} == {torch.float32}


def test_it_knows_the_shares_of_its_training(model):
    """Cells were drawn by the root of their number; a prior is relative to that."""
    factors = np.array(reconfigure(model, prior="equal").spec_.class_factors)
    shares = 1 / factors / (1 / factors).sum()
    counts = np.array([*model.training_data_["class_counts"].values()])
    expected = np.sqrt(counts) / np.sqrt(counts).sum()
    assert np.abs(shares - expected).max() < 0.05


def test_estimators_start_from_it(model, synthetic):
    options = {"weights": "blood8-2", "image_shape": (64, 64, 3)}
    body = create_backbone("cell_lite0", **options).body.state_dict()
    theirs = model.predictor_.network.backbones[0].body.state_dict()
    assert all(torch.equal(body[name], theirs[name]) for name in theirs)
    with pytest.raises(ValueError, match="those of backbone='cell_lite0', not of 'cellnet_s'"):
        create_backbone("cellnet_s", **options)
    clf = clone(model).set_params(max_epochs=1, image_size=32, device="cpu").fit(*synthetic)
    assert isinstance(clf, TransferCellClassifier)
    card = skblood.model_card(clf)
    for owner in ("10.17632/snkd93bnjr", "singgihbekti", "Apache License 2.0"):
        assert owner in card


@pytest.mark.real
class TestRealCells:
    def test_at_home(self, model, real_data):
        """PBC (Acevedo et al. 2020), BloodMNIST recipe, own split."""
        X, y = load_image_folder(real_data / "pbc" / "128px" / "val", return_X_y=True)
        assert model.score(X[::10], y[::10]) > 0.96

    def test_in_another_laboratory(self, model, real_data):
        """Johns Hopkins Hospital (Sidhom et al. 2021), which did not train it."""
        X, y = load_image_folder(real_data / "labs" / "jhu", return_X_y=True)
        known = np.isin(y, model.classes_)
        X, y = np.array(X)[known][::4], np.array(y)[known][::4]
        cropped = reconfigure(model, crop=0.6)
        assert cropped.score(X, y) > model.score(X, y) > 0.4
