"""The reject option: what is promised, kept, and refused to be promised."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import binomtest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from skblood.uncertainty import RejectOption
from skblood.uncertainty._reject import _lower_bound


class TestCoverage:
    def test_as_many_are_accepted_as_was_asked_for(self, given, draw):
        X, y = draw(400)
        reject = RejectOption(given, criterion="coverage", target=0.7).fit(X, y)
        assert reject.coverage_ == 0.7
        confidence = X.max(axis=1)
        accepted = reject.accepts(X)
        assert accepted.mean() == 0.7
        assert confidence[accepted].min() == reject.threshold_ > confidence[~accepted].max()
        right = given.predict(X) == y
        assert reject.accuracy_ == right[accepted].mean() > right.mean()

    def test_cells_of_one_confidence_are_accepted_together(self, given):
        X = np.repeat([[0.8, 0.1, 0.1], [0.6, 0.2, 0.2]], 5, axis=0)
        reject = RejectOption(given, criterion="coverage", target=0.3).fit(X, ["a"] * 10)
        assert (reject.coverage_, reject.threshold_) == (0.5, 0.8)


class TestAccuracy:
    def test_the_promise_is_kept(self, given, draw):
        """Over many validation sets it is broken no more often than was said."""
        X_all, y_all = draw(100_000, seed=1, alpha=0.1)
        sure, right = X_all.max(axis=1), given.predict(X_all) == y_all
        broken = 0
        for seed in range(100):
            X, y = draw(800, seed=seed + 10, alpha=0.1)
            reject = RejectOption(given, target=0.95, confidence_level=0.9).fit(X, y)
            broken += right[sure >= reject.threshold_].mean() < 0.95
        assert broken <= 16  # 10 are allowed; of more than 16 the probability is 2 %

    def test_more_cells_reject_fewer(self, given, draw):
        fits = [
            RejectOption(given, target=0.95).fit(*draw(n, seed=3, alpha=0.1)) for n in (800, 40_000)
        ]
        assert fits[0].coverage_ < fits[1].coverage_
        assert all(reject.accuracy_ >= 0.95 for reject in fits)

    def test_where_all_are_right_all_are_accepted(self, given):
        reject = RejectOption(given, target=0.99).fit(
            np.tile(np.eye(3), (300, 1)), ["a", "b", "c"] * 300
        )
        assert (reject.coverage_, reject.accuracy_) == (1.0, 1.0)

    def test_too_few_cells_are_said(self, given, draw):
        with pytest.raises(ValueError, match=r"at least \d+ accepted cells without an error"):
            RejectOption(given, target=0.999).fit(*draw(300))

    def test_the_cells_it_says_it_takes_are_enough(self, given):
        """For 0.9 of 64 cells at 95 %: log(0.05 / 7) / log(0.9)."""
        X, y = np.tile([[0.8, 0.1, 0.1]], (64, 1)), ["a"] * 64
        assert RejectOption(given, target=0.9).fit(X, y).coverage_ == 1
        with pytest.raises(ValueError, match="at least 46 accepted"):
            RejectOption(given, target=0.9).fit(X[:45], y[:45])

    @pytest.mark.parametrize("n_right, n", [(0, 10), (3, 10), (97, 100), (100, 100)])
    def test_the_bound_is_that_of_clopper_and_pearson(self, n_right, n):
        exact = binomtest(n_right, n, alternative="greater").proportion_ci(0.95, "exact").low
        assert _lower_bound(n_right, n, 0.05) == pytest.approx(exact)


class TestConfidence:
    def test_the_threshold_is_given(self, given, draw):
        X, y = draw(200)
        reject = RejectOption(given, criterion="confidence", target=0.75).fit(X, y)
        assert reject.threshold_ == 0.75
        assert_array_equal(reject.accepts(X), X.max(axis=1) >= 0.75)

    def test_nothing_may_be_accepted(self, given):
        X = np.full((10, 3), 1 / 3)
        reject = RejectOption(given, criterion="confidence", target=0.9).fit(X, ["a"] * 10)
        assert reject.coverage_ == 0
        assert np.isnan(reject.accuracy_)


class TestPrediction:
    def test_a_rejected_cell_keeps_its_label_beside_the_mark(self, given, draw):
        X, y = draw(200)
        reject = RejectOption(given, criterion="coverage", target=0.5).fit(X, y)
        labels, rejected = reject.predict(X, return_rejected=True)
        assert rejected.dtype == bool and rejected.mean() == 0.5
        assert_array_equal(labels, given.predict(X))
        assert_array_equal(reject.predict(X), labels)
        assert_array_equal(reject.accepts(X), ~rejected)

    def test_numbers_stay_numbers(self, make_given, draw):
        X, y = draw(100, classes=(10, 20, 30))
        reject = RejectOption(make_given((10, 20, 30)).fit(), criterion="coverage", target=0.5)
        assert reject.fit(X, y).predict(X).dtype == y.dtype

    def test_images_and_files(self, network, some_cells, paths):
        X, y = some_cells
        reject = RejectOption(network, criterion="coverage", target=0.8).fit(X[240:], y[240:])
        from_files = reject.predict(paths, return_rejected=True)
        for ours, theirs in zip(from_files, reject.predict(X[160:240], True), strict=True):
            assert_array_equal(ours, theirs)
        assert_array_equal(from_files[0], network.predict(paths))

    def test_the_rejected_are_wrong_more_often(self, network, some_cells):
        X, y = some_cells
        reject = RejectOption(network, criterion="coverage", target=0.7).fit(X[160:320], y[160:320])
        labels, rejected = reject.predict(X[320:], return_rejected=True)
        right = labels == y[320:]
        assert right[~rejected].mean() > right[rejected].mean()


class TestInput:
    def test_no_probabilities(self, draw):
        with pytest.raises(TypeError, match="LinearSVC has no predict_proba"):
            RejectOption(LinearSVC()).fit(*draw(20))

    @pytest.mark.parametrize("name, value", [("criterion", "f1"), ("target", 1.0), ("target", 0.0)])
    def test_parameters(self, given, draw, name, value):
        with pytest.raises(ValueError, match=f"'{name}'"):
            RejectOption(given, **{name: value}).fit(*draw(20))

    def test_a_frozen_classifier_survives_a_clone(self, draw):
        X, y = draw(100)
        clf = FrozenEstimator(LogisticRegression().fit(X, y))
        reject = clone(RejectOption(clf, criterion="coverage", target=0.5)).fit(X, y)
        assert_array_equal(reject.predict(X), clf.predict(X))
