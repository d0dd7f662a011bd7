"""Saving and loading: a loaded model is the fitted one, whatever was set after the fit."""

import hashlib
import json
import pickle
import socket
import warnings
from pathlib import Path

import numpy as np
import pytest
import safetensors
import torch
from sklearn.base import clone
from sklearn.metrics import make_scorer, matthews_corrcoef
from skorch.callbacks import EpochScoring

import skblood
from skblood.augment import CellAugment
from skblood.evaluation import EvaluationReport, HistoryDisplay, evaluate
from skblood.io import _estimators

from .conftest import MAKERS, assert_same_predictions, predictions

CLASSIFIERS = sorted(set(MAKERS) - {"embedder"})
# Values that another network, other images or other predictions would follow from, if the
# parameters were asked; a parameter that is not here is set to an object that cannot be written.
VALUES = {
    "activation": "tanh",
    "augment": CellAugment(flip=False, rotation=10.5),
    "backbone": "efficientnet_b0",
    "backbones": ("cellnet_t", "cellnet_s", "cellnet_t"),
    "batch_size": np.int64(32),
    "class_weight": {"lymphocyte": 2, np.str_("neutrophil"): np.float64(1.5), "platelet": 1.0},
    "crop": 0.5,
    "device": "cuda:97",
    "dropout": 0.25,
    "early_stopping": 4,
    "hidden_layer_sizes": (5, 4),
    "image_shape": (16, 16, 3),
    "image_size": np.array([18, 20]),
    "interpolation": "nearest",
    "lr": np.float32(0.1),
    "max_epochs": -3,
    "precision": "bfloat16",
    "projection_dim": 16,
    "random_state": 7,
    "refine_epochs": 0,
    "scoring": "no such score",
    "standardize": "image",
    "trainable": 1,
    "warm_start": True,
    "weights": Path("somewhere") / "weights.pth",
}
LEFT_OUT = {
    "augment": lambda batch: batch,
    "callbacks": [EpochScoring("accuracy")],
    "random_state": np.random.RandomState(0),
    "scoring": make_scorer(matthews_corrcoef),
}


def copied(model):
    return pickle.loads(pickle.dumps(model))


class TestParametersSetAfterFit:
    @pytest.mark.parametrize("kind", sorted(set(MAKERS) - {"frozen"}))
    def test_each_one(self, kind, fitted, cells, path):
        model, expected = copied(fitted[kind]), predictions(fitted[kind], cells[0])
        before = model.get_params()
        for name in before:
            value = VALUES.get(name, object())
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                skblood.save(model.set_params(**{name: value}), path)
            again = skblood.load(path)
            method = "predict_proba" if "predict_proba" in expected else "transform"
            found = getattr(again, method)(cells[0])
            np.testing.assert_array_equal(found, expected[method], name)
            assert again.spec_ == model.spec_
            assert b"somewhere" not in path.read_bytes()
            if name in VALUES and name not in ("weights", "augment"):
                np.testing.assert_array_equal(again.get_params()[name], value, name)
            model.set_params(**before)

    @pytest.mark.parametrize("value", [-1, "x" * 2**20, np.zeros((2, 2)), [{"a": object()}]])
    def test_all_at_once(self, fitted, cells, path, value):
        for model in (copied(fitted["hybrid"]), copied(fitted["embedder"])):
            expected = predictions(model, cells[0])
            model.set_params(**dict.fromkeys(model.get_params(), value))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                skblood.save(model, path)
            for method, values in predictions(skblood.load(path), cells[0]).items():
                np.testing.assert_array_equal(values, expected[method], method)

    def test_what_cannot_be_written_becomes_the_default(self, fitted, path, recwarn):
        class OwnAugment(CellAugment):
            pass

        model = copied(fitted["frozen"]).set_params(memory=path.parent)
        model.set_params(**LEFT_OUT, class_weight=OwnAugment())
        model.notes = "mine"
        skblood.save(model, path)
        (warning,) = [each for each in recwarn if each.category is UserWarning]
        names = ["augment", "callbacks", "class_weight", "random_state", "scoring", "notes"]
        assert str(warning.message).startswith(f"{', '.join(names)} cannot be saved")
        assert warning.filename == __file__  # where save was called
        assert skblood.load_info(path)["left_out"] == names
        again, defaults = skblood.load(path), type(model)().get_params()
        for name in (*LEFT_OUT, "class_weight", "memory"):
            assert again.get_params()[name] == defaults[name]
        assert not hasattr(again, "notes")


