"""The ready model, and estimators that start from its weights."""

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
from skblood.networks import ImageStandardize, Standardize, create_backbone, without_weights
from skblood.pretrained import _models, _seen

CLASSES = "basophil eosinophil erythroblast ig lymphocyte monocyte neutrophil platelet".split()


@pytest.fixture(scope="module")
def ready():
    """Not to be changed."""
    return load_pretrained("pbc8", device="cpu")


@pytest.fixture
def offline(monkeypatch):
    """Let nothing open a connection."""

    def refuse(*args, **kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)


class TestLoadPretrained:
    def test_it_is_a_fitted_classifier(self, ready, drawn):
        assert type(ready) is TransferCellClassifier
        assert ready.backbone == "cellnet_s" and ready.weights == "pbc"
        assert ready.classes_.tolist() == CLASSES
        probabilities = ready.predict_proba(drawn[0])
        assert probabilities.shape == (60, 8)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        assert len(np.unique(ready.predict(drawn[0]))) > 1

    def test_the_default_is_the_only_one(self, ready, drawn, offline):
        again = load_pretrained()
        assert np.array_equal(again.predict(drawn[0]), ready.predict(drawn[0]))

    def test_each_call_gives_another(self, ready):
        assert load_pretrained() is not ready

    @pytest.mark.parametrize("name", ["pbc", "PBC8", "../pbc8", None])
    def test_unknown_name(self, name):
        with pytest.raises(ValueError, match="no model that comes with skblood; there is 'pbc8'"):
            load_pretrained(name)

    def test_device_that_is_not_there(self):
        with pytest.raises(ValueError, match="tpu"):
            load_pretrained(device="tpu")

    @pytest.mark.parametrize("side", [28, 64, 200])
    def test_images_of_any_size(self, ready, drawn, side):
        X = skblood.images.resize_images(drawn[0][:3], (side, side + 3))
        assert ready.predict(X).shape == (3,)

    def test_training_data_is_told(self, ready):
        data = ready.training_data_
        assert list(data["class_counts"]) == CLASSES
        assert data["n_images"] == sum(data["class_counts"].values())

    def test_the_files_are_small(self):
        folder = _seen._FILE.parent
        assert (folder / "pbc8.safetensors").stat().st_size < 3_000_000
        assert (folder / "pbc8.md").read_text().startswith("---\n")
        names = {file.name for file in folder.glob("*.safetensors")}
        assert names == {f"{name}.safetensors" for name in _models._NAMES}

    def test_saved_and_loaded_it_knows_what_it_started_from(self, ready, drawn, tmp_path):
        again = skblood.load(skblood.save(ready, tmp_path / "m"), device="cpu")
        assert again.weights == "pbc"
        assert np.array_equal(again.predict_proba(drawn[0]), ready.predict_proba(drawn[0]))

    def test_pickled(self, ready, drawn):
        again = pickle.loads(pickle.dumps(ready))
        assert np.array_equal(again.predict_proba(drawn[0]), ready.predict_proba(drawn[0]))

    @pytest.mark.real
    def test_it_has_learnt_something(self, ready, real_data):
        """Of PBC (Acevedo et al. 2020), BloodMNIST recipe, own split: test images."""
        folder = real_data / "pbc" / "128px" / "test"
        X, y = load_image_folder(folder, return_X_y=True)
        assert ready.score(X[::60], y[::60]) > 0.6


def tensors_of(backbone):
    return backbone.body.state_dict()


