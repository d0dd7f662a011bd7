"""Files of format 1 go on loading; see fixtures/ for how they were made."""

import json
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import skblood
from skblood.augment import CellAugment
from skblood.io._format_1 import _rename_color, upgrade
from skblood.io._schema import decode_spec
from skblood.io._values import encode
from skblood.networks import BackboneSpec

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="module")
def expected():
    with np.load(FIXTURES / "format_1.npz") as stored:
        return dict(stored)


@pytest.mark.parametrize("name", ["format_1", "format_1_mlp"])
def test_predictions(name, expected):
    assert np.ptp(expected[name], axis=0).max() > 0.05  # else any model would pass
    model = skblood.load(FIXTURES / f"{name}.skblood", device="cpu")
    found = model.predict_proba(expected["X"])
    np.testing.assert_allclose(found, expected[name], atol=1e-5)  # processors differ
    labels = expected["classes"][expected[name].argmax(axis=1)]
    np.testing.assert_array_equal(model.predict(expected["X"]), labels, strict=True)


def test_parameters_and_attributes(expected, path):
    model = skblood.load(FIXTURES / "format_1.skblood", device="cpu")
    assert (model.backbone, model.hidden_layer_sizes) == ("cellnet_t", (16,))
    assert model.early_stopping == 12  # n_iter_no_change
    assert model.class_weight == {"lymphocyte": 1.5, "neutrophil": 1.0, "platelet": 1.0}
    assert repr(model.augment) == repr(CellAugment(shift=0.1))
    assert model.classes_.tolist() == ["lymphocyte", "neutrophil", "platelet"]
    assert len(model.history_) == model.n_iter_ == 12
    assert model.training_data_["n_validation_images"] == 9
    assert model.spec_.backbones == (BackboneSpec("cellnet_t"),)
    assert model.spec_.crop == 1
    again = skblood.load(skblood.save(model, path))
    assert skblood.load_info(path)["format"] == 2
    np.testing.assert_array_equal(*(m.predict_proba(expected["X"]) for m in (model, again)))
    model.partial_fit(expected["X"], model.predict(expected["X"]))
    assert model.n_iter_ == 13


def test_info():
    info = skblood.load_info(FIXTURES / "format_1.skblood")
    assert info["format"] == 1
    assert info["evaluation"]["n_images"] == 6
    assert "# Model card" in info["card"]
    assert info["spec"]["head"]["hidden_layer_sizes"] == [16]
    assert info["preprocessing"]["backbones"][0]["mean"][0] == pytest.approx(0.8, abs=0.1)


OLD = {
    "precision": "auto",
    "interpolation": "bicubic",
    "hidden_layer_sizes": (4,),
    "dropout": 0.5,
    "weights": "default",
    "predict_views": 8,
    "n_views": 3,
    "compile": True,
}


def upgraded(name, **parameters):
    """Return the document of an estimator that was fitted on 20 x 20 px resized to 16 x 16."""
    attributes = {
        "classes_": np.array([3, 5]),
        "_fold_shape": (20, 20, 3),
        "image_shape_": (16, 16, 3),
        "image_size_": (16, 16),
        "_is_pixels": True,
        "n_iter_": 1,
    }
    parts = {"parameters": OLD | parameters, "attributes": attributes}
    encoded = {part: {k: encode(v) for k, v in values.items()} for part, values in parts.items()}
    step = upgrade({"class": name, **encoded, "preprocessing": {}})
    pipeline = upgrade({"class": "Pipeline", "steps": [["net", {"class": name, **encoded}]]})
    assert pipeline["steps"] == [["net", step]]
    return step, decode_spec(step["spec"], 10)


@pytest.mark.parametrize(
    ("name", "parameters", "backbones"),
    [
        ("MLPCellClassifier", {}, [("pixels", None, "all", "channel")]),
        (
            "TransferCellClassifier",
            {"backbone": "resnet18", "trainable": 2, "standardize": "image"},
            [("resnet18", "default", 2, "image")],
        ),
        (
            "TransferCellClassifier",
            {"backbone": "cellnet_s", "weights": "pbc", "trainable": "all"},
            [("cellnet_s", "pbc", "all", "image")],
        ),
        (
            "ContrastiveCellClassifier",
            {"backbone": "cellnet_t", "weights": "some/where.pth", "trainable": "all"},
            [("cellnet_t", "file:where.pth", "all", "channel")],
        ),
        (
            "HybridFeatureClassifier",
            {"backbones": ["cellnet_t", "resnet18"], "trainable": ["head", 1]},
            [("cellnet_t", None, "head", "channel"), ("resnet18", "default", 1, "channel")],
        ),
    ],
)
def test_specs(name, parameters, backbones):
    document, spec = upgraded(name, **parameters)
    assert spec.backbones == tuple(BackboneSpec(*each) for each in backbones)
    assert spec.head.batch_norm == (name == "MLPCellClassifier")
    assert spec.head.standardize_features == (name == "ContrastiveCellClassifier")
    assert (spec.head.hidden_layer_sizes, spec.classes) == ((4,), (3, 5))
    assert (spec.input_shape, spec.image_shape, spec.crop) == ((20, 20, 3), (16, 16, 3), 1)
    assert (spec.interpolation, spec.dihedral_views) == ("bicubic", 8)
    assert not document["parameters"].keys() & {"compile", "n_views", "predict_views"}


def test_names_of_augmentations():
    augment = nn.Sequential(CellAugment(color=0.2))
    document, _ = upgraded("MLPCellClassifier", augment=augment)
    encoded = document["parameters"]["augment"]
    old = json.loads(json.dumps(encoded).replace("color", "colour"))
    assert old != encoded
    stored = {"steps": [["a", {"class": "skops"}]], "class": "Pipeline"}
    assert upgrade(stored) == stored
    assert _rename_color(old) == encoded
