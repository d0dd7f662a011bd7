"""Confidence intervals: equal to other implementations, and they cover the true values."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from skblood.evaluation import EvaluationReport
from skblood.evaluation._intervals import bootstrap_intervals, f1_interval, wilson_interval

make_report = EvaluationReport.from_predictions
Y_TRUE, Y_PRED = np.arange(90) % 3, np.arange(90) % 4 % 3


def ends(estimate):
    return estimate.low, estimate.high


def width(estimate):
    return estimate.high - estimate.low


class TestWilson:
    @pytest.mark.parametrize("level", [0.8, 0.95])
    @pytest.mark.parametrize(("k", "n"), [(0, 7), (7, 7), (3, 10), (2900, 3000)])
    def test_against_scipy(self, k, n, level):
        expected = stats.binomtest(k, n).proportion_ci(level, method="wilson")
        assert wilson_interval(k, n, level) == pytest.approx((expected.low, expected.high))

    def test_accuracy_precision_and_recall(self):
        y_true, y_pred = ["a"] * 20 + ["b"] * 30, ["a"] * 18 + ["b"] * 32
        report = make_report(y_true, y_pred, confidence_level=0.9)
        assert ends(report.scores["accuracy"]) == pytest.approx(wilson_interval(48, 50, 0.9))
        precision, recall = (report.class_scores[name] for name in ("precision", "recall"))
        assert ends(precision[0]) == pytest.approx(wilson_interval(18, 18, 0.9))
        assert ends(recall[0]) == pytest.approx(wilson_interval(18, 20, 0.9))
        assert ends(precision[1]) == pytest.approx(wilson_interval(30, 32, 0.9))

    def test_f1_is_a_function_of_the_share_of_hits(self):
        found = np.array(f1_interval(30, 80, 0.95))
        assert found / (2 - found) == pytest.approx(np.array(wilson_interval(30, 50, 0.95)))
        assert found[0] < 2 * 30 / 80 < found[1]
        assert 0.8 < f1_interval(25, 50, 0.95)[0] < 0.95  # a width without any error


class TestBootstrap:
    def test_scores_against_scipy(self):
        rng = np.random.default_rng(0)
        y_true = rng.choice(3, size=120, p=[0.6, 0.3, 0.1])
        y_pred = np.where(rng.random(120) < 0.85, y_true, rng.integers(3, size=120))
        report = make_report(y_true, y_pred, n_resamples=4000)
        expected = stats.bootstrap(
            (y_true, y_pred),
            lambda *y: f1_score(*y, average="macro"),
            paired=True,
            vectorized=False,
            n_resamples=400,
            method="BCa",
            rng=np.random.default_rng(0),
        ).confidence_interval
        assert ends(report.scores["f1_macro"]) == pytest.approx(tuple(expected), abs=0.015)

    def test_counted_kinds_equal_single_units(self):
        def mean(sums):
            return {"mean": sums[..., 0] / sums[..., 1]}

        kinds, counts = np.array([[0.0, 1], [1, 1], [3, 1]]), np.array([50, 30, 20])
        settings = {"n_resamples": 20_000, "confidence_level": 0.95}
        found = [
            bootstrap_intervals(mean, *units, **settings, rng=np.random.default_rng(0))["mean"]
            for units in [(kinds, counts), (np.repeat(kinds, counts, axis=0), np.ones(100, int))]
        ]
        np.testing.assert_allclose(*found, atol=0.02)
        np.testing.assert_allclose(found[0].mean(), 0.9, atol=0.05)

    def test_seed(self):
        first, again, other = (
            make_report(Y_TRUE, Y_PRED, random_state=seed).to_dict() for seed in (0, 0, 1)
        )
        assert first == again != other

    def test_perfect(self):
        """Bootstrap intervals have no width then, Wilson's do."""
        report = make_report(list("aabb"), list("aabb"))
        assert ends(report.scores["f1_macro"]) == (1, 1)
        assert report.scores["accuracy"].low < 0.6
        assert report.class_scores["f1"][0].low < 0.6

    def test_one_image(self):
        report = make_report(["a"], ["b"], [[0.5, 0.5]])
        assert report.scores["f1_macro"] == (0, 0, 0)
        assert report.scores["brier_score_loss"].value == 0.25


