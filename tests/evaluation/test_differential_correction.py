"""Correction for confusions: it finds the truth, and its intervals hold it."""

import time

import numpy as np
import pytest

from skblood.evaluation import DifferentialCount, EvaluationReport, differential_count
from skblood.evaluation._differential_correction import _most_likely

SHARES = np.array([0.6, 0.3, 0.06, 0.025, 0.005, 0.01])
CLASSES = ["neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil", "ig"]


def make_rates(error, seed=0):
    """Return the shares of each class that are taken for each, some confusions being likelier."""
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
    def test_are_the_true_ones_where_cells_are_many(self):
        rates = make_rates(0.2)
        counts = np.round(1e7 * SHARES @ rates).astype(int)
        count = correct([counts], np.round(1e7 * rates).astype(int))
        np.testing.assert_allclose(count.shares[0], SHARES, atol=1e-4)
        np.testing.assert_allclose(count.low[0], SHARES, atol=2e-3)
        np.testing.assert_allclose(count.high[0], SHARES, atol=2e-3)
        assert np.abs(counts / counts.sum() - SHARES).max() > 0.03

    def test_two_classes_by_hand(self):
        """Rogan and Gladen: (positive + specificity - 1) / (sensitivity + specificity - 1)."""
        confusion = np.array([[9000, 1000], [2000, 8000]])
        count = correct([[700, 300]], confusion)
        assert count.shares[0, 1] == pytest.approx((0.3 + 0.9 - 1) / (0.8 + 0.9 - 1), abs=1e-3)

    def test_are_as_counted_where_nothing_is_confused(self):
        count = correct([[600, 300, 100]], np.diag([10**6] * 3))
        np.testing.assert_allclose(count.shares[0], [0.6, 0.3, 0.1], atol=1e-4)

    def test_are_never_below_zero(self):
        """Fewer cells are called lymphocytes than would be if there were none."""
        confusion = np.array([[80, 20], [10, 90]])
        count = correct([[98, 2]], confusion)
        assert count.shares[0].tolist() == pytest.approx([1, 0], abs=1e-3)
        assert count.low[0, 1] == 0 < count.high[0, 1] < 0.1
        assert count.low[0, 0] > 0.9 and count.high[0, 0] == 1

    def test_add_up(self):
        rng = np.random.default_rng(0)
        rates = make_rates(0.3)
        confusion = np.stack([rng.multinomial(40, row) for row in rates])
        count = correct(rng.multinomial(100, SHARES @ rates, size=20), confusion)
        np.testing.assert_allclose(count.shares.sum(axis=1), 1)
        assert (count.shares >= 0).all()
        assert (count.low <= count.shares).all() and (count.shares <= count.high).all()
        assert (count.low >= 0).all() and (count.high <= 1).all()

    def test_are_the_most_likely_ones(self):
        """No step towards another class makes the counts any likelier."""
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
    def test_are_nearly_those_of_jeffreys_where_nothing_is_confused(self):
        from scipy import stats

        count = correct([[60, 37, 3]], np.diag([10**7] * 3))
        for i, n in enumerate([60, 37, 3]):
            expected = stats.beta.ppf([0.025, 0.975], n + 0.5, 100 - n + 0.5)
            assert (count.low[0, i], count.high[0, i]) == pytest.approx(tuple(expected), abs=0.01)

    def test_few_validation_cells_make_them_wider(self):
        rates = np.array([[0.8, 0.2], [0.3, 0.7]])
        widths = []
        for n in (20, 100, 10_000):
            count = correct([[120, 80]], np.round(n * rates).astype(int))
            widths.append(count.high[0, 0] - count.low[0, 0])
        counted = DifferentialCount.from_counts([[120, 80]], classes=["a", "b"])
        assert widths[0] > 1.3 * widths[1] > 1.3 * widths[2]
        # Even with the rates known a confused cell tells less.
        assert widths[2] > 1.5 * (counted.high[0, 0] - counted.low[0, 0])

    def test_more_cells_make_them_narrower(self):
        confusion = np.array([[800, 200], [300, 700]])
        few, many = correct([[60, 40], [600, 400]], confusion).high[:, 0]
        assert many < few

    def test_a_model_that_knows_nothing_says_nothing(self):
        count = correct([[60, 40]], np.array([[25, 25], [25, 25]]))
        assert count.low[0].tolist() == [0, 0]
        assert count.high[0].tolist() == [1, 1]

    def test_a_confusion_that_was_never_seen_may_happen(self):
        """Of 5 validation cells none was taken wrongly, which does not say that none ever is."""
        few, many = (correct([[90, 10]], np.diag([n, n])) for n in (5, 5000))
        assert few.low[0, 1] < many.low[0, 1]
        assert few.high[0, 1] > many.high[0, 1]

    def test_level(self):
        confusion = np.array([[80, 20], [10, 90]])
        wide, narrow = (
            correct([[60, 40]], confusion, confidence_level=level) for level in (0.99, 0.5)
        )
        assert wide.low[0, 0] < narrow.low[0, 0] < narrow.high[0, 0] < wide.high[0, 0]

    def test_same_seed_same_intervals(self):
        confusion = np.array([[80, 20], [10, 90]])
        first, again, other, any_seed = (
            correct([[60, 40]], confusion, random_state=seed).low[0, 0] for seed in (0, 0, 1, None)
        )
        assert first == again != other
        assert other == pytest.approx(first, abs=0.02)
        assert any_seed == pytest.approx(first, abs=0.02)

    def test_quick(self):
        """Fifty slides of eight classes in a few seconds."""
        rng = np.random.default_rng(0)
        confusion = np.diag([100] * 8) + 1
        counts = rng.multinomial(200, np.ones(8) / 8, size=50)
        start = time.process_time()
        DifferentialCount.from_counts(counts, classes=list("abcdefgh"), confusion=confusion)
        assert time.process_time() - start < 5


