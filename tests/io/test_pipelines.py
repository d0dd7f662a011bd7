"""Pipelines: our estimators as ever, the other steps by skops, nothing that is not trusted."""

import io
import sys
import zipfile

import numpy as np
import pytest
import torch
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline as make_sampling_pipeline
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skblood
from skblood import ModelFileError
from skblood.io import _pipelines as pipelines

from .conftest import MAKERS, assert_same_answers

skops_io = pytest.importorskip("skops.io")


def logistic():
    return LogisticRegression(max_iter=10000)


def rows(cells):
    return cells[0].reshape(48, -1), cells[1]


PIPELINES = {
    "embedder and regression": lambda: make_pipeline(
        MAKERS["embedder"](), StandardScaler(), logistic()
    ),
    "nested": lambda: Pipeline(
        [
            ("features", Pipeline([("embed", MAKERS["embedder"]()), ("pca", PCA(4))])),
            ("nothing", "passthrough"),
            ("none", None),
            ("regression", logistic()),
        ]
    ),
    "ours last": lambda: make_pipeline(FunctionTransformer(np.abs), MAKERS["mlp"]()),
    "sampler": lambda: make_sampling_pipeline(RandomOverSampler(random_state=0), MAKERS["mlp"]()),
    "sampler of features": lambda: make_sampling_pipeline(
        MAKERS["embedder"](), SMOTE(random_state=0, k_neighbors=2), logistic()
    ),
    "alone": lambda: Pipeline([("net", MAKERS["mlp"]())], verbose=True),
}


@pytest.fixture(scope="module")
def fitted_pipelines(cells):
    with_rows = {"ours last", "sampler", "alone"}
    return {
        name: make().fit(*(rows(cells) if name in with_rows else cells))
        for name, make in PIPELINES.items()
    }


@pytest.fixture
def simple(fitted_pipelines):
    return fitted_pipelines["embedder and regression"]


@pytest.mark.parametrize("name", PIPELINES)
class TestEach:
    @pytest.fixture
    def both(self, name, fitted_pipelines, path):
        pipeline = fitted_pipelines[name]
        return pipeline, skblood.load(skblood.save(pipeline, path))

    def test_answers_are_equal_to_the_bit(self, both, cells):
        X = cells[0] if both[0].steps[0][0] in ("cellembedder", "features") else rows(cells)[0]
        assert_same_answers(*both, X)

    def test_it_is_the_same_pipeline(self, both):
        pipeline, again = both
        assert type(again) is type(pipeline)
        names = [[step for step, _ in each.steps] for each in both]
        assert names[0] == names[1]
        assert again.verbose == pipeline.verbose
        assert repr(again).replace("None", "'passthrough'") == repr(pipeline).replace(
            "None", "'passthrough'"
        )

    def test_info(self, name, both, path):
        info = skblood.load_info(path)
        assert info["class"].endswith(".pipeline.Pipeline")
        assert [step["name"] for step in info["steps"]] == [n for n, _ in both[0].steps]


def test_a_further_fit(simple, cells, path):
    skblood.save(simple, path)
    again = skblood.load(path).fit(*cells)
    assert again.score(*cells) == simple.score(*cells)


def test_a_fitted_sampler_takes_no_training_images_along(fitted_pipelines, path):
    pipeline = fitted_pipelines["sampler of features"]
    assert hasattr(pipeline[1], "nn_k_")
    again = skblood.load(skblood.save(pipeline, path))
    assert not hasattr(again[1], "nn_k_")
    assert again[1].get_params() == pipeline[1].get_params()


def test_memory_and_left_out_parameters_of_steps(cells, path, tmp_path):
    net = MAKERS["mlp"](augment=lambda batch: batch)
    pipeline = Pipeline([("net", net)], memory=str(tmp_path / "cache")).fit(*rows(cells))
    with pytest.warns(UserWarning, match="^net__augment cannot be saved"):
        skblood.save(pipeline, path)
    again = skblood.load(path)
    assert again.memory is None
    assert again["net"].augment == "cells"
    assert skblood.load_info(path)["left_out"] == ["net__augment"]


def test_device_goes_to_our_steps(simple, path):
    skblood.save(simple, path)
    with pytest.raises(ValueError, match="'cuda:97' is not available"):
        skblood.load(path, device="cuda:97")
    assert skblood.load(path, device="cpu")[0].device == "cpu"


class TestRefusedAtSave:
    def test_code_in_a_step(self, cells, path):
        pipeline = make_pipeline(FunctionTransformer(lambda X: X), MAKERS["mlp"]())
        with pytest.raises(TypeError, match="Step 'functiontransformer'"):
            skblood.save(pipeline.fit(*rows(cells)), path)

    def test_trees(self, cells, path):
        """A forged tree could have compiled code read any memory."""
        pipeline = make_pipeline(MAKERS["embedder"](), RandomForestClassifier(2)).fit(*cells)
        with pytest.raises(TypeError, match=r"objects of sklearn\.tree\._tree\.Tree"):
            skblood.save(pipeline, path)

    def test_our_estimator_inside_a_step(self, cells, path):
        vote = VotingClassifier([("net", MAKERS["mlp"]())])
        pipeline = make_pipeline(FunctionTransformer(np.abs), vote).fit(*rows(cells))
        with pytest.raises(TypeError, match="save the estimator of skblood by itself"):
            skblood.save(pipeline, path)

    def test_a_search(self, cells, path):
        search = GridSearchCV(MAKERS["mlp"](), {"dropout": [0.0, 0.1]}, cv=2).fit(*cells)
        with pytest.raises(TypeError, match=r"search\.best_estimator_"):
            skblood.save(search, path)
        skblood.save(search.best_estimator_, path)

    @pytest.mark.parametrize(
        ("model", "match"),
        [
            (VotingClassifier([("net", MAKERS["mlp"]())]), "A VotingClassifier cannot be saved"),
            (skblood.MLPCellClassifier, "MLPCellClassifier is a class"),
            (None, "A NoneType cannot be saved"),
            ("model.skblood", "A str cannot be saved"),
        ],
        ids=repr,
    )
    def test_other_things(self, model, match, path):
        with pytest.raises(TypeError, match=match):
            skblood.save(model, path)

    def test_a_class_derived_from_ours(self, cells, path):
        class MLPCellClassifier(skblood.MLPCellClassifier):
            pass

        with pytest.raises(TypeError, match="cannot be saved"):
            skblood.save(MLPCellClassifier((8,), max_epochs=1).fit(*cells), path)

    @pytest.mark.parametrize("make", [MAKERS["mlp"], PIPELINES["ours last"]])
    def test_not_fitted(self, make, path):
        with pytest.raises(ValueError, match="not fitted"):  # scikit-learn's NotFittedError
            skblood.save(make(), path)
        assert not path.exists()


