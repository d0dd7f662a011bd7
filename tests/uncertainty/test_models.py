"""All tools on all kinds of classifiers: what each of them must do whatever it is asked about."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from torch import nn

from skblood import HybridFeatureClassifier, MLPCellClassifier, TransferCellClassifier
from skblood._sklearn import unwrap_model
from skblood.uncertainty import (
    AccuracyCoverageDisplay,
    OutlierDetector,
    PredictionSets,
    RejectOption,
    laboratory_test,
)
from skblood.uncertainty._features import (
    _pool,
    _stage_modules,
    extract_features,
    takes_pixels,
)


def as_rows(images):
    return images.reshape(len(images), -1) / np.float32(255)


def forest():
    return make_pipeline(FunctionTransformer(as_rows), RandomForestClassifier(20, random_state=0))


def search():
    pipeline = make_pipeline(
        FunctionTransformer(as_rows), StandardScaler(), LogisticRegression(max_iter=200)
    )
    return GridSearchCV(pipeline, {"logisticregression__C": [1e-3, 1e-2]}, cv=2)


QUICK = {"max_epochs": 1, "random_state": 0}
MAKERS = {
    "transfer": lambda: TransferCellClassifier("cellnet_t", **QUICK),
    "head alone": lambda: TransferCellClassifier("cellnet_t", trainable="head", **QUICK),
    "hybrid": lambda: HybridFeatureClassifier(
        ("cellnet_t", "cellnet_t"), hidden_layer_sizes=(16,), refine_epochs=1, **QUICK
    ),
    "perceptron": lambda: MLPCellClassifier((16,), **QUICK),
    "forest": forest,
    "search": search,
}
NETWORKS = ("transfer", "head alone", "hybrid", "perceptron")
_FITTED = {}


@pytest.fixture(params=MAKERS)
def classifier(request, some_cells):
    return fitted(request.param, some_cells)


@pytest.fixture(params=NETWORKS)
def one_of_ours(request, some_cells):
    return fitted(request.param, some_cells)


def fitted(name, some_cells):
    if name not in _FITTED:
        X, y = some_cells
        _FITTED[name] = MAKERS[name]().fit(X[:120], y[:120])
    return _FITTED[name]


class TestAnyClassifier:
    def test_sets_hold_the_label(self, classifier, some_cells):
        X, y = some_cells
        sets = PredictionSets(classifier).fit(X[160:320], y[160:320])
        found = sets.coverage(X[320:], y[320:])
        assert 0.78 < found.marginal <= 1
        assert_array_equal(sets.classes_, classifier.classes_)
        assert_array_equal(sets.n_calibration_, [sum(y[160:320] == c) for c in sets.classes_])

    def test_a_higher_level_gives_larger_sets(self, classifier, some_cells):
        X, y = some_cells
        small, large = (
            PredictionSets(classifier, confidence_level=level)
            .fit(X[160:320], y[160:320])
            .predict_sets(X[320:])
            for level in (0.6, 0.95)
        )
        assert (large | ~small).all()  # the small ones are parts of the large ones
        assert large.sum() > small.sum()

    def test_the_reject_option_keeps_the_labels(self, classifier, some_cells):
        X, y = some_cells
        reject = RejectOption(classifier, criterion="coverage", target=0.6)
        labels, rejected = reject.fit(X[160:320], y[160:320]).predict(X[320:], True)
        p = classifier.predict_proba(X[320:])
        assert_array_equal(labels, classifier.classes_[p.argmax(axis=1)])
        assert_array_equal(rejected, p.max(axis=1) < reject.threshold_)
        assert labels.dtype == classifier.classes_.dtype

    def test_the_curve_ends_at_the_accuracy(self, classifier, some_cells):
        pyplot = pytest.importorskip("matplotlib.pyplot")
        X, y = some_cells[0][320:], some_cells[1][320:]
        display = AccuracyCoverageDisplay.from_estimator(classifier, X, y)
        assert display.accuracy[-1] == pytest.approx(classifier.score(X, y))
        pyplot.close("all")

    def test_they_can_be_pickled(self, classifier, some_cells):
        if isinstance(classifier, GridSearchCV):
            classifier = classifier.best_estimator_
        X, y = some_cells
        tools = [
            PredictionSets(classifier).fit(X[160:320], y[160:320]),
            RejectOption(classifier, criterion="coverage", target=0.5).fit(X[160:], y[160:]),
        ]
        sets, reject = pickle.loads(pickle.dumps(tools))
        assert_array_equal(sets.predict_sets(X[320:]), tools[0].predict_sets(X[320:]))
        assert_array_equal(reject.accepts(X[320:]), tools[1].accepts(X[320:]))

    @pytest.mark.parametrize("tool", [PredictionSets, RejectOption])
    def test_a_second_fit_forgets_the_first(self, tool, given, draw):
        parameters = {"criterion": "coverage", "target": 0.5} if tool is RejectOption else {}
        first, second = draw(100, seed=1), draw(100, seed=2)
        twice = tool(given, **parameters).fit(*first).fit(*second)
        once = tool(given, **parameters).fit(*second)
        fitted = {name: value for name, value in vars(once).items() if name.endswith("_")}
        assert fitted
        for name, value in fitted.items():
            assert_array_equal(getattr(twice, name), value)


class TestOurNetworks:
    def test_outliers(self, one_of_ours, some_cells):
        X, y = some_cells
        detector = OutlierDetector(one_of_ours).fit(X[160:400], y[160:400])
        noise = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 3), dtype=np.uint8)
        assert np.mean(detector.predict(noise) == -1) >= 0.8
        assert np.mean(detector.predict(X[400:]) == 1) > 0.85

    def test_the_order_of_images_is_nothing(self, one_of_ours, some_cells):
        X, _ = some_cells
        levels = extract_features(one_of_ours, X[:40])
        for level, other in zip(levels, extract_features(one_of_ours, X[:40][::-1]), strict=True):
            assert_array_equal(level, other[::-1])

    def test_forms_of_X(self, one_of_ours, some_cells):
        X = some_cells[0][:20]
        stack = extract_features(one_of_ours, X)
        for form in (list(X), X.reshape(20, -1)):
            for level, other in zip(stack, extract_features(one_of_ours, form), strict=True):
                assert_array_equal(level, other)

    def test_another_laboratory(self, one_of_ours, some_cells):
        X, _ = some_cells
        yellow = (X[320:] * np.array([1.0, 0.95, 0.75])).astype(np.uint8)
        assert laboratory_test(one_of_ours, X[160:320], yellow, random_state=0).pvalue < 0.01

    def test_the_features_are_finite_and_vary(self, one_of_ours, some_cells):
        levels = extract_features(one_of_ours, some_cells[0][:40])
        for level in levels:
            assert np.isfinite(level).all()
            assert level.std(axis=0).max() > 0

    def test_pixels_or_not(self, one_of_ours):
        assert takes_pixels(one_of_ours)
        assert not takes_pixels(LogisticRegression())

    def test_pickled_detector(self, one_of_ours, some_cells):
        X, y = some_cells
        detector = OutlierDetector(one_of_ours).fit(X[160:300], y[160:300])
        again = pickle.loads(pickle.dumps(detector))
        assert_array_equal(again.score_samples(X[400:]), detector.score_samples(X[400:]))

    def test_a_frozen_network_survives_a_clone(self, one_of_ours, some_cells):
        X, y = some_cells
        detector = clone(OutlierDetector(FrozenEstimator(one_of_ours)))
        assert detector.fit(X[160:260], y[160:260]).predict(X[400:]).shape == (80,)


class TestWhereFeaturesComeFrom:
    def test_the_steps_before_the_last_are_run(self, some_cells):
        X, _ = some_cells
        pipeline = make_pipeline(FunctionTransformer(as_rows), StandardScaler(), forest()[-1])
        pipeline.fit(X[:50], some_cells[1][:50])
        model, given = unwrap_model(pipeline, X[:10])
        assert model is pipeline[-1]
        assert_allclose(given, pipeline[:-1].transform(X[:10]))
        (level,) = extract_features(model, given)
        assert_allclose(level, given)

    def test_a_pipeline_of_one_step(self, network, some_cells):
        model, given = unwrap_model(make_pipeline(network), some_cells[0])
        assert model is network and given is some_cells[0]

    def test_what_is_frozen_in_a_pipeline(self, network, some_cells):
        pipeline = make_pipeline(FunctionTransformer(), FrozenEstimator(network))
        assert unwrap_model(pipeline, some_cells[0])[0] is network

    def test_no_table(self):
        with pytest.raises(ValueError):
            OutlierDetector().fit([["a", "b"], ["c", "d"]])

    @pytest.mark.parametrize(
        "shape, layout, expected",
        [
            ((2, 5, 3, 4), "NCHW", 10),
            ((2, 3, 4, 5), "NHWC", 10),
            ((2, 7, 5), "NCHW", 10),  # tokens of a transformer
        ],
    )
    def test_each_channel_has_its_mean_and_spread(self, shape, layout, expected):
        pooled, x = {}, torch.randn(shape)
        pooled["here"] = _pool(x, layout)
        assert pooled["here"].shape == (2, expected)
        channels = x.movedim(1, -1) if len(shape) == 4 and layout == "NCHW" else x
        flat = channels.reshape(2, -1, 5)
        assert_allclose(pooled["here"][:, :5], flat.mean(1), rtol=1e-5, atol=1e-6)
        assert_allclose(pooled["here"][:, 5:], flat.std(1, correction=0), rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("output", [torch.zeros(2, 3), (torch.zeros(2, 3, 4, 4),), None])
    def test_what_is_no_map_is_left_out(self, output):
        pooled = {}
        _Pool(pooled, "here", "NCHW")(None, None, output)
        assert not pooled

    def test_stages_are_found_by_what_their_parameters_share(self):
        class Backbone:
            body = nn.Sequential(
                nn.Conv2d(3, 4, 1), nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
            )
            stages = [
                ["0.weight", "0.bias"],
                ["1.0.weight", "1.1.weight"],
                ["0.weight", "1.1.bias"],  # nothing but the whole
            ]

        found = dict(_stage_modules(Backbone))
        assert list(found) == ["0", "1"]
        assert found["1"] is Backbone.body[1]
