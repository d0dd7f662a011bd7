"""Estimators of scikit-learn that hold estimators of skblood are saved whole."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder

import skblood

from .conftest import MAKERS, assert_same_predictions

pytest.importorskip("skops.io")


def logistic():
    return LogisticRegression(max_iter=10000)


def voters(folder=None):
    embedder = Pipeline([("embed", MAKERS["embedder"]()), ("last", logistic())], memory=folder)
    return [("net", MAKERS["mlp"]()), ("embedder", embedder)]


COMPOSITES = {
    "features": lambda: make_pipeline(
        make_union(MAKERS["embedder"](), MAKERS["embedder"](crop=0.5)), logistic()
    ),
    "columns": lambda: make_pipeline(
        ColumnTransformer(
            [
                ("images", MAKERS["embedder"](), "path"),
                ("n", "passthrough", ["n"]),
                ("site", OneHotEncoder(handle_unknown="ignore"), ["site"]),
            ]
        ),
        logistic(),
    ),
    "threshold": lambda: TunedThresholdClassifierCV(MAKERS["mlp"](), cv=2),
    "calibrated": lambda: CalibratedClassifierCV(MAKERS["mlp"](), cv=2),
    "voting": lambda: VotingClassifier(voters("somewhere"), voting="soft"),
    "stacking": lambda: StackingClassifier(voters(), logistic(), cv=2),
}


@pytest.mark.parametrize("kind", COMPOSITES)
def test_loaded_equals_saved(kind, cells, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where the memory of a Pipeline is
    X, y = cells[0], cells[1] == "platelet"
    if kind == "columns":
        files = [tmp_path / f"{i}.png" for i in range(len(X))]
        for file, pixels in zip(files, X, strict=True):
            Image.fromarray(pixels).save(file)
        X = pd.DataFrame({"path": list(map(str, files)), "n": np.arange(48.0)})
        X["site"] = np.array(["north", "south", "east"])[np.arange(48) % 3]
    model = COMPOSITES[kind]().fit(X, y)
    again = skblood.load(skblood.save(model, path))
    assert_same_predictions(model, again, X)
    assert_same_predictions(clone(model).fit(X, y), again.fit(X, y), X)
    assert not any(word in path.read_bytes() for word in (b"somewhere", bytes(tmp_path)))
    info = skblood.load_info(path)
    assert info["class"] == f"{type(model).__module__}.{type(model).__name__}"
    assert json.dumps(info)
    assert "CellEmbedder" in info["card"] or "MLPCellClassifier" in info["card"]


def test_parts(cells, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    skblood.save(VotingClassifier(voters("somewhere")).fit(*cells), path)
    again, parts = skblood.load(path), skblood.load_info(path)["estimators"]
    assert [each["class"] for each in parts[:2]] == ["MLPCellClassifier", "CellEmbedder"]
    assert ["spec" in each for each in parts] == [False, False, True, True]
    assert again.estimators_[0] is again.named_estimators_["net"]
    assert again.estimators[1][1].memory is None
    assert "image_shape_" not in vars(again.estimators[0][1])


def test_what_is_left_out(cells, path):
    net = MAKERS["mlp"](augment=lambda batch: batch)
    model = VotingClassifier([("net", net)]).fit(*cells)
    with pytest.warns(UserWarning, match="^augment"):
        skblood.save(model, path)


def test_not_fitted(path):
    with pytest.raises(ValueError, match="not fitted"):  # scikit-learn's NotFittedError
        skblood.save(VotingClassifier(voters()), path)
    with pytest.raises(ValueError, match="not fitted"):
        skblood.model_card(VotingClassifier(voters()))
