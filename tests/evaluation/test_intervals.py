"""Confidence intervals: equal to other implementations, and they cover the true values."""

import math
import tracemalloc
from itertools import chain

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from skblood.evaluation import EvaluationReport
from skblood.evaluation._estimates import estimate_scores
from skblood.evaluation._intervals import f1_interval, wilson_interval

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

    @pytest.mark.parametrize("n", [3, 10, 30])
    def test_coverage_of_few_trials(self, n):
        """Without the modification, it is 0.86 for 3 or 30 trials."""
        hits = np.arange(n + 1)
        low, high = wilson_interval(hits, n, 0.95)
        for share in np.linspace(0.6, 0.999, 200):
            held = stats.binom.pmf(hits, n, share)[(low <= share) & (share <= high)].sum()
            assert held > 0.9

    def test_symmetry(self):
        low, high = wilson_interval(np.arange(21), 20, 0.9)
        np.testing.assert_allclose(low, 1 - high[::-1], atol=1e-12)
        assert (np.diff(low) > 0).all() and low[0] == 0 and high[-1] == 1
        # One success: the Poisson distribution with this mean has it with a probability of 0.1.
        assert 1 - np.exp(-20 * low[1]) == pytest.approx(0.1)

    def test_accuracy_precision_and_recall(self):
        y_true, y_pred = ["a"] * 20 + ["b"] * 30, ["a"] * 18 + ["b"] * 32
        report = make_report(y_true, y_pred, confidence_level=0.9)
        assert ends(report.scores["accuracy"]) == pytest.approx(wilson_interval(48, 50, 0.9))
        precision, recall = (report.class_scores[name] for name in ("precision", "recall"))
        assert ends(precision[0]) == pytest.approx(wilson_interval(18, 18, 0.9))
        assert ends(recall[0]) == pytest.approx(wilson_interval(18, 20, 0.9))
        assert ends(precision[1]) == pytest.approx(wilson_interval(30, 32, 0.9))

    def test_f1_is_a_function_of_the_share_of_hits(self):
        found = np.array(f1_interval(wilson_interval(30, 50, 0.95)))
        assert found / (2 - found) == pytest.approx(np.array(wilson_interval(30, 50, 0.95)))
        assert found[0] < 2 * 30 / 80 < found[1]


class TestOverall:
    def test_scores_against_the_bootstrap(self):
        rng = np.random.default_rng(0)
        y_true = rng.choice(3, size=120, p=[0.6, 0.3, 0.1])
        y_pred = np.where(rng.random(120) < 0.85, y_true, rng.integers(3, size=120))
        report = make_report(y_true, y_pred)
        expected = stats.bootstrap(
            (y_true, y_pred),
            lambda *y: f1_score(*y, average="macro"),
            paired=True,
            vectorized=False,
            n_resamples=400,
            method="BCa",
            rng=np.random.default_rng(0),
        ).confidence_interval
        assert ends(report.scores["f1_macro"]) == pytest.approx(tuple(expected), abs=0.03)

    @pytest.mark.parametrize("hits", [[45, 40, 44], [50, 50, 50]])
    def test_mean_recall_of_classes_of_equal_size(self, hits):
        """The interval of Price and Bonett (2004)."""
        z, n_classes = stats.norm.ppf(0.975), 3
        n = 50 + z**2 / n_classes
        recall = (np.array(hits) + z**2 / n_classes / 2) / n
        margin = z * np.sqrt((recall * (1 - recall) / n).sum()) / n_classes
        expected = recall.mean() + np.array([-margin, margin])
        table = np.diag(hits) + np.roll(np.diag(50 - np.array(hits)), 1, axis=1)
        found = estimate_scores(table[None], 0.95, grouped=False)[0]["balanced_accuracy"]
        assert ends(found) == pytest.approx(tuple(np.minimum(expected, 1)), abs=1e-6)

    @pytest.mark.parametrize("grouped", [False, True])
    def test_a_class_of_one_image(self, grouped):
        """Though pseudo-images move the score, both ends leave it."""
        tables = np.zeros((3 if grouped else 1, 4, 4), int)
        tables[:, [0, 1, 1, 2, 2], [0, 1, 2, 2, 3]] = [30, 60, 20, 40, 10]
        tables[0, 3, 0] = 1
        for name, each in estimate_scores(tables, 0.95, grouped=grouped)[0].items():
            assert each.low < each.value - 0.01 < each.value + 0.01 < each.high, name

    def test_bootstrap_of_losses_against_scipy(self):
        rng = np.random.default_rng(0)
        y_proba = rng.dirichlet([4, 1], size=80)
        report = make_report(np.zeros(80, int), np.zeros(80, int), y_proba, classes=[0, 1])
        expected = stats.bootstrap(
            (-np.log(y_proba[:, 0]),), np.mean, method="BCa", rng=np.random.default_rng(0)
        ).confidence_interval
        assert ends(report.scores["log_loss"]) == pytest.approx(tuple(expected), rel=0.05)

    def test_seed(self):
        y_proba = np.random.default_rng(0).dirichlet([1, 1, 1], size=90)
        first, again, other = (
            make_report(Y_TRUE, Y_PRED, y_proba, random_state=seed).to_dict() for seed in (0, 0, 1)
        )
        assert first == again != other

    def test_one_image(self):
        report = make_report(["a"], ["b"], [[0.5, 0.5]])
        assert report.scores["f1_macro"].value == report.scores["f1_macro"].low == 0
        assert 0.3 < report.scores["f1_macro"].high <= 1
        assert report.scores["brier_score_loss"].value == 0.25
        # Equal losses tell no spread.
        assert math.isnan(report.scores["brier_score_loss"].low)


