"""Correction for confusions: shares are unbiased, and intervals cover the true shares."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from skblood.evaluation import DifferentialCount, EvaluationReport, differential_count
from skblood.evaluation._estimates import Estimate

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

    @pytest.mark.parametrize("n_validation", [2, 10, 40])
    def test_without_confusions_they_are_those_counted(self, n_validation):
        """Smoothed rates shrank 2.5 % to 1.28 %, and 0.5 % to 0."""
        counts = np.array([[600, 300, 60, 25, 5, 10], [0, 7, 0, 0, 1, 0]])
        count = correct(counts, n_validation * np.eye(6, dtype=int))
        np.testing.assert_allclose(count.shares, counts / counts.sum(axis=1, keepdims=True))
        assert count.preferred == "counted"

    @pytest.mark.parametrize("n_validation", [3, 10, 40])
    def test_they_have_the_highest_likelihood(self, n_validation):
        """By the conditions of Karush, Kuhn and Tucker, also for classes that are alike."""
        rng = np.random.default_rng(n_validation)
        for error in (0.02, 0.2, 0.6, 0.8):
            rates = make_rates(error, n_validation)
            confusion = np.stack([rng.multinomial(n_validation, row) for row in rates])
            counts = rng.multinomial(1000, SHARES @ rates) * confusion.any(axis=0)
            shares = correct([counts], confusion).shares[0]
            found = confusion / n_validation
            expected = shares @ found
            is_counted = counts > 0
            slopes = found[:, is_counted] @ (counts / expected.clip(1e-300))[is_counted]
            slopes /= counts.sum()
            assert (slopes < 1 + 1e-8).all()
            np.testing.assert_allclose(slopes[shares > 1e-4], 1, atol=1e-4)

    def test_a_class_that_is_never_predicted_in_validation(self):
        """Cells that are predicted as this class stay as counted."""
        confusion = np.array([[40, 0, 0], [2, 38, 0], [3, 7, 0]])
        count = correct([[54, 36, 10], [60, 40, 0], [0, 0, 3]], confusion)
        assert np.isfinite([count.shares, count.low, count.high]).all()
        expected = 0.9 * count.shares[1] + [0, 0, 0.1]
        np.testing.assert_allclose(count.shares[[0, 2]], [expected, [0, 0, 1]], atol=1e-6)

    def test_no_share_is_negative(self):
        """Fewer cells are predicted as the second class than by confusion alone."""
        confusion = np.array([[80, 20], [10, 90]])
        count = correct([[98, 2]], confusion)
        assert count.shares[0].tolist() == pytest.approx([1, 0], abs=1e-3)
        assert count.low[0, 1] == 0 < 0.02 < count.high[0, 1] < 0.1
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

    def test_a_confusion_that_was_not_observed_may_happen(self):
        few, many = (correct([[90, 10]], np.diag([n, n])) for n in (5, 5000))
        assert few.low[0, 1] < many.low[0, 1]
        assert few.high[0, 1] > many.high[0, 1]

    def test_seed(self):
        confusion = np.array([[80, 20], [10, 90]])
        first, again, other, any_seed = (
            correct([[60, 40]], confusion, random_state=seed).low[0, 0] for seed in (0, 0, 1, None)
        )
        assert first == again != other
        assert other == pytest.approx(first, abs=0.02)
        assert any_seed == pytest.approx(first, abs=0.02)


class TestPreferred:
    def test_many_validation_cells(self):
        rates = make_rates(0.2)
        count = correct([np.round(1000 * SHARES @ rates).astype(int)], np.round(500 * rates))
        assert count.preferred == "corrected"
        text = str(count)
        assert text.splitlines()[:2] == [
            "1 slide, 6 classes; intervals of 95% confidence, as counted and corrected for known "
            "confusions",
            "preferred shares: corrected",
        ]
        counted, corrected = (
            Estimate(each.shares[0, 0], each.low[0, 0], each.high[0, 0])
            for each in (count.as_counted, count)
        )
        assert f"neutrophil     {count.counts[0, 0]}   60 %  {counted}  {corrected}" in text

    def test_few_validation_cells(self):
        """Of ten monocytes one is predicted as a lymphocyte, which hardly says how many are."""
        confusion = 10 * np.eye(6, dtype=int)
        confusion[2, 1:3] = 1, 9
        count = correct([[120, 60, 12, 5, 1, 2]], confusion)
        assert count.shares[0, 2] > 0.06
        assert count.preferred == "counted"
        assert "preferred shares: counted" in str(count)

    def test_as_counted(self):
        counts = [[60, 30, 6, 2, 1, 1], [0] * 6]
        confusion = np.round(200 * make_rates(0.2)).astype(int)
        options = {"groups": ["A", "B"], "n_rejected": [3, 4], "confidence_level": 0.9}
        count = correct(counts, confusion, **options)
        plain = DifferentialCount.from_counts(counts, classes=CLASSES, **options)
        pd.testing.assert_frame_equal(count.as_counted.to_frame(), plain.to_frame())
        frame = count.to_frame()
        for name, expected in (("share", plain.shares), ("low", plain.low), ("high", plain.high)):
            np.testing.assert_array_equal(frame[f"counted_{name}"], expected.ravel())
        assert (count.preferred, plain.preferred) == ("corrected", "counted")


class TestReport:
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


class TestTables:
    """A confusion matrix with labels is read by its labels."""

    MATRIX = np.array([[80, 20], [0, 100]])

    @pytest.mark.parametrize("classes", [["a", "b"], ["1", "2"]])
    @pytest.mark.parametrize("order", [[0, 1], [1, 0]])
    def test_any_order(self, classes, order):
        labels = [int(each) if each.isdigit() else each for each in classes]
        table = pd.DataFrame(self.MATRIX, labels, labels).iloc[order, order[::-1]]
        report = EvaluationReport.from_predictions(
            np.repeat(classes, 100), np.repeat(classes, [80, 120]), classes=np.array(classes)[order]
        )
        for confusion in (table, report):
            y_pred = np.repeat(classes, [80, 20])
            count = differential_count(y_pred, classes=classes, confusion=confusion)
            np.testing.assert_allclose(count.shares, [[1, 0]], atol=1e-3)

    def test_cross_tabulation_lacks_what_does_not_occur(self):
        y_true, y_pred = list("aaaabbbbcccc"), list("aaabbbbbbaaa")
        table = pd.crosstab(np.array(y_true), np.array(y_pred))
        options = {"classes": list("abcd")}
        report = EvaluationReport.from_predictions(y_true, y_pred, **options)
        found, expected = (
            DifferentialCount.from_counts([[7, 4, 1, 1]], confusion=each, **options).to_frame()
            for each in (table, report)
        )
        pd.testing.assert_frame_equal(found, expected)

    @pytest.mark.parametrize(
        ("labels", "message"), [("ac", r"as rows.*\['a', 'b'\], got 'a', 'c'"), ("aa", "each once")]
    )
    def test_other_labels(self, labels, message):
        with pytest.raises(ValueError, match=message):
            correct_two(pd.DataFrame(self.MATRIX, list(labels), list("ab")))
        with pytest.raises(ValueError, match=message.replace("rows", "columns")):
            correct_two(pd.DataFrame(self.MATRIX, list("ab"), list(labels)))
        with pytest.raises(ValueError, match="Give an array"):
            correct_two(pd.DataFrame(self.MATRIX))

    @pytest.mark.parametrize("confusion", [np.eye(2), np.eye(2, dtype=int), np.zeros((2, 2))])
    def test_shares(self, confusion):
        with pytest.raises(ValueError, match=r"not shares.*without `normalize`"):
            correct_two(confusion)


def correct_two(confusion):
    return DifferentialCount.from_counts([[80, 20]], classes=["a", "b"], confusion=confusion)


class TestAbsentClasses:
    """A model of six classes, validated where only some of them occur."""

    def make(self, counts, confusion):
        whole = np.zeros((6, 6), int)
        whole[:3, : np.shape(confusion)[1]] = confusion
        return correct([counts], whole)

    def test_the_others_are_corrected_among_themselves(self):
        confusion = [[100, 0, 0], [20, 80, 0], [0, 0, 100]]
        count = self.make([200, 120, 80, 0, 0, 0], confusion)
        expected = correct([[200, 120, 80]], confusion)
        np.testing.assert_allclose(count.shares[0, :3], expected.shares[0], atol=1e-6)
        np.testing.assert_allclose(count.low[0, :3], expected.low[0], atol=0.02)
        np.testing.assert_allclose(count.high[0, :3], expected.high[0], atol=0.02)
        assert (count.shares[0, 3:] < 1e-6).all() and (count.high[0, 3:] < 0.02).all()
        assert count.absent_classes == CLASSES[3:] and count.as_counted.absent_classes == []
        assert count.preferred == "corrected"
        assert str(count).splitlines()[2] == (
            "no validation cells, assumed to be recognized without error: eosinophil, basophil, ig"
        )

    def test_cells_that_are_predicted_as_them_stay_as_counted(self):
        confusion = [[100, 0, 0], [20, 80, 0], [0, 0, 100]]
        count = self.make([180, 100, 80, 40, 0, 0], confusion)
        expected = correct([[180, 100, 80]], confusion)
        np.testing.assert_allclose(count.shares[0, 3], 0.1, atol=1e-6)
        np.testing.assert_allclose(count.shares[0, :3], 0.9 * expected.shares[0], atol=1e-6)
        assert count.low[0, 3] < 0.08 < 0.12 < count.high[0, 3] < 0.15

    def test_cells_of_others_that_are_predicted_as_them_are_taken_off(self):
        confusion = [[900, 0, 0, 0, 0, 100], [0, 1000, 0, 0, 0, 0], [0, 0, 1000, 0, 0, 0]]
        count = self.make([180, 100, 80, 0, 0, 20 + 20], confusion)
        np.testing.assert_allclose(count.shares[0], [0.5, 0.25, 0.2, 0, 0, 0.05], atol=1e-6)

    def test_report_of_some_classes(self):
        y = np.repeat(CLASSES[:4], 40)
        y_pred = np.roll(y, 3)
        report = EvaluationReport.from_predictions(y, y_pred, classes=CLASSES)
        count = differential_count(y_pred, confusion=report)
        np.testing.assert_allclose(count.shares[0], [0.25] * 4 + [0] * 2, atol=1e-3)