class TestGroups:
    def make(self, n_groups, size, seed=0):
        """Return labels, predictions that are correct or wrong by group, and the groups."""
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(n_groups), size)
        y_true = rng.integers(2, size=n_groups * size)
        wrong = (rng.random(n_groups) < 0.2)[groups]
        return y_true, np.where(wrong, 1 - y_true, y_true), groups

    def test_copies_add_nothing(self):
        y_true, y_pred, groups = self.make(200, 10)
        once = make_report(y_true[::10], y_pred[::10])
        grouped = make_report(y_true, y_pred, groups=groups)
        images = make_report(y_true, y_pred)
        assert grouped.n_groups == 200 and images.n_groups is None
        for name in ("accuracy", "f1_macro"):
            ratio = width(grouped.scores[name]) / width(once.scores[name])
            assert 0.8 < ratio < 1.2
            assert width(images.scores[name]) < 0.5 * width(grouped.scores[name])
        recall, of_images = (each.class_scores["recall"][0] for each in (grouped, images))
        assert width(recall) > 2 * width(of_images)

    def test_groups_of_one_image_are_images(self):
        y_true, y_pred, _ = self.make(300, 1)
        y_proba = np.random.default_rng(0).dirichlet([1, 1], size=300)
        grouped, plain = (
            make_report(y_true, y_pred, y_proba, groups=given, n_resamples=8000)
            for given in (range(300), None)
        )
        for name in ("f1_macro", "matthews_corrcoef", "log_loss"):
            assert ends(grouped.scores[name]) == pytest.approx(ends(plain.scores[name]), abs=0.02)

    def test_a_class_in_one_group(self):
        """Resamples without the class tell nothing about its recall."""
        y_true = ["a"] * 40 + ["b"] * 4
        y_pred = ["a"] * 36 + ["b"] * 8
        report = make_report(y_true, y_pred, groups=np.arange(44) // 4, classes=["a", "b", "c"])
        assert ends(report.class_scores["recall"][1]) == (1, 1)
        assert all(math.isnan(end) for end in ends(report.class_scores["recall"][2]))
        assert report.class_scores["precision"][1].low < 0.5


@pytest.mark.parametrize("n", [pytest.param(150, marks=pytest.mark.slow), 600])
def test_intervals_cover_the_true_scores(n):
    """True scores follow from the probabilities by which the test sets are drawn."""
    rng = np.random.default_rng(0)
    shares = np.array([0.5, 0.25, 0.15, 0.1])
    matrix = shares[:, None] * (0.9 * np.eye(4) + 0.025)
    classes = range(4)
    whole = np.round(matrix * 1e5).astype(int).ravel()
    truth = make_report(*labels(whole), classes=classes, n_resamples=1)
    held, n_sets = {name: 0 for name in [*truth.scores, "recall", "f1"]}, 300
    for _ in range(n_sets):
        drawn = labels(rng.multinomial(n, matrix.ravel() / matrix.sum()))
        report = make_report(*drawn, classes=classes, n_resamples=400)
        for name, estimate in report.scores.items():
            held[name] += estimate.low <= truth.scores[name].value <= estimate.high
        for name in ("recall", "f1"):
            rare, true = report.class_scores[name][3], truth.class_scores[name][3].value
            held[name] += rare.low <= true <= rare.high
    # 285 of 300 are expected; two standard deviations are 8, and small sets cost some.
    assert {name: count for name, count in held.items() if not 270 <= count <= 297} == {}


def labels(counts):
    """Return true and predicted labels of a flat 4 x 4 confusion matrix."""
    cells = np.repeat(np.arange(16), counts)
    return cells // 4, cells % 4
