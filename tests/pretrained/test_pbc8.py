"""The pretrained model, and estimators that start from its weights."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone

import skblood
from skblood import (
    CellEmbedder,
    ContrastiveCellClassifier,
    HybridFeatureClassifier,
    TransferCellClassifier,
)
from skblood.datasets import load_image_folder
from skblood.io import load_pretrained
from skblood.networks import create_backbone
from skblood.pretrained import FINGERPRINT_FILES

CLASSES = "basophil eosinophil erythroblast ig lymphocyte monocyte neutrophil platelet".split()
OPTIONS = {"image_size": 32, "random_state": 0, "device": "cpu"}
PBC = {"weights": "pbc", "max_epochs": 1, **OPTIONS}
ESTIMATORS = {
    "transfer": TransferCellClassifier("cellnet_s", **PBC),
    "hybrid": HybridFeatureClassifier(
        ("cellnet_s", "cellnet_t"), refine_epochs=0, **PBC | {"weights": ("pbc", None)}
    ),
    "contrastive": ContrastiveCellClassifier("cellnet_s", pretrain_epochs=1, **PBC),
    "embedder": CellEmbedder("cellnet_s", weights="pbc", **OPTIONS),
}


def weights_of(model):
    return model.predictor_.network.backbones[0].body.state_dict()


class TestModel:
    def test_a_fitted_classifier(self, pretrained, synthetic, monkeypatch):
        monkeypatch.setattr("socket.socket.connect", None)  # nothing is downloaded
        again = load_pretrained("pbc8")
        assert type(again) is TransferCellClassifier and again is not pretrained
        assert (again.backbone, again.weights) == ("cellnet_s", "pbc")
        assert again.classes_.tolist() == list(again.training_data_["class_counts"]) == CLASSES
        probabilities = again.predict_proba(synthetic[0][:16])
        assert np.array_equal(probabilities, pretrained.predict_proba(synthetic[0][:16]))
        assert len(np.unique(again.predict(synthetic[0][:16]))) > 1
        assert "cellnet_s, from the weights of pbc" in skblood.model_card(again)
        for side in (28, 200):
            X = skblood.images.resize_images(synthetic[0][:3], (side, side + 3))
            assert again.predict(X).shape == (3,)
        with pytest.raises(ValueError, match="'pbc8'"):
            load_pretrained("pbc")

    def test_saved_or_pickled_it_stays_the_same(self, pretrained, synthetic, tmp_path):
        saved = skblood.load(skblood.save(pretrained, tmp_path / "m"), device="cpu")
        assert saved.weights == "pbc"
        for again in (saved, pickle.loads(pickle.dumps(pretrained))):
            expected = pretrained.predict_proba(synthetic[0][:16])
            assert np.array_equal(again.predict_proba(synthetic[0][:16]), expected)

    def test_files_of_the_package(self):
        folder = FINGERPRINT_FILES["pbc"][0].parent
        files = sorted(folder.glob("*.safetensors"))
        assert [file.stem for file in files] == ["blood8-2", "pbc8"]
        for file in files:
            assert file.stat().st_size < 3_000_000
            assert file.with_suffix(".md").read_text(encoding="utf-8").startswith("---\n")

    @pytest.mark.real
    def test_real_cells(self, pretrained, real_data):
        """Test images of PBC (Acevedo et al. 2020), BloodMNIST recipe, own split."""
        folder = real_data / "pbc" / "128px" / "test"
        X, y = load_image_folder(folder, return_X_y=True)
        assert pretrained.score(X[::60], y[::60]) > 0.6


class TestWeights:
    def test_weights_and_normalization_are_those_of_the_model(self, pretrained):
        options = {"weights": "pbc", "statistics": ([0.1] * 3, [0.2] * 3)}  # do not count
        backbone = create_backbone("cellnet_s", image_shape=(64, 64, 3), **options)
        theirs = pretrained.predictor_.network.backbones[0].state_dict()
        assert all(torch.equal(v, theirs[k]) for k, v in backbone.state_dict().items())

    def test_gray_images_are_repeated_and_other_channels_refused(self):
        backbone = create_backbone("cellnet_s", weights="pbc", image_shape=(64, 64, 1)).eval()
        gray = torch.rand(2, 1, 64, 64)
        assert torch.allclose(backbone(gray), backbone(gray.expand(-1, 3, -1, -1)))
        with pytest.raises(ValueError, match="3 channels"):
            create_backbone("cellnet_s", weights="pbc", image_shape=(64, 64, 4))
        with pytest.raises(ValueError, match="'cellnet_t'"):
            create_backbone("cellnet_t", weights="pbc", image_shape=(64, 64, 3))


class TestEstimators:
    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_fit_save_and_load(self, name, synthetic, tmp_path):
        X, y = synthetic
        model = clone(ESTIMATORS[name]).fit(X, y)
        again = skblood.load(skblood.save(model, tmp_path / "m"), device="cpu")
        method = "transform" if name == "embedder" else "predict_proba"
        assert np.array_equal(getattr(again, method)(X), getattr(model, method)(X))
        assert again.weights == model.weights

    def test_frozen_backbones_and_clones_start_from_the_weights(self, pretrained, synthetic):
        theirs = weights_of(pretrained)
        frozen = clone(ESTIMATORS["transfer"]).set_params(trainable="head").fit(*synthetic)
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in weights_of(frozen).items())
        model = clone(pretrained).set_params(max_epochs=1, image_size=32, lr=1e-9).fit(*synthetic)
        torch.testing.assert_close(weights_of(model)["stem.0.weight"], theirs["stem.0.weight"])
