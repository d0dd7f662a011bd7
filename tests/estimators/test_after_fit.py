"""A fitted network knows what it is: parameters that change later do not change it."""

import json
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV

import skblood

# For each parameter, another value.
OTHER = {
    "activation": "tanh",
    "augment": None,
    "backbone": "cellnet_s",
    "backbones": ("cellnet_s", "cellnet_t", "cellnet_t"),
    "batch_size": 2,
    "callbacks": [],
    "class_weight": "balanced",
    "crop": 0.5,
    "device": "cuda:99",
    "dropout": 0.9,
    "early_stopping": True,
    "hidden_layer_sizes": (3,),
    "image_shape": (4, 4, 48),
    "image_size": 9,
    "interpolation": "nearest",
    "label_smoothing": 0.9,
    "loss": "focal",
    "lr": 9.0,
    "lr_schedule": None,
    "max_epochs": 99,
    "memory": "no/such/folder",
    "optimizer": "sgd",
    "precision": "bfloat16",
    "pretrain_epochs": 99,
    "pretrain_lr": 9.0,
    "projection_dim": 3,
    "random_state": 5,
    "refine_epochs": 99,
    "scoring": "accuracy",
    "standardize": "image",
    "temperature": 9.0,
    "trainable": 1,
    "validation_fraction": 0.9,
    "verbose": 2,
    "warm_start": True,
    "weight_decay": 9.0,
    "weights": "pbc",
}
FITS = {
    "mlp": {"image_size": 20},
    "transfer": {"image_size": 20, "crop": 0.9},
    "transfer, frozen": {"trainable": "head", "image_size": 20},
    "hybrid": {"image_size": 20, "trainable": ["head", "all"]},
    "contrastive": {"image_size": 20},
    "embedder": {"image_size": 20},
}


@pytest.fixture(scope="module", params=FITS)
def model(request, small):
    """An estimator on images that it crops and resizes. Its parameters may be changed."""
    make = request.getfixturevalue(f"make_{request.param.split(',')[0]}")
    return make(**FITS[request.param]).fit(*small)


def test_every_parameter(model, small, output, tmp_path):
    X, y = small[0][:6], small[1][:6]
    given, expected = model.get_params(deep=False), output(model, X)
    score = model.score(X, y) if hasattr(model, "score") else None
    spec = model.spec_
    for name in given:
        for value in (OTHER[name], object()):  # the second is not valid
            assert_array_equal(output(model.set_params(**{name: value}), X), expected, name)
        model.set_params(**{name: given[name]})
    model.set_params(**{name: OTHER[name] for name in given})
    try:
        assert_array_equal(output(pickle.loads(pickle.dumps(model)), X), expected)
        again = skblood.load(skblood.save(model, tmp_path / "model.skblood"), device="cpu")
        np.testing.assert_allclose(output(again, X), expected, atol=1e-6)
        assert again.spec_ == model.spec_ == spec
        assert score is None or model.score(X, y) == again.score(X, y) == score
        assert_array_equal(model.read_images(X).pixels, model.read_images(list(X)).pixels)
    finally:
        model.set_params(**given)


def test_partial_fit_goes_on_with_the_network_of_the_fit(make_transfer, small):
    X, y = small
    clf, other = (make_transfer(trainable="head", image_size=20).fit(X, y) for _ in range(2))
    other.set_params(trainable="all", image_size=9, crop=0.5, hidden_layer_sizes=(3,))
    expected = clf.partial_fit(X, y).predict_proba(X)
    assert_array_equal(other.partial_fit(X, y).predict_proba(X), expected)
    assert other.spec_ == clf.spec_


