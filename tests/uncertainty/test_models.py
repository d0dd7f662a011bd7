"""All tools with all kinds of classifiers, and each file decoded once."""

import os
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skblood import (
    CellEmbedder,
    HybridFeatureClassifier,
    MLPCellClassifier,
    TransferCellClassifier,
)
from skblood.uncertainty import (
    AccuracyCoverageDisplay,
    OutlierDetector,
    PredictionSets,
    RejectOption,
    laboratory_test,
)


def as_rows(images):
    return images[:, ::3, ::3].reshape(len(images), -1) / np.float32(255)


QUICK = {"max_epochs": 1, "random_state": 0}
MAKERS = {
    "network": lambda: TransferCellClassifier("cellnet_t", trainable="head", **QUICK),
    "hybrid": lambda: HybridFeatureClassifier(
        ("cellnet_t", "cellnet_t"), hidden_layer_sizes=(16,), refine_epochs=1, **QUICK
    ),
    "perceptron": lambda: MLPCellClassifier((64,), **QUICK),
    "forest": lambda: make_pipeline(
        FunctionTransformer(as_rows), RandomForestClassifier(20, random_state=0)
    ),
}


@pytest.fixture(scope="module", params=MAKERS)
def classifier(request, some_cells):
    X, y = some_cells
    return MAKERS[request.param]().fit(X[:120], y[:120])


def test_any_classifier(classifier, some_cells):
    X, y = some_cells
    calibration, X, y = (X[160:320], y[160:320]), X[320:], y[320:]
    p = classifier.predict_proba(X)
    small, large = (
        PredictionSets(FrozenEstimator(classifier), confidence_level=level).fit(*calibration)
        for level in (0.6, 0.9)
    )
    assert 0.78 < large.coverage(X, y).marginal <= 1
    assert_array_equal(large.classes_, classifier.classes_)
    assert_array_equal(large.n_calibration_, [sum(calibration[1] == c) for c in large.classes_])
    small, large = small.predict_sets(X), large.predict_sets(X)
    assert (large | ~small).all() and large.sum() > small.sum()
    reject = RejectOption(classifier, criterion="coverage", target=0.6).fit(*calibration)
    labels, rejected = reject.predict(X, return_rejected=True)
    assert_array_equal(labels, classifier.classes_[p.argmax(axis=1)])
    assert_array_equal(rejected, p.max(axis=1) < reject.threshold_)
    assert labels.dtype == classifier.classes_.dtype
    display = AccuracyCoverageDisplay.from_estimator(classifier, X, y)
    assert display.accuracy[-1] == pytest.approx(classifier.score(X, y))
    again = pickle.loads(pickle.dumps(reject))
    assert_array_equal(again.accepts(X), ~rejected)


def test_outliers_and_laboratories(classifier, some_cells):
    """Of the forest the tools take the rows that it gets."""
    X, y = some_cells
    detector = clone(OutlierDetector(FrozenEstimator(classifier))).fit(X[160:400], y[160:400])
    noise = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 3), dtype=np.uint8)
    assert np.mean(detector.predict(noise) == -1) > 0.6
    assert np.mean(detector.predict(X[400:]) == 1) > 0.85
    again = pickle.loads(pickle.dumps(detector))
    assert_array_equal(again.score_samples(X[400:]), detector.score_samples(X[400:]))
    yellow = (X[320:] * np.array([1.0, 0.95, 0.75])).astype(np.uint8)
    assert laboratory_test(classifier, X[160:320], yellow, random_state=0).pvalue < 0.01


@pytest.mark.parametrize("tool", [PredictionSets, RejectOption])
def test_fit_again_and_clone(tool, given, draw):
    parameters = {"criterion": "coverage", "target": 0.5} if tool is RejectOption else {}
    first, second = draw(100, seed=1), draw(100, seed=2)
    twice = tool(given, **parameters).fit(*first).fit(*second)
    once = clone(tool(FrozenEstimator(given), **parameters)).fit(*second)
    fitted = {name: value for name, value in vars(once).items() if name.endswith("_")}
    assert len(fitted) >= 3
    for name, value in fitted.items():
        assert_array_equal(getattr(twice, name), value)


class TestFiles:
    @pytest.fixture
    def decoded(self, monkeypatch):
        """Names of the files that Pillow opens."""
        opened, open_image = [], Image.open

        def open_and_note(path, **options):
            if isinstance(path, str | os.PathLike):  # and no buffer
                opened.append(path)
            return open_image(path, **options)

        monkeypatch.setattr(Image, "open", open_and_note)
        return opened

    def calls(self, network, y):
        """Return functions of X by name, in the order in which they are to be called."""
        sets, detector = PredictionSets(network), OutlierDetector(network)
        reject = RejectOption(network, criterion="coverage", target=0.5)
        return {
            "sets": lambda X: sets.fit(X, y).thresholds_,
            "predict_sets": sets.predict_sets,
            "coverage": lambda X: sets.coverage(X, y).per_class,
            "reject": lambda X: reject.fit(X, y).threshold_,
            "accepts": reject.accepts,
            "outliers": lambda X: detector.fit(X, y).offset_,
            "score_samples": detector.score_samples,
            "curve": lambda X: AccuracyCoverageDisplay.from_estimator(network, X, y).accuracy,
        }

    def test_each_is_decoded_once(self, network, some_cells, paths, decoded):
        images, y = some_cells[0][160:240], some_cells[1][160:240]
        from_images = self.calls(network, y)
        for name, call in self.calls(network, y).items():
            result = call(paths)
            assert sorted(decoded) == sorted(paths), name
            decoded.clear()
            assert_array_equal(result, from_images[name](images))
            assert_array_equal(result, call(network.read_images(images)))

    @pytest.mark.parametrize("kind", ["classifier", "pipeline", "embedder"])
    def test_laboratory_test_decodes_once(self, network, some_cells, paths, decoded, kind):
        model = network
        if kind == "pipeline":
            model = make_pipeline(FrozenEstimator(network))
        elif kind == "embedder":
            X, y = some_cells
            embedder = CellEmbedder("cellnet_t", random_state=0).fit(X[:100])
            model = make_pipeline(embedder, RandomForestClassifier(5, random_state=0)).fit(X, y)
        new = some_cells[0][240:320]
        result = laboratory_test(model, paths, new, random_state=0)
        assert sorted(decoded) == sorted(paths)
        assert result == laboratory_test(model, some_cells[0][160:240], new, random_state=0)
