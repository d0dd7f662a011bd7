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
from skblood.pretrained._training_overlap import FINGERPRINTS_FILE

CLASSES = "basophil eosinophil erythroblast ig lymphocyte monocyte neutrophil platelet".split()
OPTIONS = {"image_size": 32, "random_state": 0, "device": "cpu"}
ESTIMATORS = {
    "transfer": TransferCellClassifier("cellnet_s", weights="pbc", max_epochs=1, **OPTIONS),
    "head": TransferCellClassifier(
        "cellnet_s", weights="pbc", trainable="head", max_epochs=1, **OPTIONS
    ),
    "hybrid": HybridFeatureClassifier(
        ("cellnet_s", "cellnet_t"),
        weights=("pbc", None),
        max_epochs=1,
        refine_epochs=0,
        **OPTIONS,
    ),
    "contrastive": ContrastiveCellClassifier(
        "cellnet_s", weights="pbc", pretrain_epochs=1, max_epochs=1, **OPTIONS
    ),
    "embedder": CellEmbedder("cellnet_s", weights="pbc", **OPTIONS),
}


def weights_of(model):
    return model.predictor_.network.backbones[0].body.state_dict()


class TestModel:
    def test_a_fitted_classifier(self, pretrained, synthetic, monkeypatch):
        monkeypatch.setattr("socket.socket.connect", None)  # nothing is downloaded
        again = load_pretrained()
        assert type(again) is TransferCellClassifier and again is not pretrained
        assert (again.backbone, again.weights) == ("cellnet_s", "pbc")
        assert again.classes_.tolist() == list(again.training_data_["class_counts"]) == CLASSES
        probabilities = again.predict_proba(synthetic[0][:16])
        assert np.array_equal(probabilities, pretrained.predict_proba(synthetic[0][:16]))
        assert probabilities.shape == (16, 8)
        assert len(np.unique(again.predict(synthetic[0][:16]))) > 1
        assert "cellnet_s, from the weights of pbc" in skblood.model_card(again)

    def test_images_of_any_size(self, pretrained, synthetic):
        for side in (28, 200):
            X = skblood.images.resize_images(synthetic[0][:3], (side, side + 3))
            assert pretrained.predict(X).shape == (3,)

    @pytest.mark.parametrize("name", ["pbc", "../pbc8", None])
    def test_unknown_name(self, name):
        with pytest.raises(ValueError, match="'pbc8'"):
            load_pretrained(name)

    def test_saved_or_pickled_it_stays_the_same(self, pretrained, synthetic, tmp_path):
        saved = skblood.load(skblood.save(pretrained, tmp_path / "m"), device="cpu")
        assert saved.weights == "pbc"
        for again in (saved, pickle.loads(pickle.dumps(pretrained))):
            expected = pretrained.predict_proba(synthetic[0][:16])
            assert np.array_equal(again.predict_proba(synthetic[0][:16]), expected)

    def test_files_of_the_package(self):
        folder = FINGERPRINTS_FILE.parent
        assert [file.name for file in folder.glob("*.safetensors")] == ["pbc8.safetensors"]
        assert (folder / "pbc8.safetensors").stat().st_size < 3_000_000
        assert (folder / "pbc8.md").read_text(encoding="utf-8").startswith("---\n")

    @pytest.mark.real
    def test_real_cells(self, pretrained, real_data):
        """Test images of PBC (Acevedo et al. 2020), BloodMNIST recipe, own split."""
        folder = real_data / "pbc" / "128px" / "test"
        X, y = load_image_folder(folder, return_X_y=True)
        assert pretrained.score(X[::60], y[::60]) > 0.6


class TestWeights:
    def test_weights_and_normalization_are_those_of_the_model(self, pretrained):
        backbone = create_backbone(
            "cellnet_s",
            weights="pbc",
            image_shape=(64, 64, 3),
            statistics=([0.1] * 3, [0.2] * 3),  # those of the training images do not count
        )
        theirs = pretrained.predictor_.network.backbones[0]
        assert all(torch.equal(v, theirs.state_dict()[k]) for k, v in backbone.state_dict().items())

    def test_gray_images_are_repeated_and_other_channels_refused(self):
        backbone = create_backbone("cellnet_s", weights="pbc", image_shape=(64, 64, 1)).eval()
        gray = torch.rand(2, 1, 64, 64)
        assert torch.allclose(backbone(gray), backbone(gray.expand(-1, 3, -1, -1)))
        with pytest.raises(ValueError, match="images of 3 channels"):
            create_backbone("cellnet_s", weights="pbc", image_shape=(64, 64, 4))

    @pytest.mark.parametrize("name", ["cellnet_t", "torchvision/vgg11"])
    def test_other_backbones_are_refused(self, name, synthetic):
        with pytest.raises(ValueError, match=f"those of backbone='cellnet_s', not of '{name}'"):
            TransferCellClassifier(name, weights="pbc", max_epochs=1).fit(*synthetic)


class TestEstimators:
    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_fit_save_and_load(self, name, synthetic, tmp_path):
        X, y = synthetic
        model = clone(ESTIMATORS[name]).fit(X, y)
        again = skblood.load(skblood.save(model, tmp_path / "m"), device="cpu")
        method = "transform" if name == "embedder" else "predict_proba"
        assert np.array_equal(getattr(again, method)(X), getattr(model, method)(X))
        assert again.weights == model.weights

    def test_a_frozen_backbone_keeps_the_weights(self, pretrained, synthetic):
        model = clone(ESTIMATORS["head"]).fit(*synthetic)
        theirs = weights_of(pretrained)
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in weights_of(model).items())

    def test_a_clone_of_the_model_starts_from_its_weights(self, pretrained, synthetic):
        model = clone(pretrained).set_params(max_epochs=1, image_size=32, lr=1e-9)
        theirs, ours = weights_of(pretrained), weights_of(model.fit(*synthetic))
        torch.testing.assert_close(ours["stem.0.weight"], theirs["stem.0.weight"])