class TestWeights:
    def make(self, image_shape=(64, 64, 3), **options):
        return create_backbone("cellnet_s", weights="pbc", image_shape=image_shape, **options)

    def test_they_are_those_of_the_ready_model(self, ready):
        backbone, theirs = self.make(), ready.net_.module_.backbones[0]
        assert all(
            torch.equal(tensor, tensors_of(theirs)[name])
            for name, tensor in tensors_of(backbone).items()
        )
        assert tensors_of(backbone).keys() == tensors_of(theirs).keys()

    def test_so_is_the_preprocessing(self, ready):
        """Whatever the statistics of the images that are to be trained on."""
        backbone = self.make(statistics=([0.1] * 3, [0.2] * 3))
        theirs = ready.net_.module_.backbones[0].standardize
        assert torch.equal(backbone.standardize.mean, theirs.mean)
        assert torch.equal(backbone.standardize.std, theirs.std)

    @pytest.mark.parametrize(
        ("way", "expected"), [("auto", Standardize), ("image", ImageStandardize)]
    )
    def test_and_its_way_to_standardise(self, monkeypatch, way, expected):
        statistics = torch.zeros(3), torch.ones(3)
        monkeypatch.setattr(
            "skblood.networks._sources.ready_preprocessing", lambda: (statistics, way)
        )
        assert type(self.make().standardize) is expected
        with without_weights():
            assert type(self.make().standardize) is expected

    def test_gray_images_are_repeated(self):
        backbone = self.make((64, 64, 1))
        assert backbone.in_channels == 3
        gray = torch.rand(2, 1, 64, 64)
        colour = gray.expand(-1, 3, -1, -1)
        assert torch.allclose(backbone.eval()(gray), backbone(colour))

    def test_other_channels_are_refused(self):
        with pytest.raises(ValueError, match="images of 3 channels"):
            self.make((64, 64, 4))

    @pytest.mark.parametrize("name", ["cellnet_t", "resnet18", "torchvision/vgg11", "cnn_asghar"])
    def test_other_backbones_are_refused(self, name):
        with pytest.raises(ValueError, match=f"those of backbone='cellnet_s', not of '{name}'"):
            create_backbone(name, weights="pbc", image_shape=(64, 64, 3))

    def test_nothing_is_read_where_no_weights_are_wanted(self, monkeypatch):
        monkeypatch.setattr("skblood.networks._sources.load_ready_weights", None)
        with without_weights():
            assert self.make((64, 64, 1)).in_channels == 3

    def test_another_path_is_told_of_them(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="'pbc' or the path of a "):
            create_backbone("cellnet_s", weights="pbc8", image_shape=(64, 64, 3))


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


class TestEstimators:
    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_they_fit_save_and_load(self, name, drawn, tmp_path):
        X, y = drawn
        model = clone(ESTIMATORS[name]).fit(X, y)
        again = skblood.load(skblood.save(model, tmp_path / "m"), device="cpu")
        answer = "transform" if name == "embedder" else "predict_proba"
        assert np.array_equal(getattr(again, answer)(X), getattr(model, answer)(X))
        assert again.weights == model.weights

    def test_the_head_learns_on_features_of_the_ready_model(self, ready, drawn):
        model = clone(ESTIMATORS["head"]).set_params(image_size=64).fit(*drawn)
        theirs = tensors_of(ready.net_.module_.backbones[0])
        ours = tensors_of(model.net_.module_.backbones[0])
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)

    def test_gray_cells(self, drawn, tmp_path):
        X, y = drawn
        model = clone(ESTIMATORS["transfer"]).fit(X[..., :1], y)
        again = skblood.load(skblood.save(model, tmp_path / "m"), device="cpu")
        assert np.array_equal(again.predict(X[..., :1]), model.predict(X[..., :1]))

    def test_a_clone_of_the_ready_model_trains_on(self, ready, drawn):
        model = clone(ready).set_params(max_epochs=1)
        assert model.fit(*drawn).weights == "pbc"

    def test_the_learning_rate_is_that_of_pretrained_weights(self):
        assert ESTIMATORS["transfer"]._learning_rate() == 5e-4

    def test_the_wrong_backbone_is_an_error_of_fit(self, drawn):
        with pytest.raises(ValueError, match="weights='pbc' are those of backbone='cellnet_s'"):
            TransferCellClassifier("cellnet_t", weights="pbc", max_epochs=1).fit(*drawn)

    def test_the_card_names_the_weights(self, ready):
        assert "cellnet_s, from the weights of pbc" in skblood.model_card(ready)
