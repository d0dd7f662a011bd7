"""The evaluation report: every figure is scikit-learn's, and what it says, it says in all forms."""

import json
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from skblood.evaluation import EvaluationReport

CELLS = ["basophil", "ig", "lymphocyte", "monocyte", "platelet"]
SCORES = {
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "f1_macro": lambda y, p: metrics.f1_score(y, p, average="macro", zero_division=0),
    "f1_weighted": lambda y, p: metrics.f1_score(y, p, average="weighted", zero_division=0),
    "matthews_corrcoef": metrics.matthews_corrcoef,
}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def draw(n, classes=CELLS, *, right=0.8, seed=0):
    """Return labels, most of them in the first classes, and predictions of them."""
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1, len(classes) + 1)
    y_true = rng.choice(classes, size=n, p=shares / shares.sum())
    y_pred = np.where(rng.random(n) < right, y_true, rng.choice(classes, size=n))
    return y_true, y_pred


def draw_probabilities(y_true, n_classes, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.4), size=len(y_true))


def without(y, label):
    """Return the labels with another one in the place of `label`."""
    return np.where(y == label, CELLS[0], y)


def predictions():
    y_true, y_pred = draw(200)
    return {
        "several classes": (y_true, y_pred),
        "two classes": draw(100, [0, 1]),
        "numbers": draw(100, [7, 30, 200]),
        "no image of a class": (without(y_true, "ig"), y_pred),
        "a class never predicted": (y_true, without(y_pred, "ig")),
        "a class in neither": (without(y_true, "ig"), without(y_pred, "ig")),
        "all right": (y_true, y_true),
        "all wrong": (["a"] * 5 + ["b"] * 5, ["b"] * 5 + ["a"] * 5),
        "one prediction for all": (["a"] * 5 + ["b"] * 5, ["b"] * 10),
        "a single image": (["a", "a"], ["a", "b"]),
        "many images": draw(200_000, [0, 1, 2]),
    }


@pytest.fixture(scope="module")
def report():
    y_true, y_pred = draw(300)
    return EvaluationReport.from_predictions(y_true, y_pred, draw_probabilities(y_true, 5))


class TestAgainstScikitLearn:
    @pytest.mark.parametrize("case", predictions())
    @pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
    def test_scores(self, case):
        y_true, y_pred = predictions()[case]
        report = EvaluationReport.from_predictions(y_true, y_pred, n_resamples=20)
        for name, score in SCORES.items():
            assert report.scores[name].value == pytest.approx(score(y_true, y_pred)), name

    @pytest.mark.parametrize("case", predictions())
    def test_classes(self, case):
        y_true, y_pred = predictions()[case]
        classes = np.unique([*y_true, *y_pred])
        report = EvaluationReport.from_predictions(y_true, y_pred, n_resamples=20)
        *expected, support = metrics.precision_recall_fscore_support(
            y_true, y_pred, labels=classes, zero_division=0
        )
        for name, values in zip(("precision", "recall", "f1"), expected, strict=True):
            np.testing.assert_allclose([e.value for e in report.class_scores[name]], values)
        np.testing.assert_array_equal(report.support, support)
        np.testing.assert_array_equal(
            report.confusion_matrix, metrics.confusion_matrix(y_true, y_pred, labels=classes)
        )

    @pytest.mark.parametrize("classes", [CELLS, ["monocyte", "platelet"]], ids=len)
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    def test_probabilities(self, classes, dtype):
        y_true, y_pred = draw(150, classes)
        y_proba = draw_probabilities(y_true, len(classes)).astype(dtype)
        scores = EvaluationReport.from_predictions(y_true, y_pred, y_proba).scores
        as_floats = y_proba.astype(float) / y_proba.sum(axis=1, dtype=float, keepdims=True)
        loss = metrics.log_loss(y_true, as_floats, labels=classes)
        assert scores["log_loss"].value == pytest.approx(loss, rel=1e-4)
        brier = metrics.brier_score_loss(
            y_true, as_floats if len(classes) > 2 else as_floats[:, 1], **brier_labels(classes)
        )
        assert scores["brier_score_loss"].value == pytest.approx(brier, rel=1e-5)

    def test_probabilities_of_a_class_without_image(self):
        y_true, y_pred = draw(150)
        y_true = without(y_true, "platelet")
        y_proba = draw_probabilities(y_true, 5)
        report = EvaluationReport.from_predictions(y_true, y_pred, y_proba, classes=CELLS)
        loss = metrics.log_loss(y_true, y_proba, labels=CELLS)
        assert report.scores["log_loss"].value == pytest.approx(loss)

    def test_a_probability_of_zero(self):
        report = EvaluationReport.from_predictions(["a", "b"], ["a", "a"], [[1, 0], [1, 0]])
        loss = metrics.log_loss(["a", "b"], np.array([[1.0, 0], [1, 0]]))
        assert report.scores["log_loss"].value == pytest.approx(loss)

    def test_calibration_error(self):
        y_true, y_pred = draw(400)
        y_proba = draw_probabilities(y_true, 5)
        y_proba[0] = [1, 0, 0, 0, 0]  # on the upper edge of the last bin
        report = EvaluationReport.from_predictions(y_true, y_pred, y_proba)
        confidence = y_proba.max(axis=1)
        right = np.array(CELLS)[y_proba.argmax(axis=1)] == y_true
        edges = np.linspace(0, 1, 16)
        expected = 0
        for i in range(15):
            inside = (confidence >= edges[i]) & (confidence < edges[i + 1] + (i == 14))
            if inside.any():
                gap = abs(confidence[inside].mean() - right[inside].mean())
                expected += inside.mean() * gap
        found = report.scores["expected_calibration_error"]
        assert found.value == pytest.approx(expected)
        assert math.isnan(found.low) and math.isnan(found.high)