class TestSpec:
    def test_tells_what_was_trained(self, make_transfer, make_hybrid, make_contrastive, small):
        for trainable in ("all", "head", 2):
            (backbone,) = make_transfer(trainable=trainable).fit(*small).spec_.backbones
            assert (backbone.name, backbone.weights) == ("cellnet_t", None)
            assert backbone.trained == trainable
        spec = make_hybrid(trainable=["head", 1]).fit(*small).spec_
        assert [each.trained for each in spec.backbones] == ["head", 1]
        assert not spec.frozen
        assert make_contrastive(trainable=1).fit(*small).spec_.backbones[0].trained == 1

    def test_tells_the_rest(self, make_transfer, small):
        X, y = small
        clf = make_transfer(
            hidden_layer_sizes=[5], dropout=0.25, crop=0.5, image_size=(10, 12), standardize="image"
        ).fit(X, y)
        spec = clf.spec_
        assert spec.classes == tuple(np.unique(y))
        assert (spec.input_shape, spec.image_shape) == ((16, 16, 3), (10, 12, 3))
        assert (spec.image_size, spec.crop, spec.interpolation) == ((10, 12), 0.5, "bilinear")
        assert (spec.head.hidden_layer_sizes, spec.head.dropout) == ((5,), 0.25)
        assert spec.backbones[0].standardize == "image"
        assert spec.is_pixels
        assert json.loads(json.dumps(spec.to_dict()))["image_size"] == [10, 12]
        frozen = make_transfer(trainable="head").fit(X, y).spec_
        assert frozen.frozen
        assert frozen.head.standardize_features

    def test_pretrained_weights(self, make_transfer, large, pretrained_overlap_ignored):
        clf = make_transfer(backbone="cellnet_s", weights="pbc", max_epochs=1).fit(*large)
        assert clf.spec_.backbones[0].weights == "pbc"
        clf.set_params(warm_start=True, trainable="head").fit(*large)
        assert clf.spec_.backbones[0].trained == "head"


@pytest.fixture
def pretrained_overlap_ignored(monkeypatch):
    monkeypatch.setattr("skblood.estimators._classifier.overlap_message", lambda *args: None)


INTEGERS = {
    "mlp": {"hidden_layer_sizes": [8, 4], "image_size": 12, "early_stopping": 2, "verbose": 0},
    "transfer": {"trainable": 2, "image_size": [12, 10], "batch_size": 12, "max_epochs": 3},
    "hybrid": {"trainable": [1, 3], "refine_epochs": 2, "random_state": 5},
    "contrastive": {"trainable": 3, "projection_dim": 4, "pretrain_epochs": 2, "max_epochs": 1},
    "embedder": {"image_size": 12, "random_state": 5, "verbose": 0},
}


class TestNumPyIntegers:
    @pytest.mark.parametrize("kind", INTEGERS)
    def test_mean_the_same(self, request, kind, small, output):
        make = request.getfixturevalue(f"make_{kind}")
        given = {**INTEGERS[kind], **({} if kind == "embedder" else {"validation_fraction": 0.3})}
        as_numpy = {
            name: value if name == "validation_fraction" else np.asarray(value, np.int64)[()]
            for name, value in given.items()
        }
        expected, found = make(**given).fit(*small), make(**as_numpy).fit(*small)
        assert_array_equal(output(found, small[0]), output(expected, small[0]))
        assert found.spec_ == expected.spec_
        json.dumps(found.spec_.to_dict())

    @pytest.mark.parametrize("integer", [int, np.int64, np.int32, np.uint8])
    def test_too_many_stages(self, make_transfer, small, integer):
        assert make_transfer(trainable=integer(4)).fit(*small).spec_.backbones[0].trained == 4
        for n in (5, 6):
            with pytest.raises(ValueError, match=f"trainable={n}, .* has 4 stages"):
                make_transfer(trainable=integer(n)).fit(*small)

    def test_search(self, make_transfer, small):
        grid = {"trainable": np.arange(4, 6)}
        search = GridSearchCV(make_transfer(max_epochs=1), grid, cv=2, error_score="raise")
        with pytest.raises(ValueError, match=r"trainable=5, .* has 4 stages"):
            search.fit(*small)

    def test_rows(self, make_mlp, small):
        rows = small[0].reshape(48, -1)
        shapes = [(16, 16, 3), tuple(np.array([16, 16, 3])), np.array([16, -1, 3])]
        fits = [make_mlp(image_shape=shape).fit(rows, small[1]) for shape in shapes]
        assert {fit.image_shape_ for fit in fits} == {(16, 16, 3)}