def test_no_folder_in_a_file(fitted, cells, path, tmp_path):
    """Folders bear names of persons and patients."""
    folder = tmp_path / "Anna Meier"
    folder.mkdir()
    weights = [folder / "a.pth", folder / "b.pth"]
    body = fitted["transfer"].predictor_.network.backbones[0].body
    torch.save(body.state_dict(), weights[0])
    torch.save(body.state_dict(), weights[1])
    checkpoint = skblood.TrainingCheckpoint(folder / "checkpoint")
    options = {"callbacks": [checkpoint], "memory": folder / "memory"}
    model = MAKERS["hybrid"](weights=weights, **options).fit(*cells)
    with pytest.warns(UserWarning, match="^callbacks cannot be saved"):
        skblood.save(model, path)
    assert b"Anna" not in path.read_bytes()
    again = skblood.load(path)
    assert again.weights == ["a.pth", "b.pth"]
    digest = hashlib.sha256(weights[1].read_bytes()).hexdigest()
    assert f"b.pth (SHA-256 {digest})" in skblood.load_info(path)["card"]
    model = MAKERS["embedder"](weights=str(weights[0]), memory=folder).fit(cells[0])
    assert b"Anna" not in skblood.save(model, path).read_bytes()
    pytest.importorskip("onnxscript")
    skblood.export_onnx(model, path)
    assert b"Anna" not in path.read_bytes()
    assert _estimators._without_folder(r"C:\Anna\a.pth") == "a.pth"


def test_a_parameter_that_json_cannot_hold(fitted, path):
    augment = CellAugment()
    augment.shift = float("nan")
    with pytest.warns(UserWarning, match="^augment cannot be saved"):
        skblood.save(copied(fitted["mlp"]).set_params(augment=augment), path)
    assert skblood.load(path).augment == "cells"


class TestEachEstimator:
    @pytest.fixture
    def again(self, model, path):
        return skblood.load(skblood.save(model, path))

    def test_loaded_equals_saved(self, model, again, cells, path):
        assert_same_predictions(model, again, cells[0])
        assert again.get_params() == model.get_params()
        assert again.spec_ == model.spec_
        for name in vars(model).keys() - model.get_params() - {"history_", "net_", "network_"}:
            if name[0] != "_" and name not in ("predictor_", "spec_"):
                np.testing.assert_array_equal(getattr(again, name), getattr(model, name), name)
        trained, loaded = (
            {name: p.requires_grad for name, p in each.predictor_.network.named_parameters()}
            for each in (model, again)
        )
        assert trained == loaded
        # Saved once more, pickled, and saved by the same model.
        other = skblood.load(skblood.save(again, path.with_name("other.skblood")))
        assert_same_predictions(model, other, cells[0])
        assert_same_predictions(model, copied(again), cells[0])
        second = skblood.save(model, path.with_name("second.skblood"))
        assert skblood.load_info(second) == skblood.load_info(path)

    def test_saving_and_loading_change_nothing_else(self, model, path):
        before, torch_state = pickle.dumps(model), torch.get_rng_state()
        numpy_state = np.random.get_state()[1].copy()
        skblood.load(skblood.save(model, path))
        assert pickle.dumps(model) == before
        assert torch.equal(torch.get_rng_state(), torch_state)
        np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)

    def test_info(self, model, path):
        info = skblood.load_info(skblood.save(model, path))
        assert json.loads(json.dumps(info)) == info
        assert (info["format"], info["skblood"]) == (2, skblood.__version__)
        assert info["class"] == type(model).__name__
        assert (info["evaluation"], info["left_out"]) == (None, [])
        assert f"# Model card: {type(model).__name__}" in info["card"]
        assert info["spec"] == json.loads(json.dumps(model.spec_.to_dict()))
        assert info["attributes"]["image_shape_"] == list(model.spec_.image_shape)
        assert info["preprocessing"]["crop"] == model.spec_.crop
        said = info["preprocessing"]["backbones"][0]
        standardize = model.predictor_.network.backbones[0].standardize
        assert not said or said["mean"] == pytest.approx(standardize.mean.tolist())

    def test_a_second_fit_is_that_of_the_first(self, model, again, cells):
        assert_same_predictions(clone(model).fit(*cells), again.fit(*cells), cells[0])