def brier_labels(classes):
    return {"labels": classes} if len(classes) > 2 else {"pos_label": classes[1]}


class TestClasses:
    def test_that_no_image_has(self):
        report = EvaluationReport.from_predictions(["a", "b"], ["a", "b"], classes=["a", "b", "c"])
        assert report.confusion_matrix.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
        assert report.scores["f1_macro"].value == 1
        for estimates in report.class_scores.values():
            assert estimates[2].value == 0
            assert math.isnan(estimates[2].low)

    def test_in_the_order_given(self):
        y_true, y_pred = draw(50)
        y_proba = draw_probabilities(y_true, 5)
        back = EvaluationReport.from_predictions(
            y_true, y_pred, y_proba[:, ::-1], classes=CELLS[::-1]
        )
        report = EvaluationReport.from_predictions(y_true, y_pred, y_proba, classes=CELLS)
        assert back.classes == CELLS[::-1]
        for name, each in report.scores.items():
            assert back.scores[name].value == pytest.approx(each.value)
        np.testing.assert_array_equal(back.confusion_matrix, report.confusion_matrix[::-1, ::-1])

    def test_labels_in_all_forms(self):
        y_true, y_pred = draw(30)
        expected = EvaluationReport.from_predictions(y_true, y_pred).to_dict()
        for form in (list, pd.Series, lambda y: y.astype(object), pd.Categorical):
            found = EvaluationReport.from_predictions(form(y_true), form(y_pred))
            assert found.to_dict() == expected

    def test_unknown_labels_are_named(self):
        with pytest.raises(ValueError, match=r"`y_true` holds 3 labels .*\['a', 'b'\]: 'x', 'y'\."):
            EvaluationReport.from_predictions(list("axxy"), list("abab"), classes=["a", "b"])
        with pytest.raises(ValueError, match=r"`y_pred` holds 1 labels .*: 'x'"):
            EvaluationReport.from_predictions(["a"], ["x"], classes=["a", "b"])
        with pytest.raises(ValueError, match=r"`y_true` holds 1 labels .*: nan"):
            EvaluationReport.from_predictions([1.0, np.nan], [1, 2], classes=[1, 2])

    def test_labels_of_two_kinds(self):
        with pytest.raises(ValueError, match=r"of the kinds \['int', 'str'\], which are never eq"):
            EvaluationReport.from_predictions([0, 1], ["0", "1"])

    def test_classes_that_are_none(self):
        with pytest.raises(ValueError, match=r"must be different labels, got \['a', 'a'\]"):
            EvaluationReport.from_predictions(["a"], ["a"], classes=["a", "a"])
        with pytest.raises(ValueError, match="`classes` is empty"):
            EvaluationReport.from_predictions(["a"], ["a"], classes=[])