def put_step(content, type_name):
    """Return what replaces the scaler of a file by what skops reads from other bytes."""

    def change(document):
        document["model"]["steps"][1][1]["type"] = type_name

    def change_tensors(tensors):
        tensors["1.skops"] = torch.frombuffer(bytearray(content), dtype=torch.uint8)

    return change, change_tensors


SCALER = "sklearn.preprocessing._data.StandardScaler"


class TestRefusedAtLoad:
    def test_a_type_that_is_not_trusted(self, simple, forge):
        content = skops_io.dumps(FunctionTransformer(forge))
        path = forge(simple, *put_step(content, "sklearn.preprocessing.FunctionTransformer"))
        skblood.load_info(path)  # which opens no step
        with pytest.raises(ModelFileError, match="cannot be read"):
            skblood.load(path)

    def test_another_type_than_is_said(self, simple, forge):
        path = forge(simple, *put_step(skops_io.dumps(PCA()), SCALER))
        with pytest.raises(ModelFileError, match=r"StandardScaler' is a .*PCA"):
            skblood.load(path)

    def test_a_compressed_step(self, simple, forge):
        content = skops_io.dumps(StandardScaler(), compression=zipfile.ZIP_DEFLATED)
        with pytest.raises(ModelFileError, match="it is compressed"):
            skblood.load(forge(simple, *put_step(content, SCALER)))

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 1000])
    def test_bytes_that_are_no_step(self, content, simple, forge):
        content = content or b"\0"
        with pytest.raises(ModelFileError, match="cannot be read"):
            skblood.load(forge(simple, *put_step(content, SCALER)))

    def test_a_step_without_its_members(self, simple, forge):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("schema.json", "{}")
        with pytest.raises(ModelFileError, match="cannot be read"):
            skblood.load(forge(simple, *put_step(buffer.getvalue(), SCALER)))

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            (lambda model: model.update(steps=[]), "steps of a Pipeline"),
            (lambda model: model.update(steps=[["a"]]), "steps of a Pipeline"),
            (lambda model: model.update(steps=[[1, {}]]), "steps of a Pipeline"),
            (lambda model: model.update(steps=None), "steps of a Pipeline"),
            (lambda model: model.update(more=1), "holds"),
            (lambda model: model["parameters"].update(memory="."), "parameters of a Pipeline"),
            (lambda model: model["parameters"].update(verbose="yes"), "verbose"),
            (lambda model: model["steps"].pop(), "belong to no step"),
            (lambda model: model["steps"][1][1].update({"class": "passthrough"}), "holds"),
            (lambda model: model["steps"][1][1].update({"class": "os.system"}), "must hold"),
            (lambda model: model["steps"][1][1].pop("class"), "must hold"),
            (lambda model: model["steps"][1].__setitem__(0, "cellembedder"), "not unique"),
        ],
    )
    def test_an_odd_document(self, change, match, simple, forge):
        path = forge(simple, lambda document: change(document["model"]))
        with pytest.raises(ModelFileError, match=match):
            skblood.load(path)

    def test_pipelines_without_end(self, simple, forge):
        def nest(document):
            for _ in range(20):
                empty = {**document["model"], "steps": [["inner", document["model"]]]}
                document["model"] = empty

        def rename(tensors):
            for name in list(tensors):
                tensors["0." * 20 + name] = tensors.pop(name)

        with pytest.raises(ModelFileError, match="nested more than"):
            skblood.load(forge(simple, nest, rename))


class TestSkops:
    def test_without_it_the_error_names_it(self, simple, path, monkeypatch):
        skblood.save(simple, path)
        monkeypatch.setitem(sys.modules, "skops", None)
        monkeypatch.setitem(sys.modules, "skops.io", None)
        with pytest.raises(ImportError, match="pip install skops"):
            skblood.save(simple, path)
        with pytest.raises(ImportError, match="pip install skops"):
            skblood.load(path)
        assert skblood.load_info(path)["steps"][1]["class"] == SCALER

    def test_our_estimators_do_without(self, mlp, path, monkeypatch):
        monkeypatch.setitem(sys.modules, "skops", None)
        monkeypatch.setitem(sys.modules, "skops.io", None)
        assert skblood.load(skblood.save(mlp, path)).device == "cpu"

    def test_samplers_that_are_trusted_are_all_there(self):
        trusted = pipelines._trusted()
        assert len(trusted) == 18
        assert all(name.startswith("imblearn.") for name in trusted)
