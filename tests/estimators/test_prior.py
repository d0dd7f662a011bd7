"""The classes that can occur, and their shares."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

import skblood
from skblood import reconfigure
from skblood.datasets import make_blood_cells
from skblood.estimators import describe_prior, training_shares

TWO = ["neutrophil", "lymphocyte"]
PRIOR = {"lymphocyte": 20, "neutrophil": 70, "platelet": 10}


@pytest.fixture(scope="module")
def uneven():
    """(X, y): three classes with 60, 30 and 10 cells of 16 px."""
    weights = {"lymphocyte": 6, "neutrophil": 3, "platelet": 1}
    return make_blood_cells(100, image_size=16, class_weights=weights, noise=4, random_state=0)


@pytest.fixture(scope="module")
def clf(make, uneven):
    """Return a classifier that confuses the classes. Shared: do not fit it again."""
    return make(max_epochs=1).fit(*uneven)


def expected_proba(model, X, shares, training):
    """Bayes: multiply by the shares, divide by those of the training."""
    product = model.predict_proba(X) * np.array(shares) / np.array(training)
    return product / product.sum(axis=1, keepdims=True)


class TestClasses:
    def test_others_get_probability_0(self, clf, uneven):
        X, y = uneven
        model = reconfigure(clf, classes=TWO)
        before, proba = clf.predict_proba(X), model.predict_proba(X)
        assert_array_equal(model.classes_, clf.classes_)
        assert_array_equal(proba[:, 2], 0)
        assert_allclose(proba[:, :2], before[:, :2] / before[:, :2].sum(1, keepdims=True))
        assert set(model.predict(X)) <= set(TWO)
        assert_array_equal(model.predict(X), model.classes_[proba.argmax(1)])
        values = model.decision_function(X)
        assert np.isfinite(values).all()
        assert_allclose(values[:, :2], clf.decision_function(X)[:, :2])
        assert model.score(X, y) == np.mean(model.predict(X) == y)
        assert clf.spec_.class_factors is None  # the given model is as it was

    def test_temperature_scaling(self, clf, uneven):
        X, y = uneven
        values = reconfigure(clf, classes=TWO).decision_function(X)
        assert_array_equal(softmax(values / 10, axis=1)[:, 2], 0)
        model = FrozenEstimator(reconfigure(clf, prior=PRIOR))
        scaled = CalibratedClassifierCV(model, method="temperature").fit(X, y)
        assert_array_equal(scaled.predict(X), model.predict(X))

    def test_all_lifts_the_restriction(self, clf, uneven):
        model = reconfigure(reconfigure(clf, classes=TWO), classes="all")
        assert model.spec_ == clf.spec_
        assert_array_equal(model.predict_proba(uneven[0]), clf.predict_proba(uneven[0]))

    def test_two_classes(self, make_mlp, skewed):
        X, y = skewed
        clf = make_mlp().fit(X, y)
        model = reconfigure(clf, prior=[1, 3])
        shift = np.log(3) - np.diff(np.log(training_shares(clf)))
        assert_allclose(model.decision_function(X), clf.decision_function(X) + shift)


class TestPrior:
    @pytest.mark.parametrize(
        "prior",
        [
            PRIOR,
            {"platelet": 0.1, "neutrophil": 0.7, "lymphocyte": 0.2},
            pd.Series(PRIOR),
            [0.2, 0.7, 0.1],
        ],
    )
    def test_replaces_the_shares_of_the_training(self, clf, uneven, prior):
        X, _ = uneven
        model = reconfigure(clf, prior=prior)
        expected = expected_proba(clf, X, [0.2, 0.7, 0.1], [0.6, 0.3, 0.1])
        assert_allclose(model.predict_proba(X), expected)

    def test_shares_of_the_training_change_nothing(self, clf, uneven):
        X, _ = uneven
        for prior in ([60, 30, 10], "training"):
            model = reconfigure(clf, prior=prior)
            assert_allclose(model.predict_proba(X), clf.predict_proba(X))

    def test_equal(self, clf, uneven):
        X, _ = uneven
        model = reconfigure(clf, prior="equal")
        assert_allclose(model.predict_proba(X), expected_proba(clf, X, [1, 1, 1], [6, 3, 1]))
        model = reconfigure(clf, prior="equal", classes=TWO)
        assert_allclose(model.predict_proba(X), expected_proba(clf, X, [1, 1, 0], [6, 3, 1]))

    @pytest.mark.parametrize(
        ("class_weight", "training"),
        [
            ("balanced", [1, 1, 1]),
            ({"platelet": 9, "lymphocyte": 0.5}, [30, 30, 90]),
        ],
    )
    def test_class_weight(self, make_mlp, uneven, class_weight, training):
        X, y = uneven
        clf = make_mlp(class_weight=class_weight).fit(X, y)
        assert_allclose(training_shares(clf), np.array(training) / np.sum(training))
        clf.set_params(class_weight=None)  # of the next fit
        expected = expected_proba(clf, X, [0.2, 0.7, 0.1], training)
        assert_allclose(reconfigure(clf, prior=PRIOR).predict_proba(X), expected)

    def test_adapted(self, make_transfer, large):
        X, y = large
        adapted = skblood.adapt(make_transfer().fit(X, y), X[:3], y[:3], random_state=0)
        adapted.training_data_["class_weights"] = PRIOR
        expected = [1 / 3] * 3 if "output" in adapted.adaptation_.steps else [0.2, 0.7, 0.1]
        assert_allclose(training_shares(adapted), expected)

    @pytest.mark.parametrize("scale", [1, 1e-3])
    @pytest.mark.parametrize("in_parts", [False, True])
    def test_sample_weight(self, make_mlp, uneven, tmp_path, scale, in_parts):
        X, y = uneven
        weights = scale * np.where(y == "platelet", 6.0, 1.0)
        weights[y == "lymphocyte"] *= np.arange(60) % 2
        clf = make_mlp()
        if in_parts:
            clf.partial_fit(X[::2], y[::2], np.unique(y), weights[::2])
            clf.partial_fit(X[1::2], y[1::2], sample_weight=weights[1::2])
        else:
            clf.fit(X, y, weights)
        assert_allclose(training_shares(clf), np.array([30, 30, 60]) / 120)
        again = skblood.load(skblood.save(clf, tmp_path / "m"))
        assert_allclose(training_shares(again), training_shares(clf))
        del again.training_data_["class_weights"]  # as in a file of an earlier version
        assert_allclose(training_shares(again), np.array([30, 30, 10]) / 70)

    def test_class_without_images(self, make_mlp, small):
        X, y = small
        clf = make_mlp().partial_fit(X, y, classes=[*sorted(set(y)), "zebra"])
        model = reconfigure(clf, prior=[1, 1, 1, 0.1])
        assert np.isfinite(model.predict_proba(X)).all()

    def test_blood(self, clf, uneven):
        X, _ = uneven
        expected = expected_proba(clf, X, [0.30, 0.48, 0.01], [0.6, 0.3, 0.1])
        assert_allclose(reconfigure(clf, prior="blood").predict_proba(X), expected)

    def test_blood_needs_names_that_it_knows(self, make_mlp, uneven):
        X, y = uneven
        names = {"lymphocyte": "Lymphocyte", "neutrophil": "blast"}
        clf = make_mlp().fit(X, [names.get(label, label) for label in y])
        with pytest.raises(ValueError, match="no share of 'blast'"):
            reconfigure(clf, prior="blood")
        model = reconfigure(clf, prior="blood", classes=["Lymphocyte", "platelet"])
        factors = dict(zip(model.classes_, model.spec_.class_factors, strict=True))
        assert factors["blast"] == 0
        assert factors["Lymphocyte"] / factors["platelet"] == pytest.approx(30 / 6)

    def test_with_classes(self, clf, uneven):
        X, _ = uneven
        model = reconfigure(clf, classes=TWO, prior=PRIOR)
        expected = expected_proba(clf, X, [0.2, 0.7, 0], [0.6, 0.3, 0.1])
        assert_allclose(model.predict_proba(X), expected)
        # A share of 0 is the same, and both are set together.
        again = reconfigure(clf, prior={**PRIOR, "platelet": 0})
        assert_allclose(again.predict_proba(X), expected)
        assert reconfigure(model, classes=TWO).spec_ == reconfigure(clf, classes=TWO).spec_

    def test_numbers_as_labels(self, make_mlp, uneven):
        X, y = uneven
        clf = make_mlp().fit(X, np.unique(y, return_inverse=True)[1])
        model = reconfigure(clf, classes=["0", 1], prior={"0": 1, 1: 3, "2": 9})
        assert_allclose(np.array(model.spec_.class_factors) * [0.6, 0.3, 0.1], [0.25, 0.75, 0])


class TestStays:
    """The setting belongs to the fitted network, whatever happens to it."""

    @pytest.fixture
    def model(self, clf):
        return reconfigure(clf, classes=TWO, prior=PRIOR)

    def test_in_copies(self, model, uneven):
        X, _ = uneven
        for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
            assert_array_equal(other.predict_proba(X), model.predict_proba(X))

    def test_with_other_settings(self, model):
        assert reconfigure(model, precision="float32").spec_.class_factors == (
            model.spec_.class_factors
        )

    def test_in_further_training(self, model, uneven):
        X, y = uneven
        kept = np.isin(y, TWO)
        model.partial_fit(X[kept], y[kept])
        assert_array_equal(model.predict_proba(X)[:, 2], 0)
        for train in (model.partial_fit, model.set_params(warm_start=True).fit):
            with pytest.raises(ValueError, match="cannot occur: 'platelet'"):
                train(X, y)
        factors = reconfigure(model, classes="all", prior=PRIOR).fit(X, y).spec_.class_factors
        assert all(factors)
        model.set_params(warm_start=False).fit(X, y)
        assert model.spec_.class_factors is None
        assert (model.predict_proba(X)[:, 2] > 0).all()

    def test_does_not_touch_the_training(self, make_mlp, uneven):
        X, y = uneven
        plain = make_mlp(warm_start=True).fit(X, y)
        model = reconfigure(plain, prior=PRIOR).fit(X, y)
        expected = reconfigure(plain.fit(X, y), prior=PRIOR)
        assert_array_equal(model.predict(X), expected.predict(X))


class TestDescription:
    def test_words(self, clf):
        assert describe_prior(clf) == describe_prior(object()) == ""
        assert describe_prior(reconfigure(clf, classes=TWO)) == (
            "Predictions are restricted to 2 of 3 classes: lymphocyte, neutrophil."
        )
        assert describe_prior(reconfigure(clf, prior=PRIOR)) == (
            "Prior (class shares that are assumed): lymphocyte 0.2, neutrophil 0.7, platelet 0.1."
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": ["neutrophil", "blast"]}, "`classes` holds 1 labels that are not among"),
        ({"classes": "neutrophil"}, "fewer than two classes"),
        ({"classes": []}, "fewer than two classes"),
        ({"prior": {**PRIOR, "blast": 1}}, "`prior` holds 1 labels that are not among"),
        ({"prior": {"neutrophil": 1, "platelet": 1}}, "no share of 'lymphocyte'"),
        ({"prior": {}}, "no share of 'lymphocyte', 'neutrophil'"),
        ({"prior": {**PRIOR, "platelet": -1}}, "shares or counts of 0 or more"),
        ({"prior": [1, 2, np.nan]}, "shares or counts of 0 or more"),
        ({"prior": [0, 0, 0]}, "fewer than two classes"),
        ({"prior": [0, 2, 0]}, "fewer than two classes"),
        ({"prior": "blod"}, 'must be "blood", "equal"'),
    ],
)
def test_bad_values(clf, settings, message):
    with pytest.raises(ValueError, match=message):
        reconfigure(clf, **settings)


def test_bad_types(clf, make_embedder, small):
    for prior in ([1, 2], 0.5):
        with pytest.raises(TypeError, match="array of 3 in the order of the classes"):
            reconfigure(clf, prior=prior)
    with pytest.raises(ValueError, match="A CellEmbedder has no classes"):
        reconfigure(make_embedder().fit(small[0]), classes=TWO)