class TestBadInput:
    def test_lengths(self):
        with pytest.raises(ValueError, match="`y_true` 3, `y_pred` 2"):
            EvaluationReport.from_predictions(list("aba"), list("ab"))
        with pytest.raises(ValueError, match="`y_true` 2, `groups` 3"):
            EvaluationReport.from_predictions(list("ab"), list("ab"), groups=[1, 2, 3])

    def test_nothing(self):
        with pytest.raises(ValueError, match="nothing to score: `y_true` is empty"):
            EvaluationReport.from_predictions([], [])

    def test_shape_of_probabilities(self):
        with pytest.raises(ValueError, match=r"shape \(2, 2\) for the classes .*; it has \(2,\)"):
            EvaluationReport.from_predictions(["a", "b"], ["a", "b"], [0.3, 0.7])

    @pytest.mark.parametrize("row", [[0.5, 0.6], [-0.5, 1.5], [np.nan, 1], [2.0, -1.0], [3.1, 1.2]])
    def test_values_of_probabilities(self, row):
        with pytest.raises(ValueError, match="1 rows do not, the first being row 1: "):
            EvaluationReport.from_predictions(["a", "b"], ["a", "b"], [[0.5, 0.5], row])

    @pytest.mark.parametrize("level", [0, 1, 95])
    def test_confidence_level(self, level):
        with pytest.raises(ValueError, match=f"must be between 0 and 1, not {level}"):
            EvaluationReport.from_predictions(["a"], ["a"], confidence_level=level)

    def test_n_resamples(self):
        with pytest.raises(ValueError, match="`n_resamples` must be at least 1, got 0"):
            EvaluationReport.from_predictions(["a"], ["a"], n_resamples=0)

    def test_one_group(self):
        with pytest.raises(ValueError, match="`groups` holds one group only"):
            EvaluationReport.from_predictions(["a", "b"], ["a", "b"], groups=["slide", "slide"])

    @pytest.mark.parametrize("missing", [None, np.nan])
    def test_missing_groups(self, missing):
        with pytest.raises(ValueError, match=r"`groups` lacks 1 entries .* at position 1\."):
            EvaluationReport.from_predictions(list("aba"), list("aba"), groups=[1, missing, 2])

    def test_nothing_is_changed(self):
        y_true, y_pred = draw(30)
        y_proba = draw_probabilities(y_true, 5)
        before = y_true.copy(), y_pred.copy(), y_proba.copy()
        state = np.random.get_state()[1].copy()
        EvaluationReport.from_predictions(y_true, y_pred, y_proba, random_state=None)
        for was, now in zip(before, (y_true, y_pred, y_proba), strict=True):
            np.testing.assert_array_equal(was, now)
        np.testing.assert_array_equal(state, np.random.get_state()[1])