class TestClassifiers:
    @pytest.fixture(params=CLASSIFIERS)
    def both(self, request, fitted, path):
        model = fitted[request.param]
        return model, skblood.load(skblood.save(model, path))

    def test_history_and_score(self, both, cells):
        model, again = both
        assert again.history_ is again.net_.history_
        for epoch, former in zip(again.history_, model.history_, strict=True):
            assert epoch == {**former, "batches": []}
        assert HistoryDisplay.from_estimator(again).axes_[0].get_ylabel() == "loss"
        assert again.score(*cells) == model.score(*cells)

    def test_training_goes_on(self, both, cells):
        model, again = both
        if again.spec_.class_factors:  # it would refuse labels of the other classes
            again = skblood.reconfigure(again, classes="all")
        if hasattr(again, "partial_fit"):
            online = copied(again).partial_fit(*cells)
            assert len(online.history_) == online.n_iter_ == model.n_iter_ + 1
            assert online.training_data_["n_images"] == 2 * model.training_data_["n_images"]
        again.set_params(warm_start=True, lr=1e-12, weight_decay=0.0).fit(*cells)
        before, after = (each.net_.module_.head[-1].weight for each in (model, again))
        torch.testing.assert_close(after, before, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["b", "a"], dtype=object),
        np.array(["Erythroblast ü|\n", "", "x" * 40]),
        np.array([2**62, 5]),
        np.array([True, False]),
        np.array([1.0, 2.0], dtype=np.float32),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_labels_keep_their_dtype(labels, cells, path):
    y = labels[np.arange(48) % len(labels)]
    model = MAKERS["mlp"](class_weight={labels[0]: 2.0, labels[1]: 1.0}).fit(cells[0], y)
    again = skblood.load(skblood.save(model, path))
    np.testing.assert_array_equal(again.classes_, model.classes_, strict=True)
    assert again.predict(cells[0]).dtype == model.predict(cells[0]).dtype
    assert again.training_data_ == model.training_data_
    again.partial_fit(cells[0], y)  # the weights of the classes are found


def test_tables(cells, path):
    pandas = pytest.importorskip("pandas")
    X = np.random.default_rng(0).normal(size=(40, 3))
    X = pandas.DataFrame(X, columns=["size", "round", "ü"])
    model = MAKERS["mlp"]().fit(X, np.arange(40) % 2)
    again = skblood.load(skblood.save(model, path))
    np.testing.assert_array_equal(again.feature_names_in_, model.feature_names_in_, strict=True)
    assert_same_predictions(model, again, X)
    with pytest.raises(ValueError, match="feature names should match"):
        again.predict(X.rename(columns={"size": "area"}))
    rows = cells[0].reshape(48, -1)
    model = MAKERS["embedder"](image_shape=(16, 16, 3)).set_output(transform="pandas").fit(rows)
    again = skblood.load(skblood.save(model, path))
    assert again.transform(rows).equals(model.transform(rows))


class TestPretrainedBackbones:
    def test_neither_internet_nor_weights_file_is_needed(self, cells, path, tmp_path, monkeypatch):
        network = MAKERS["embedder"]().fit(cells[0]).predictor_.network
        weights = tmp_path / "weights.pth"
        torch.save(network.backbones[0].body.state_dict(), weights)
        model = MAKERS["transfer"](weights=weights).fit(*cells)
        skblood.save(model, path)
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        weights.unlink()
        monkeypatch.setattr(socket.socket, "connect", None)
        again = skblood.load(path)
        assert again.weights == "weights.pth"
        assert again.spec_.backbones[0].weights == "file:weights.pth"
        assert again.spec_.backbones[0].weights_sha256 == digest
        assert_same_predictions(model, again, cells[0])
        with pytest.raises(FileNotFoundError, match="weights"):
            again.fit(*cells)

    @pytest.mark.slow
    def test_published_weights_change_the_network(self, cells, forge, monkeypatch):
        """Pretrained, this one prepares images in another way."""
        model = skblood.CellEmbedder("torchvision/googlenet", weights=None, image_size=64)
        model.fit(cells[0])

        def publish(document):
            document["model"]["spec"]["backbones"][0]["weights"] = "default"

        monkeypatch.setattr(socket.socket, "connect", None)
        for change, expected in ((lambda document: None, False), (publish, True)):
            network = skblood.load(forge(model, change)).predictor_.network
            assert network.backbones[0].body.transform_input == expected


