"""Fitted estimators made of a network, or with other settings of prediction."""

import copy
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skblood import TransferCellClassifier, reconfigure
from skblood.estimators import attach_network, replace_network
from skblood.inference import resolve_device
from skblood.networks import build_network


def half(X):
    """Crop the cells of 24 px to 12."""
    return X[:, 6:18, 6:18]


def wider(X):
    """Add three pixels of mirror image around cells, which is 1.25 of 24 px."""
    return np.pad(X, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="symmetric")


def turned(X):
    """Return the cells in all eight positions."""
    four = [X, X[:, :, ::-1], X[:, ::-1], X[:, ::-1, ::-1]]
    return [*four, *(view.transpose(0, 2, 1, 3) for view in four)]


@pytest.fixture(scope="module")
def clf(make_transfer, large):
    """Return a classifier of cells of 24 px. Shared: do not fit it again."""
    return make_transfer(precision="float32", max_epochs=4, lr=5e-3).fit(*large)


class TestReconfigure:
    @pytest.mark.parametrize("n_views", [1, 2, 4, np.int64(8)])
    def test_dihedral_views_average_the_logits(self, clf, large, n_views):
        X, before = large[0], clf.decision_function(large[0])
        model = reconfigure(clf, dihedral_views=n_views)
        expected = np.mean([clf.decision_function(v) for v in turned(X)[:n_views]], axis=0)
        assert_allclose(model.decision_function(X), expected, atol=1e-5)
        assert model.spec_.dihedral_views == n_views
        assert clf.spec_.dihedral_views == clf.net_.module_.dihedral_views == 1
        assert_array_equal(clf.decision_function(X), before)
        if n_views == 8:  # how a cell lies does not count any more
            for view in turned(X[:8]):
                assert_allclose(model.decision_function(view), expected[:8], atol=1e-5)

    def test_view_crops_average_the_logits(self, clf, large):
        X = large[0]
        model = reconfigure(clf, view_crops=(1, np.float32(0.5)))
        assert model.spec_.view_crops == (1.0, 0.5)
        halves = [reconfigure(clf, view_crops=[each]).decision_function(X) for each in (1, 0.5)]
        assert_allclose(halves[0], clf.decision_function(X), atol=1e-6)
        assert np.abs(halves[1] - halves[0]).max() > 0.01
        assert_allclose(model.decision_function(X), np.mean(halves, axis=0), atol=1e-5)
        # The center, enlarged by a reader of files, is nearly the same picture.
        enlarged = reconfigure(clf, crop=0.5).decision_function(X)
        assert np.abs(enlarged - halves[1]).mean() < 0.3 * np.abs(halves[1] - halves[0]).mean()
        again = reconfigure(model, dihedral_views=2)
        assert again.spec_.view_crops == (1.0, 0.5)

    @pytest.mark.parametrize(("crop", "by_hand"), [(0.5, half), (1.25, wider)])
    def test_crop(self, make_mlp, clf, large, crop, by_hand):
        X, y = large
        sized = make_mlp(image_size=16).fit(X, y)
        model = reconfigure(sized, crop=crop)
        assert_array_equal(model.predict_proba(X), sized.predict_proba(by_hand(X)))
        again = reconfigure(model, crop=1.0)
        assert_array_equal(again.predict_proba(X), sized.predict_proba(X))
        # Without an image size, the network goes on at the size that it was fitted at.
        model = reconfigure(clf, crop=crop)
        assert (model.spec_.crop, model.spec_.image_size) == (crop, (24, 24))
        assert model.predict(X).shape == (48,)
        with pytest.raises(ValueError, match="another preprocessing"):
            model.predict(clf.read_images(X))

    def test_precision_and_device(self, clf, make_embedder, large):
        low = reconfigure(clf, precision="bfloat16", device="cpu")
        assert not np.array_equal(low.predict_proba(large[0]), clf.predict_proba(large[0]))
        assert_allclose(low.predict_proba(large[0]), clf.predict_proba(large[0]), atol=0.1)
        assert low.device_ == "cpu"
        embedder = make_embedder().fit(large[0])
        assert reconfigure(embedder, precision="float32").transform(large[0]).shape == (48, 48)

    def test_is_an_estimator_of_its_own(self, clf, large):
        X, y = large
        before = clf.predict_proba(X)
        model = reconfigure(clf, dihedral_views=2)
        assert model.get_params() == clf.get_params()
        assert model.training_data_ == clf.training_data_
        again = copy.deepcopy(model)
        assert_array_equal(again.predict_proba(X), model.predict_proba(X))
        model.partial_fit(X, y)
        assert model.spec_.dihedral_views == 2
        assert_array_equal(clf.predict_proba(X), before)
        model.set_params(warm_start=True).fit(X, y)
        assert model.spec_.dihedral_views == model.net_.module_.dihedral_views == 2

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"dihedral_views": 3}, "'dihedral_views' parameter"),
            ({"crop": 5}, "'crop' parameter"),
            ({"view_crops": 0.8}, r"view_crops=0.8 must be at most 10 shares"),
            ({"view_crops": ()}, r"view_crops=\(\) must be"),
            ({"view_crops": (1, 1.2)}, "of 0.2 to 1"),
            ({"view_crops": [np.nan]}, "of 0.2 to 1"),
            ({"view_crops": ["1"]}, "of 0.2 to 1"),
            ({"precision": "float16"}, "'precision' parameter"),
            ({"device": "tpu"}, "is not available"),
        ],
    )
    def test_bad_settings(self, clf, settings, message):
        with pytest.raises(ValueError, match=message):
            reconfigure(clf, **settings)

    def test_unsuitable_models(self, make_transfer, make_mlp, large, rng):
        X, y = large
        oblong = make_transfer(max_epochs=1).fit(X[:, :, :20], y)
        with pytest.raises(ValueError, match="but the images have 24 x 20 px"):
            reconfigure(oblong, dihedral_views=8)
        assert reconfigure(oblong, dihedral_views=4).predict(X[:2, :, :20]).size == 2
        frozen = make_transfer(trainable="head", max_epochs=1).fit(X, y)
        with pytest.raises(ValueError, match="dihedral_views and view_crops need images"):
            reconfigure(frozen, dihedral_views=2)
        numbers = make_mlp(image_shape=(1, -1, 1)).fit(rng.normal(size=(48, 12)), y)
        with pytest.raises(ValueError, match="rows of numbers, which cannot be cropped"):
            reconfigure(numbers, crop=0.5)
        for settings in ({"dihedral_views": 2}, {"view_crops": (1, 0.8)}):
            with pytest.raises(ValueError, match="rows of numbers"):
                reconfigure(numbers, **settings)
        with pytest.raises(TypeError, match="not a str"):
            reconfigure("model", crop=0.5)