class TestForms:
    def test_text(self, report):
        lines = str(report).splitlines()
        assert lines[0] == "300 images, 5 classes; intervals of 95% confidence"
        accuracy = report.scores["accuracy"]
        found = next(line for line in lines if line.startswith("accuracy"))
        assert found.split(None, 1)[1] == str(accuracy)
        assert str(accuracy) == f"{accuracy.value:.3f} [{accuracy.low:.3f}, {accuracy.high:.3f}]"
        table = [line for line in lines if line.split(None, 1)[:1] in [[name] for name in CELLS]]
        assert len(table) == 5
        assert [int(line.split()[-1]) for line in table] == report.support.tolist()
        widths = {len(line) for line in table}
        assert len(widths) == 1 and widths.pop() <= 100

    def test_text_of_confusions(self, report):
        first = report.confusions[0]
        n = report.support[CELLS.index(first.true)]
        line = (
            f"  {first.count} of {n} {first.true} taken for {first.predicted} ({first.share:.1%})"
        )
        assert line in str(report).splitlines()
        assert str(report).count(" taken for ") == 5

    def test_text_without_confusions(self):
        text = str(EvaluationReport.from_predictions(["a", "b"], ["a", "b"]))
        assert "confusions" not in text

    def test_text_of_groups(self):
        report = EvaluationReport.from_predictions(list("abab"), list("abaa"), groups=[1, 1, 2, 2])
        assert str(report).startswith("4 images in 2 groups, 2 classes;")

    def test_repr(self, report):
        accuracy, f1 = (report.scores[name].value for name in ("accuracy", "f1_macro"))
        expected = f"EvaluationReport(n_images=300, accuracy={accuracy:.3f}, f1_macro={f1:.3f})"
        assert repr(report) == expected

    def test_dict_is_json(self, report):
        found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        assert found == report.to_dict()
        assert found["n_images"] == sum(found["support"]) == 300
        assert found["n_groups"] is None
        assert found["classes"] == CELLS
        assert found["confusion_matrix"] == report.confusion_matrix.tolist()
        accuracy = report.scores["accuracy"]
        assert found["scores"]["accuracy"] == {
            "value": accuracy.value,
            "low": accuracy.low,
            "high": accuracy.high,
        }
        assert found["scores"]["expected_calibration_error"]["low"] is None
        assert [each["value"] for each in found["class_scores"]["recall"]] == [
            each.value for each in report.class_scores["recall"]
        ]

    def test_dict_of_numbers_as_labels(self):
        numbers = np.array([3, 4], dtype=np.int16)
        for y in (numbers, np.array(list(numbers), dtype=object)):
            found = EvaluationReport.from_predictions(y, y, groups=numbers).to_dict()
            assert json.loads(json.dumps(found, allow_nan=False)) == found
            assert found["n_groups"] == 2

    def test_frame(self, report):
        frame = report.to_frame()
        assert frame.index.tolist() == CELLS and frame.index.name == "class"
        names = [f"{name}{end}" for name in report.class_scores for end in ("", "_low", "_high")]
        assert frame.columns.tolist() == [*names, "support"]
        for i, label in enumerate(CELLS):
            row = frame.loc[label]
            assert tuple(row[["f1", "f1_low", "f1_high"]]) == report.class_scores["f1"][i]

    def test_confusions(self, report):
        y_true, y_pred = draw(300)
        wrong = report.confusions
        assert sum(each.count for each in wrong) == (y_true != y_pred).sum()
        counts = [each.count for each in wrong]
        assert counts == sorted(counts, reverse=True)
        for each in wrong:
            assert each.count == ((y_true == each.true) & (y_pred == each.predicted)).sum()
            assert each.share == each.count / (y_true == each.true).sum()

    def test_plot(self, report):
        display = report.plot()
        shares = metrics.confusion_matrix(*draw(300), normalize="true")
        np.testing.assert_allclose(display.im_.get_array(), shares)
        count = report.confusion_matrix[0, 0]
        assert display.text_[0, 0].get_text() == f"{count}\n{shares[0, 0]:.1%}"
        assert [each.get_text() for each in display.ax_.get_xticklabels()] == CELLS
        display.figure_.canvas.draw()

    def test_plot_into_axes(self, report):
        _, ax = plt.subplots()
        assert report.plot(ax=ax).ax_ is ax
        assert len(plt.get_fignums()) == 1

    def test_plot_of_a_class_without_image(self):
        report = EvaluationReport.from_predictions(["a"], ["a"], classes=["a", "b"])
        assert [text.get_text() for text in report.plot().text_.ravel()] == [
            "1\n100.0%",
            "",
            "",
            "",
        ]