class TestDevice:
    @pytest.mark.parametrize("device", ["cuda:97", "auto", 5, None])
    def test_the_parameter_changes_nothing(self, device, mlp, path, cells):
        skblood.save(copied(mlp).set_params(device=device), path)
        again = skblood.load(path)
        assert (again.device, str(again.predictor_.device)) == (device, "cpu")
        assert_same_predictions(mlp, again, cells[0])

    @pytest.mark.parametrize("there", ["cuda:1", "cuda", "mps", "meta:97", "xla"])
    def test_of_another_machine(self, mlp, forge, there):
        def change(document):
            document["model"]["attributes"]["device_"] = there
            document["model"]["parameters"]["device"] = there

        model = skblood.load(forge(mlp, change))
        if not torch.cuda.is_available() and not torch.backends.mps.is_available():
            assert model.predictor_.device == torch.device("cpu")
        assert model.device == there  # of the next fit, which says that there is none

    def test_named(self, mlp, path):
        skblood.save(copied(mlp).set_params(device="auto"), path)
        assert skblood.load(path, device="cpu").device == "cpu"
        with pytest.raises(ValueError, match="'cuda:97' is not available") as error:
            skblood.load(path, device="cuda:97")
        assert not isinstance(error.value, skblood.ModelFileError)

    @pytest.mark.gpu
    def test_from_a_second_gpu_to_the_only_one(self, mlp, forge):
        def change(document):
            document["model"]["attributes"]["device_"] = "cuda:97"

        assert skblood.load(forge(mlp, change)).predictor_.device == torch.device("cuda")

    @pytest.mark.gpu
    def test_from_gpu_to_cpu(self, cells, path):
        model = MAKERS["transfer"](device="cuda", precision="float32").fit(*cells)
        skblood.save(model, path)
        assert_same_predictions(model, skblood.load(path), cells[0])
        on_cpu = skblood.load(path, device="cpu")
        assert {p.device.type for p in on_cpu.net_.module_.parameters()} == {"cpu"}
        expected = model.predict_proba(cells[0])
        np.testing.assert_allclose(on_cpu.predict_proba(cells[0]), expected, atol=1e-3)


def test_evaluation(mlp, cells, path):
    report = evaluate(mlp, *cells, n_resamples=20)
    info = skblood.load_info(skblood.save(mlp, path, evaluation=report))
    assert info["evaluation"] == report.to_dict()
    assert "48 images" in info["card"]
    # Scores that are infinite, or missing, are no reason to lose a model.
    y, proba = mlp.classes_, np.eye(3)[[1, 2, 0]]
    wrong = EvaluationReport.from_predictions(y, y[[1, 2, 0]], y_proba=proba)
    info = skblood.load_info(skblood.save(mlp, path, evaluation={"a": report, "b": wrong}))
    assert info["evaluation"].keys() == {"a", "b"}
    assert "### b" in info["card"]


def test_other_tools_open_the_file(mlp, path):
    skblood.save(mlp, path)
    with safetensors.safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["model"])["model"]["class"] == "MLPCellClassifier"
        assert set(file.keys()) == set(mlp.predictor_.network.state_dict())


def test_nothing_is_written_for_what_is_wrong(mlp, path):
    with pytest.raises(ValueError, match="not fitted"):  # scikit-learn's NotFittedError
        skblood.save(MAKERS["mlp"](), path)
    with pytest.raises(TypeError, match="must be an EvaluationReport"):
        skblood.save(mlp, path, evaluation={"accuracy": 0.99})
    assert not path.exists()