class TestPerfect:
    """Without any error, no interval is a point."""

    @pytest.mark.parametrize("n_groups", [None, 2, 6])
    @pytest.mark.parametrize(
        "y",
        [list("abcd") * 15, ["a"] * 4 + ["b"] * 56, ["a"] * 10],
        ids=["four classes", "a class of four", "one class"],
    )
    def test_width(self, y, n_groups):
        groups = None if n_groups is None else np.arange(len(y)) % n_groups
        report = make_report(y, y, groups=groups)
        estimates = chain(report.scores.values(), *report.class_scores.values())
        for estimate in estimates:
            if not math.isnan(estimate.value):
                assert estimate.low < estimate.value == estimate.high == 1
        # At least as wide as the rule of three, which takes images as independent.
        assert report.scores["accuracy"].low < 1 - 3 / (len(y) + 3)
        rare = min(y.count(label) for label in set(y))
        assert report.class_scores["recall"][0].low < 1 - 3 / (rare + 3)

    def test_groups_widen(self):
        y = list("ab") * 60
        lows = [
            make_report(y, y, groups=groups).scores["f1_macro"].low
            for groups in (None, np.arange(120) // 2, np.arange(120) // 20, np.arange(120) // 60)
        ]
        assert lows == sorted(lows, reverse=True) and lows[0] - lows[-1] > 0.05


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
        """One group tells nothing about others: the correlation in it is assumed."""
        y_true = ["a"] * 40 + ["b"] * 4
        y_pred = ["a"] * 36 + ["b"] * 8
        report = make_report(y_true, y_pred, groups=np.arange(44) // 4, classes=["a", "b", "c"])
        assert report.class_scores["recall"][1].low < wilson_interval(4, 4, 0.95)[0]
        assert all(math.isnan(end) for end in ends(report.class_scores["recall"][2]))
        assert report.class_scores["precision"][1].low < 0.5

    @pytest.mark.parametrize("n_strays", [0, 2])
    def test_classes_that_are_the_groups(self, n_strays):
        """Each class has one recall, that of its group, which tells nothing about other groups."""
        y_true = np.repeat(list("abcdefgh"), 100)
        hits = np.repeat([30, 45, 65, 38, 52, 60, 25, 45], 100)
        y_pred = np.where(np.arange(800) % 100 < hits, y_true, np.roll(y_true, 100))
        groups = y_true.copy()
        groups[: 100 * n_strays : 100] = "c"
        scores = make_report(y_true, y_pred, groups=groups).scores
        of_images = make_report(y_true, y_pred).scores
        for name in ("balanced_accuracy", "f1_macro", "matthews_corrcoef"):
            assert 0.8 < width(scores[name]) / width(scores["accuracy"]) < 1.6
            assert width(scores[name]) > 3 * width(of_images[name])

    def test_a_class_with_a_stray_image_in_another_group(self):
        """Two groups of 99 and 1 images tell as little as one of 100."""
        y_pred = ["a"] * 37 + ["b"] * 63
        report = make_report(["a"] * 100, y_pred, groups=["x"] * 99 + ["y"])
        assert width(report.class_scores["recall"][0]) > 2 * width(
            make_report(["a"] * 100, y_pred).scores["accuracy"]
        )

    def test_mean_losses_against_scipy(self):
        """With equal groups, Student's interval of the means of the groups, on the log scale."""
        y_proba = np.random.default_rng(0).dirichlet([6, 2], size=40)
        groups = np.arange(40) % 8
        y = np.zeros(40, int)
        loss = make_report(y, y, y_proba, groups=groups, classes=[0, 1]).scores["log_loss"]
        means = -np.log(y_proba[:, 0]).reshape(5, 8).mean(axis=0)
        gaps = (means - means.mean()) ** 2
        df = min(gaps.sum() ** 2 / (gaps**2).sum() + 3, 7)
        factor = np.exp(stats.t.ppf(0.975, df) * stats.sem(means) / means.mean())
        assert ends(loss) == pytest.approx((loss.value / factor, loss.value * factor))


@pytest.mark.parametrize("n_groups", [5, pytest.param(40, marks=pytest.mark.slow)])
def test_intervals_of_groups_cover_the_true_scores(n_groups):
    """Groups of 1 to 30 images, whose accuracies vary around the true one."""
    rng = np.random.default_rng(0)
    share, n_sets, held = 0.9, 400, {"accuracy": 0, "balanced_accuracy": 0, "recall": 0}
    for _ in range(n_sets):
        sizes = rng.integers(1, 31, n_groups)
        images = rng.binomial(sizes, [[0.85], [0.15]])
        hits = rng.binomial(images, rng.beta(19 * share, 19 * (1 - share), n_groups))
        rows = np.stack([hits, images - hits], axis=-1)
        tables = np.stack([rows[0], rows[1, :, ::-1]], axis=1)
        scores, classes = estimate_scores(tables, 0.95, grouped=True)
        scores["recall"] = classes["recall"][1]
        for name in held:
            held[name] += not scores[name].low > share and not scores[name].high < share
    # 380 of 400 are expected; two standard deviations are 9.
    assert {name: count for name, count in held.items() if not 369 <= count <= 397} == {}


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


def test_memory_with_many_classes():
    labels = np.arange(60)
    tracemalloc.start()
    EvaluationReport.from_predictions(labels, np.roll(labels, 1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6
