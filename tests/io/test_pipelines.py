"""Pipelines: estimators of skblood as if alone, other steps by skops, nothing that runs code."""

import sys
import zipfile

import numpy as np
import pytest
import torch
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

import skblood
from skblood import ModelFileError

from .conftest import MAKERS, assert_same_predictions

skops_io = pytest.importorskip("skops.io")


def logistic():
    return LogisticRegression(max_iter=10000)


PIPELINES = {
    "simple": lambda: make_pipeline(MAKERS["embedder"](), StandardScaler(), logistic()),
    "nested": lambda: Pipeline(
        [
            ("features", Pipeline([("embed", MAKERS["embedder"]()), ("pca", PCA(4))])),
            ("nothing", "passthrough"),
            ("none", None),
            ("regression", logistic()),
        ]
    ),
    "ours last": lambda: Pipeline(
        [("abs", FunctionTransformer(np.abs)), ("net", MAKERS["mlp"]())], verbose=True
    ),
    "sampler": lambda: make_sampling_pipeline(
        MAKERS["embedder"](), SMOTE(random_state=0, k_neighbors=2), logistic()
    ),
}


def rows(cells):
    return cells[0].reshape(48, -1), cells[1]


@pytest.fixture(scope="module")
def fitted_pipelines(cells):
    data = {"ours last": rows(cells)}
    return {name: make().fit(*data.get(name, cells)) for name, make in PIPELINES.items()}


@pytest.fixture
def simple(fitted_pipelines):
    return fitted_pipelines["simple"]


@pytest.mark.parametrize("name", PIPELINES)
def test_loaded_equals_saved(name, fitted_pipelines, cells, path):
    pipeline = fitted_pipelines[name]
    again = skblood.load(skblood.save(pipeline, path))
    assert type(again) is type(pipeline)
    assert_same_predictions(pipeline, again, (rows(cells) if name == "ours last" else cells)[0])
    assert [step for step, _ in again.steps] == [step for step, _ in pipeline.steps]
    assert repr(again) == repr(pipeline).replace("None", "'passthrough'")
    info = skblood.load_info(path)
    assert info["class"].endswith(".pipeline.Pipeline")
    assert info["parameters"]["verbose"] == pipeline.verbose
    assert [step["name"] for step in info["steps"]] == [name for name, _ in pipeline.steps]
    if name == "simple":
        assert again.fit(*cells).score(*cells) == pipeline.score(*cells)
        assert info["steps"][0]["spec"]["head"] is None


def test_a_fitted_sampler_takes_no_training_images_along(fitted_pipelines, path):
    pipeline = fitted_pipelines["sampler"]
    assert hasattr(pipeline[1], "nn_k_")
    again = skblood.load(skblood.save(pipeline, path))
    assert not hasattr(again[1], "nn_k_")
    assert again[1].get_params() == pipeline[1].get_params()


def test_memory_and_left_out_parameters_of_steps(cells, path, tmp_path):
    net = MAKERS["mlp"](augment=lambda batch: batch)
    pipeline = Pipeline([("net", net)], memory=str(tmp_path / "cache")).fit(*rows(cells))
    with pytest.warns(UserWarning, match="^net__augment cannot be saved"):
        skblood.save(pipeline, path)
    again = skblood.load(path, device="cpu")
    assert (again.memory, again["net"].augment, again["net"].device) == (None, "cells", "cpu")
    assert skblood.load_info(path)["left_out"] == ["net__augment"]


class TestRefusedAtSave:
    @pytest.mark.parametrize(
        ("step", "match"),
        [
            (FunctionTransformer(lambda X: X), "cannot be saved"),
            (RandomForestClassifier(2), r"does not trust .*sklearn\.tree\._tree\.Tree"),
            (
                SVC(),
                r"The SVC cannot be .*does not trust .*_classes\.SVC.*joblib\.dump.* any code",
            ),
        ],
    )
    def test_steps(self, step, match, cells, path):
        pipeline = Pipeline([("first", FunctionTransformer(np.abs)), ("step", step)])
        with pytest.raises(TypeError, match=match):
            skblood.save(pipeline.fit(*rows(cells)), path)
        assert not path.exists()

    def test_other_models(self, mlp, cells, path):
        class MLPCellClassifier(skblood.MLPCellClassifier):
            pass

        for model in (GridSearchCV(mlp, {}), logistic(), "model.skblood"):
            with pytest.raises(TypeError, match=r"Give a fitted .* Of a search, give its best_est"):
                skblood.save(model, path)
        derived = MLPCellClassifier((2,), max_epochs=1).fit(*rows(cells))
        with pytest.raises(TypeError, match=r"MLPCellClassifier cannot be .* does not trust"):
            skblood.save(derived, path)
        with pytest.raises(ValueError, match="not fitted"):  # scikit-learn's NotFittedError
            skblood.save(PIPELINES["ours last"](), path)
        assert not path.exists()


def wrong_generator():
    generator = np.random.RandomState(0)
    state = generator.get_state(legacy=False)
    state["state"]["pos"] = 10**6  # NumPy does not check it
    generator.set_state(state)
    return generator


class TestRefusedAtLoad:
    @pytest.mark.parametrize(
        ("content", "match"),
        [
            (skops_io.dumps(FunctionTransformer(rows)), "does not trust"),
            (skops_io.dumps(StandardScaler(), compression=zipfile.ZIP_DEFLATED), "is compressed"),
            (b"x" * 1000, "not a zip file"),
            (skops_io.dumps([1]), "is not an estimator"),
            (skops_io.dumps(SVC().fit([[0], [1]], [0, 1])), "does not trust .*SVC"),
            (skops_io.dumps(PCA(random_state=wrong_generator())), "generator of a wrong state"),
        ],
    )
    def test_steps(self, content, match, simple, forge):
        other = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        path = forge(simple, change_tensors=lambda tensors: tensors.update({"1.skops": other}))
        skblood.load_info(path)  # which opens no step
        with pytest.raises(ModelFileError, match=match):
            skblood.load(path)

    @pytest.mark.parametrize(
        "change",
        [
            lambda model: model.update(steps=[]),
            lambda model: model.update(steps=[["a"]]),
            lambda model: model["parameters"].pop("verbose"),
            lambda model: model["steps"].pop(),
            lambda model: model["steps"][1][1].update({"class": "os.system"}),
            lambda model: model["steps"][1][1].pop("class"),
        ],
    )
    def test_documents(self, change, simple, forge):
        with pytest.raises(ModelFileError, match="cannot be loaded"):
            skblood.load(forge(simple, lambda document: change(document["model"])))

    def test_a_folder_is_not_taken_from_a_file(self, simple, forge):
        def change(document):
            document["model"]["parameters"]["memory"] = "."

        assert skblood.load(forge(simple, change)).memory is None


def test_without_skops(simple, mlp, path, monkeypatch):
    skblood.save(simple, path)
    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ImportError, match="pip install skops"):
        skblood.save(simple, path)
    with pytest.raises(ImportError, match="pip install skops"):
        skblood.load(path)
    assert skblood.load_info(path)["steps"][1]["class"].endswith("StandardScaler")
    assert skblood.load(skblood.save(mlp, path)).device == "cpu"  # which does without
