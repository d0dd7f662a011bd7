"""Correction for confusions: shares are unbiased, and intervals cover the true shares."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from skblood.datasets import make_blood_cells
from skblood.evaluation import DifferentialCount, EvaluationReport, differential_count
from skblood.evaluation._differential_correction import _most_likely

SHARES = np.array([0.6, 0.3, 0.06, 0.025, 0.005, 0.01])
CLASSES = ["neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil", "ig"]


def make_rates(error, seed=0):
    """Return the shares of each class predicted as each class, with unequal confusions."""
    rng = np.random.default_rng(seed)
    rates = np.zeros((6, 6))
    for i in range(6):
        others = np.arange(6) != i
        rates[i, others] = error * rng.dirichlet(np.full(5, 0.7))
        rates[i, i] = 1 - error
    return rates


def correct(counts, confusion, **options):
    classes = CLASSES[: np.shape(confusion)[0]]
    return DifferentialCount.from_counts(counts, classes=classes, confusion=confusion, **options)


class TestShares:
    def test_many_cells_give_the_true_shares(self):
        rates = make_rates(0.2)
        counts = np.round(1e7 * SHARES @ rates).astype(int)
        count = correct([counts], np.round(1e7 * rates).astype(int))
        np.testing.assert_allclose(count.shares[0], SHARES, atol=1e-4)
        np.testing.assert_allclose(count.low[0], SHARES, atol=2e-3)
        np.testing.assert_allclose(count.high[0], SHARES, atol=2e-3)
        assert np.abs(counts / counts.sum() - SHARES).max() > 0.03

    def test_two_classes_by_hand(self):
        """By Rogan and Gladen: (positive + specificity - 1) / (sensitivity + specificity - 1)."""
        confusion = np.array([[9000, 1000], [2000, 8000]])
        count = correct([[700, 300]], confusion)
        assert count.shares[0, 1] == pytest.approx((0.3 + 0.9 - 1) / (0.8 + 0.9 - 1), abs=1e-3)

    def test_no_share_is_negative(self):
        """Fewer cells are predicted as the second class than by confusion alone."""
        confusion = np.array([[80, 20], [10, 90]])
        count = correct([[98, 2]], confusion)
        assert count.shares[0].tolist() == pytest.approx([1, 0], abs=1e-3)
        assert count.low[0, 1] == 0 < count.high[0, 1] < 0.1
        assert count.low[0, 0] > 0.9 and count.high[0, 0] == 1

    def test_they_sum_to_1(self):
        rng = np.random.default_rng(0)
        rates = make_rates(0.3)
        confusion = np.stack([rng.multinomial(40, row) for row in rates])
        count = correct(rng.multinomial(100, SHARES @ rates, size=20), confusion)
        np.testing.assert_allclose(count.shares.sum(axis=1), 1)
        assert (count.shares >= 0).all()
        assert (count.low <= count.shares).all() and (count.shares <= count.high).all()
        assert (count.low >= 0).all() and (count.high <= 1).all()

    def test_maximum_likelihood(self):
        """No step towards another class increases the likelihood."""
        rates = make_rates(0.2)
        counts = np.random.default_rng(0).multinomial(100, SHARES @ rates)
        shares = _most_likely(counts, rates)

        def likelihood(shares):
            return counts @ np.log(shares @ rates)

        for i in range(6):
            moved = 0.999 * shares + 0.001 * np.eye(6)[i]
            assert likelihood(moved) <= likelihood(shares) + 1e-4

    def test_one_class(self):
        count = DifferentialCount.from_counts([[7]], classes=["a"], confusion=[[5]])
        assert (count.shares, count.low, count.high) == (1, 1, 1)


class TestIntervals:
    def test_without_confusions_they_are_about_those_of_jeffreys(self):
        count = correct([[60, 37, 3]], np.diag([10**7] * 3))
        for i, n in enumerate([60, 37, 3]):
            expected = stats.beta.ppf([0.025, 0.975], n + 0.5, 100 - n + 0.5)
            assert (count.low[0, i], count.high[0, i]) == pytest.approx(tuple(expected), abs=0.01)

    def test_few_validation_cells_widen_them(self):
        rates = np.array([[0.8, 0.2], [0.3, 0.7]])
        widths = []
        for n in (20, 100, 10_000):
            count = correct([[120, 80]], np.round(n * rates).astype(int))
            widths.append(count.high[0, 0] - count.low[0, 0])
        counted = DifferentialCount.from_counts([[120, 80]], classes=["a", "b"])
        assert widths[0] > 1.3 * widths[1] > 1.3 * widths[2]
        # Even with known rates a confused cell tells less.
        assert widths[2] > 1.5 * (counted.high[0, 0] - counted.low[0, 0])

    def test_a_model_that_guesses(self):
        count = correct([[60, 40]], np.array([[25, 25], [25, 25]]))
        assert count.low[0].tolist() == [0, 0]
        assert count.high[0].tolist() == [1, 1]

    def test_a_confusion_that_was_not_observed_may_happen(self):
        few, many = (correct([[90, 10]], np.diag([n, n])) for n in (5, 5000))
        assert few.low[0, 1] < many.low[0, 1]
        assert few.high[0, 1] > many.high[0, 1]

    def test_level(self):
        confusion = np.array([[80, 20], [10, 90]])
        wide, narrow = (
            correct([[60, 40]], confusion, confidence_level=level) for level in (0.99, 0.5)
        )
        assert wide.low[0, 0] < narrow.low[0, 0] < narrow.high[0, 0] < wide.high[0, 0]

    def test_seed(self):
        confusion = np.array([[80, 20], [10, 90]])
        first, again, other, any_seed = (
            correct([[60, 40]], confusion, random_state=seed).low[0, 0] for seed in (0, 0, 1, None)
        )
        assert first == again != other
        assert other == pytest.approx(first, abs=0.02)
        assert any_seed == pytest.approx(first, abs=0.02)


class TestReport:
    def test_equals_its_confusion_matrix(self):
        rng = np.random.default_rng(0)
        y_true = rng.choice(CLASSES[:3], size=200)
        y_pred = np.where(rng.random(200) < 0.8, y_true, rng.choice(CLASSES[:3], size=200))
        report = EvaluationReport.from_predictions(y_true, y_pred, n_resamples=10)
        slide = ["neutrophil"] * 60 + ["lymphocyte"] * 40
        by_report = differential_count(slide, confusion=report)
        by_matrix = differential_count(
            slide, confusion=report.confusion_matrix, classes=report.classes
        )
        assert by_report.classes == report.classes
        np.testing.assert_array_equal(by_report.low, by_matrix.low)

    def test_rows_are_true_classes(self):
        """Monocytes are predicted as lymphocytes: there are more of them than counted."""
        y_true = ["lymphocyte"] * 100 + ["monocyte"] * 100
        y_pred = ["lymphocyte"] * 140 + ["monocyte"] * 60
        report = EvaluationReport.from_predictions(y_true, y_pred, n_resamples=10)
        count = differential_count(["lymphocyte"] * 80 + ["monocyte"] * 20, confusion=report)
        assert count.shares[0, 1] > 0.3


@pytest.mark.parametrize(
    ("error", "n_validation"),
    [pytest.param(0.01, 40, marks=pytest.mark.slow), pytest.param(0.2, 40), (0.2, 200)],
)
def test_intervals_cover_the_true_shares(error, n_validation):
    """Simulated laboratories, each with its own rates, validation cells and slides."""
    rng = np.random.default_rng(0)
    held, held_uncorrected = [], []
    for seed in range(60):
        rates = make_rates(error, seed)
        confusion = np.stack([rng.multinomial(n_validation, row) for row in rates])
        truth = SHARES * np.exp(0.5 * rng.standard_normal((3, 6)))
        truth /= truth.sum(axis=1, keepdims=True)
        shares = zip((100, 200, 400), truth @ rates, strict=True)
        counts = [rng.multinomial(n, row) for n, row in shares]
        count = correct(counts, confusion)
        held.append((count.low <= truth) & (truth <= count.high))
        count = DifferentialCount.from_counts(counts, classes=CLASSES)
        held_uncorrected.append((count.low <= truth) & (truth <= count.high))
    # 180 slides with 6 classes; errors within a laboratory are correlated.
    assert 0.925 <= np.mean(held) <= 0.985
    assert (np.mean(held, axis=(0, 1)) > 0.89).all()
    if error > 0.1:
        assert np.mean(held_uncorrected) < 0.75


def test_from_images_to_shares():
    """A classifier of scikit-learn on synthetic cells, validated, with and without rejection."""
    three = {"lymphocyte": 5, "monocyte": 3, "neutrophil": 4}
    X, y = make_blood_cells(900, image_size=16, class_weights=three, random_state=0)
    X = X[:, ::2, ::2].reshape(len(X), -1) / 255  # poor images, so that there are errors
    model = LogisticRegression(C=0.1, max_iter=500).fit(X[:200], y[:200])
    X, y = X[200:], y[200:]
    y_pred, unsure = model.predict(X), model.predict_proba(X).max(axis=1) < 0.5
    validation, slide = slice(0, 300), slice(300, None)
    assert 0.5 < (y_pred == y).mean() < 0.98
    for rejected in (np.zeros_like(unsure), unsure):
        kept = ~rejected[validation]
        report = EvaluationReport.from_predictions(
            y[validation][kept], y_pred[validation][kept], classes=model.classes_, n_resamples=10
        )
        count = differential_count(y_pred[slide], rejected=rejected[slide], confusion=report)
        assert count.n_rejected[0] == rejected[slide].sum()
        truth = [np.mean(y[slide][~rejected[slide]] == label) for label in report.classes]
        assert (count.low[0] <= truth).all() and (truth <= count.high[0]).all()
        plain = differential_count(y_pred[slide], rejected=rejected[slide], classes=report.classes)
        assert (count.high - count.low > plain.high - plain.low).any()
