"""Reject option: the guarantee, and its limits."""

import re

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.stats import binomtest
from sklearn.svm import LinearSVC

from skblood.uncertainty import RejectOption
from skblood.uncertainty._reject import _lower_bounds


class TestCoverage:
    def test_share_of_accepted_cells(self, given, draw):
        X, y = draw(400)
        reject = RejectOption(given, criterion="coverage", target=0.7).fit(X, y)
        confidence, accepted = X.max(axis=1), reject.accepts(X)
        assert reject.coverage_ == accepted.mean() == 0.7
        assert confidence[accepted].min() == reject.threshold_ > confidence[~accepted].max()
        correct = given.predict(X) == y
        assert reject.accuracy_ == correct[accepted].mean() > correct.mean()
        labels, rejected = reject.predict(X, return_rejected=True)
        assert_array_equal(rejected, ~accepted)
        assert_array_equal(labels, given.predict(X))
        assert_array_equal(reject.predict(X), labels)

    def test_cells_of_equal_confidence_are_accepted_together(self, given):
        X = np.repeat([[0.8, 0.1, 0.1], [0.6, 0.2, 0.2]], 5, axis=0)
        reject = RejectOption(given, criterion="coverage", target=0.3).fit(X, ["a"] * 10)
        assert (reject.coverage_, reject.threshold_) == (0.5, 0.8)


class TestAccuracy:
    def test_the_guarantee_holds(self, given, draw):
        """Over many validation sets it fails no more often than stated."""
        X_all, y_all = draw(100_000, seed=1, alpha=0.1)
        confidence, correct = X_all.max(axis=1), given.predict(X_all) == y_all
        failed = 0
        for seed in range(100):
            X, y = draw(800, seed=seed + 10, alpha=0.1)
            reject = RejectOption(given, target=0.95, confidence_level=0.9).fit(X, y)
            failed += correct[confidence >= reject.threshold_].mean() < 0.95
        assert failed <= 16  # 10 are allowed; more than 16 have a probability of 2 %

    def test_more_validation_cells_reject_fewer(self, given, draw):
        fits = [
            RejectOption(given, target=0.95).fit(*draw(n, seed=3, alpha=0.1)) for n in (800, 40_000)
        ]
        assert fits[0].coverage_ < fits[1].coverage_
        assert all(reject.accuracy_ >= 0.95 for reject in fits)

    def test_number_of_validation_cells_required(self, given, draw):
        """For 0.9 with 64 cells at 95 %: log(0.05 / 7) / log(0.9)."""
        X, y = np.tile([[0.8, 0.1, 0.1]], (64, 1)), ["a"] * 64
        reject = RejectOption(given, target=0.9).fit(X, y)
        assert (reject.coverage_, reject.accuracy_) == (1, 1)
        with pytest.raises(ValueError, match=r"takes 46 accepted cells .* there are 45"):
            RejectOption(given, target=0.9).fit(X[:45], y[:45])
        with pytest.raises(ValueError, match="No threshold guarantees an accuracy"):
            RejectOption(given, target=0.999).fit(*draw(300))

    @pytest.mark.parametrize(("target", "n"), [(0.9, 46), (0.95, 97), (0.99, 528)])
    def test_as_many_cells_are_enough_as_the_error_names(self, given, target, n):
        """As the Notes, the README and the guide say."""
        X, y = np.tile([[0.8, 0.1, 0.1]], (n, 1)), ["a"] * n
        assert RejectOption(given, target=target).fit(X, y).coverage_ == 1
        with pytest.raises(ValueError, match=f"takes {n} accepted cells"):
            RejectOption(given, target=target).fit(X[1:], y[1:])

    @pytest.mark.parametrize("n", [1, 10, 80, 300])
    def test_highest_target_that_is_reached(self, given, draw, n):
        X, y = draw(n, seed=4, alpha=0.1)
        message = r"reach a target of ([\d.]+)\."
        with pytest.raises(ValueError, match=message) as raised:
            RejectOption(given, target=0.9999).fit(X, y)
        target = float(re.search(message, str(raised.value))[1])
        assert (target > 0.9) == (n == 300)
        if target:
            assert RejectOption(given, target=target).fit(X, y).accuracy_ >= target
            with pytest.raises(ValueError, match=f"reach a target of {target:g}"):
                RejectOption(given, target=min(target + 2e-3, 0.999)).fit(X, y)

    @pytest.mark.parametrize("n_correct, n", [(0, 10), (3, 10), (100, 100)])
    def test_bound_of_clopper_and_pearson(self, n_correct, n):
        exact = binomtest(n_correct, n, alternative="greater").proportion_ci(0.95, "exact").low
        assert _lower_bounds(n_correct, n, 0.05) == pytest.approx(exact)


def test_given_threshold(given, draw):
    X, y = draw(200)
    reject = RejectOption(given, criterion="confidence", target=0.75).fit(X, y)
    assert reject.threshold_ == 0.75
    assert_array_equal(reject.accepts(X), X.max(axis=1) >= 0.75)
    reject.fit(np.full((10, 3), 1 / 3), ["a"] * 10)
    assert reject.coverage_ == 0
    assert np.isnan(reject.accuracy_)


def test_errors(draw, given):
    with pytest.raises(TypeError, match="LinearSVC has no predict_proba"):
        RejectOption(LinearSVC()).fit(*draw(20))
    for name, value in [("criterion", "f1"), ("target", 1.0), ("confidence_level", 0.0)]:
        with pytest.raises(ValueError, match=f"'{name}'"):
            RejectOption(given, **{name: value}).fit(*draw(20))


def test_rejected_cells_are_wrong_more_often(network, some_cells):
    X, y = some_cells
    reject = RejectOption(network, criterion="coverage", target=0.7).fit(X[160:320], y[160:320])
    labels, rejected = reject.predict(X[320:], return_rejected=True)
    correct = labels == y[320:]
    assert correct[~rejected].mean() > correct[rejected].mean()