@pytest.mark.parametrize("kind", ["transfer", "mlp", "embedder"])
def test_attach_network(request, small, output, kind):
    make, (X, y) = request.getfixturevalue(f"make_{kind}"), small
    fitted = make().fit(X, y)
    network = build_network(fitted.spec_)
    network.load_state_dict(fitted.predictor_.network.state_dict())
    names = [
        n
        for n in ("classes_", "history_", "training_data_", "n_features_in_")
        if hasattr(fitted, n)
    ]
    attributes = {name: getattr(fitted, name) for name in names if hasattr(fitted, name)}
    bare = make(max_epochs=1) if kind != "embedder" else make()
    model = attach_network(bare, fitted.spec_, network, device="cpu", **attributes)
    assert model is bare
    assert_allclose(output(model, X), output(fitted, X), atol=1e-6)
    assert (model.image_shape_, model.device_) == ((16, 16, 3), "cpu")
    if kind == "embedder":
        assert len(model.get_feature_names_out()) == 48
    else:
        assert model.net_.module_ is network
        assert model.partial_fit(X, y).n_iter_ == len(fitted.history_) + 1


def test_replace_network(make_transfer, small):
    fitted = make_transfer().fit(*small)
    network = copy.deepcopy(fitted.net_.module_)
    network.head[-1].bias.data[1] += 50
    model = replace_network(fitted, fitted.spec_, network)
    assert type(model) is TransferCellClassifier
    assert set(model.predict(small[0])) == {"neutrophil"}
    assert set(fitted.predict(small[0])) != {"neutrophil"}
    assert vars(model).keys() == vars(fitted).keys()
    assert model.training_data_ is not fitted.training_data_


@pytest.mark.parametrize("there", ["cuda", "cuda:1", "mps"])
@pytest.mark.parametrize("embedder", [True, False])
def test_a_pickle_of_another_machine(make_embedder, clf, large, output, there, embedder):
    """What a GPU has fitted predicts on a machine without one."""
    model = make_embedder().fit(large[0]) if embedder else copy.deepcopy(clf)
    expected, here = output(model, large[0]), resolve_device("auto")
    model.predictor_.device, model.device = torch.device(there), "auto"
    if not embedder:
        model.net_.device = there
    again = pickle.loads(pickle.dumps(model))
    if here.type == "cpu":
        assert again.predictor_.device == here
        assert embedder or again.net_.device == "cpu"
        assert_array_equal(output(again, large[0]), expected)