class TestOfAReport:
    def test_is_that_of_its_confusion_matrix(self):
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
        """Monocytes are taken for lymphocytes: there are more of them than were counted."""
        y_true = ["lymphocyte"] * 100 + ["monocyte"] * 100
        y_pred = ["lymphocyte"] * 140 + ["monocyte"] * 60
        report = EvaluationReport.from_predictions(y_true, y_pred, n_resamples=10)
        count = differential_count(["lymphocyte"] * 80 + ["monocyte"] * 20, confusion=report)
        assert count.shares[0, 1] > 0.3


@pytest.mark.parametrize(
    ("error", "n_validation"), [(0.01, 200), (0.01, 40), (0.2, 200), (0.2, 40)]
)
def test_intervals_hold_the_truth_as_often_as_they_say(error, n_validation):
    """Simulated laboratories, each with rates, validation cells and slides of its own."""
    rng = np.random.default_rng(0)
    held = []
    for seed in range(60):
        rates = make_rates(error, seed)
        confusion = np.stack([rng.multinomial(n_validation, row) for row in rates])
        truth = SHARES * np.exp(0.5 * rng.standard_normal((3, 6)))
        truth /= truth.sum(axis=1, keepdims=True)
        counts = [
            rng.multinomial(n, row) for n, row in zip((100, 200, 400), truth @ rates, strict=True)
        ]
        count = correct(counts, confusion)
        held.append((count.low <= truth) & (truth <= count.high))
    # 180 slides with 6 classes; in one laboratory they err together.
    assert 0.925 <= np.mean(held) <= 0.985
    assert (np.mean(held, axis=(0, 1)) > 0.89).all()


def test_as_counted_they_do_not_hold_it():
    """What the correction is for: without it, the intervals of an erring model miss the truth."""
    rng = np.random.default_rng(0)
    counts = rng.multinomial(400, SHARES @ make_rates(0.2), size=50)
    count = DifferentialCount.from_counts(counts, classes=CLASSES)
    assert ((count.low <= SHARES) & (SHARES <= count.high)).mean() < 0.7


@pytest.fixture(scope="module")
def parts():
    """Return a model, its evaluation, and cells that it has not seen."""
    from sklearn.linear_model import LogisticRegression

    from skblood.datasets import make_blood_cells
    from skblood.evaluation import evaluate

    three = {"lymphocyte": 5, "monocyte": 3, "neutrophil": 4}
    X, y = make_blood_cells(900, image_size=16, class_weights=three, random_state=0)
    X = X[:, ::2, ::2].reshape(len(X), -1) / 255  # poor images, so that there are errors
    model = LogisticRegression(C=0.1, max_iter=500).fit(X[:200], y[:200])
    report = evaluate(model, X[200:500], y[200:500], n_resamples=10)
    return model, report, X[500:], y[500:]


class TestFromCellsToNumber:
    """All of it, with a classifier of scikit-learn on synthetic cells."""

    def test_the_truth_of_many_cells_is_found(self, parts):
        model, report, X, y = parts
        y_pred = model.predict(X)
        truth = [np.mean(y == label) for label in report.classes]
        counted = differential_count(y_pred, classes=report.classes)
        corrected = differential_count(y_pred, confusion=report)
        assert report.scores["accuracy"].value < 0.98  # else there is nothing to correct
        assert (corrected.low[0] <= truth).all() and (truth <= corrected.high[0]).all()
        assert (corrected.high - corrected.low > counted.high - counted.low).any()

    def test_unsure_cells_are_rejected(self, parts):
        """The validation cells are rejected at the same threshold."""
        model, report, X, y = parts
        unsure = model.predict_proba(X).max(axis=1) < 0.5
        validation, slide = slice(0, 200), slice(200, None)
        kept = ~unsure[validation]
        y_pred = model.predict(X)
        of_kept = EvaluationReport.from_predictions(
            y[validation][kept], y_pred[validation][kept], classes=report.classes, n_resamples=10
        )
        count = differential_count(y_pred[slide], rejected=unsure[slide], confusion=of_kept)
        assert count.n_rejected[0] == unsure[slide].sum() > 0
        assert count.n_cells[0] == 200 - count.n_rejected[0]
        truth = [np.mean(y[slide][~unsure[slide]] == label) for label in report.classes]
        assert (count.low[0] <= truth).all() and (truth <= count.high[0]).all()

    def test_model_and_report_stay_as_they_are(self, parts):
        model, report, X, _ = parts
        matrix, weights = report.confusion_matrix.copy(), model.coef_.copy()
        differential_count(model.predict(X), confusion=report)
        np.testing.assert_array_equal(report.confusion_matrix, matrix)
        np.testing.assert_array_equal(model.coef_, weights)
