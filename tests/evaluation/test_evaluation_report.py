"""Evaluation report: scores equal scikit-learn's; text, table, dict and figure agree."""

import json
import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn import metrics

from skblood._writing import printable
from skblood.evaluation import EvaluationReport

CELLS = ["basophil", "ig", "lymphocyte", "monocyte", "platelet"]
SCORES = {
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "f1_macro": lambda y, p: metrics.f1_score(y, p, average="macro", zero_division=0),
    "f1_weighted": lambda y, p: metrics.f1_score(y, p, average="weighted", zero_division=0),
    "matthews_corrcoef": metrics.matthews_corrcoef,
}


def make_report(*args, **options):
    return EvaluationReport.from_predictions(*args, **{"n_resamples": 20} | options)


def draw(n, classes=CELLS, *, correct=0.8, seed=0):
    """Return labels, most of them in the first classes, and predictions of them."""
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1, len(classes) + 1)
    y_true = rng.choice(classes, size=n, p=shares / shares.sum())
    return y_true, np.where(rng.random(n) < correct, y_true, rng.choice(classes, size=n))


def draw_probabilities(n, n_classes, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(n_classes, 0.4), size=n)


def without(y, label):
    """Return the labels with another one in place of `label`."""
    return np.where(y == label, CELLS[0], y)


def predictions():
    y_true, y_pred = draw(200)
    return {
        "several classes": (y_true, y_pred),
        "two classes of numbers": draw(100, [7, 30]),
        "no image of a class": (without(y_true, "ig"), y_pred),
        "a class never predicted": (y_true, without(y_pred, "ig")),
        "all wrong": (["a"] * 5 + ["b"] * 5, ["b"] * 5 + ["a"] * 5),
        "one prediction for all": (["a"] * 5 + ["b"] * 5, ["b"] * 10),
        "two images": (["a", "a"], ["a", "b"]),
        "many images": draw(200_000, [0, 1, 2]),
    }


@pytest.fixture(scope="module")
def report():
    y_true, y_pred = draw(300)
    return EvaluationReport.from_predictions(y_true, y_pred, draw_probabilities(300, 5))


class TestAgainstScikitLearn:
    @pytest.mark.parametrize("case", predictions())
    @pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
    def test_labels(self, case):
        y_true, y_pred = predictions()[case]
        classes = np.unique([*y_true, *y_pred])
        report = make_report(y_true, y_pred)
        for name, score in SCORES.items():
            expected = score(y_true, y_pred)
            if name == "matthews_corrcoef" and len(set(y_true)) == 1:
                expected = np.nan  # scikit-learn returns 0
            assert report.scores[name].value == pytest.approx(expected, nan_ok=True), name
        *expected, support = metrics.precision_recall_fscore_support(
            y_true, y_pred, labels=classes, zero_division=np.nan
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
        y_proba = draw_probabilities(150, len(classes)).astype(dtype)
        scores = make_report(y_true, y_pred, y_proba).scores
        exact = y_proba.astype(float) / y_proba.sum(axis=1, dtype=float, keepdims=True)
        loss = metrics.log_loss(y_true, exact, labels=classes)
        assert scores["log_loss"].value == pytest.approx(loss, rel=1e-4)
        brier = metrics.brier_score_loss(y_true, exact, labels=classes, scale_by_half="auto")
        assert scores["brier_score_loss"].value == pytest.approx(brier, rel=1e-5)


class TestClasses:
    def test_a_class_without_images(self):
        report = make_report(["a", "b"], ["a", "b"], classes=["a", "b", "c"])
        assert report.confusion_matrix.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
        assert report.scores["f1_macro"].value == 1
        for estimates in report.class_scores.values():
            assert np.isnan(estimates[2]).all()
        display = report.plot()
        assert [text.get_text() for text in display.text_.flat if text.get_text()] == [
            "1\n100.0%"
        ] * 2
        assert "None is predicted, so that f1_macro leaves them out" in str(report)

    def test_absent_classes_are_named_and_their_recall_is_blank(self):
        """A model of eight classes on images of five."""
        y_true = list("aabbbccdde")
        y_pred = list("aabbfccdgg")
        report = make_report(y_true, y_pred, classes=list("abcdefgh"))
        text = " ".join(str(report).split())
        assert "3 of the model's 8 classes have no image here: f, g, h." in text
        assert "counts as 0 those that images are predicted as: f (1), g (2)." in text
        assert report.absent_classes == report.to_dict()["absent_classes"] == ["f", "g", "h"]
        table = {line.split()[0]: line for line in str(report).splitlines() if line[:2].strip()}
        assert table["h"].split() == ["h", "0"]
        assert table["f"].count("[") == 2 and table["a"].count("[") == 3
        assert report.to_dict()["class_scores"]["recall"][5]["value"] is None
        frame = report.to_frame()
        assert frame.loc["f", ["recall", "recall_low", "recall_high"]].isna().all()
        assert frame.loc["e", "recall"] == 0
        assert frame.to_csv().splitlines()[-1] == "h,,,,,,,,,,0"
        assert "no image" not in str(make_report(list("ab"), list("ab")))
        one = str(make_report(["a"], ["b"], classes=["a", "b"]))
        assert "1 of the model's 2 classes has no image here: b." in one

    def test_one_class(self):
        """Its agreement with predictions cannot be told from chance."""
        report = make_report(["a"] * 5, ["a"] * 4 + ["b"])
        assert math.isnan(report.scores["matthews_corrcoef"].value)
        assert report.to_dict()["scores"]["matthews_corrcoef"] == {
            "value": None,
            "low": None,
            "high": None,
        }
        lines = str(report).splitlines()
        assert "matthews_corrcoef  undefined, since all images are of one class" in lines

    def test_the_given_order_is_kept(self):
        y_true, y_pred = draw(50)
        y_proba = draw_probabilities(50, 5)
        back = make_report(y_true, y_pred, y_proba[:, ::-1], classes=CELLS[::-1])
        report = make_report(y_true, y_pred, y_proba, classes=CELLS)
        assert back.classes == CELLS[::-1]
        for name, each in report.scores.items():
            assert back.scores[name].value == pytest.approx(each.value)
        np.testing.assert_array_equal(back.confusion_matrix, report.confusion_matrix[::-1, ::-1])


class TestErrors:
    @pytest.mark.parametrize(
        ("args", "options", "message"),
        [
            ("axxy abab", {"classes": ["a", "b"]}, r"`y_true` holds 3 labels .*: 'x', 'y'\."),
            ("a x", {"classes": ["a", "b"]}, r"`y_pred` holds 1 labels .*: 'x'"),
            ("a a", {"classes": ["a", "a"]}, r"must be different labels.* got \['a', 'a'\]"),
            ("aba ab", {}, "`y_true` 3, `y_pred` 2"),
            ("ab ab", {"groups": [1, 2, 3]}, "`images` 2, `groups` 3"),
            ("ab ab", {"groups": ["A", "A"]}, "`groups` holds a single group"),
            ("ab ab", {"groups": [1, None]}, "`groups` has 1 missing .* at position 1"),
            ("ab ab", {"y_proba": [0.3, 0.7]}, r"shape \(2, 2\); it has shape \(2,\)"),
            ("a a", {"confidence_level": 95}, "must be between 0 and 1, not 95"),
            ("a a", {"n_resamples": 0}, "`n_resamples` must be at least 1, got 0"),
        ],
    )
    def test_input(self, args, options, message):
        with pytest.raises(ValueError, match=message):
            make_report(*map(list, args.split()), **options)
        with pytest.raises(ValueError, match="`y_true` is empty"):
            make_report([], [], classes=["a"])

    @pytest.mark.parametrize("row", [[0.5, 0.6], [-0.5, 1.5], [np.nan, 1]])
    def test_values_of_probabilities(self, row):
        with pytest.raises(ValueError, match="1 rows do not, the first is row 1") as info:
            make_report(["a", "b"], ["a", "b"], [[0.5, 0.5], row])
        assert "1.5" not in str(info.value)  # no data in the message


class TestOutput:
    def test_text(self, report):
        lines = str(report).splitlines()
        assert lines[0] == "300 images, 5 classes; intervals of 95% confidence"
        accuracy = report.scores["accuracy"]
        assert str(accuracy) == f"{accuracy.value:.3f} [{accuracy.low:.3f}, {accuracy.high:.3f}]"
        assert f"accuracy                    {accuracy}" in lines
        table = [line for line in lines if line.split(None, 1)[:1] in [[name] for name in CELLS]]
        assert [int(line.split()[-1]) for line in table] == report.support.tolist()
        assert len({len(line) for line in table}) == 1 and len(table[0]) <= 100
        first = report.confusions[0]
        n = report.support[CELLS.index(first.true)]
        pair = f"{first.true} predicted as {first.predicted}"
        assert f"  {first.count} of {n} {pair} ({first.share:.1%})" in lines
        assert str(report).count(" predicted as ") == 5
        f1 = report.scores["f1_macro"].value
        assert repr(report) == (
            f"EvaluationReport(n_images=300, accuracy={accuracy.value:.3f}, f1_macro={f1:.3f})"
        )

        text = str(make_report(list("abab"), list("abab"), groups=[1, 1, 2, 2]))
        assert text.startswith("4 images in 2 groups, 2 classes;")
        assert "confusions" not in text

    def test_text_has_no_control_characters(self):
        """Also of classes without images, which are named apart."""
        names = ["a", "\x1b[31mb", "\x9bc"]
        text = str(make_report(["a"], names[1:2], classes=names))
        assert r"no image here: \x1b[31mb, \x9bc." in text and r"as: \x1b[31mb (1)" in text
        assert printable(text) == text

    def test_dict_is_json(self, report):
        found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        assert found == report.to_dict()
        assert found["n_images"] == sum(found["support"]) == 300
        assert (found["n_groups"], found["classes"]) == (None, CELLS)
        assert found["confusion_matrix"] == report.confusion_matrix.tolist()
        assert found["scores"]["accuracy"] == report.scores["accuracy"]._asdict()
        assert found["scores"]["expected_calibration_error"]["low"] is None
        recall = report.class_scores["recall"]
        assert found["class_scores"]["recall"] == [each._asdict() for each in recall]

    @pytest.mark.parametrize("dtype", [np.int16, object])
    def test_dict_of_numbers_as_labels(self, dtype):
        y = np.array(list(np.array([3, 4], np.int16)), dtype)
        found = make_report(y, y, groups=y).to_dict()
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        assert found["n_groups"] == 2

    def test_frame(self, report):
        frame = report.to_frame()
        assert frame.index.tolist() == CELLS and frame.index.name == "class"
        names = [f"{name}{end}" for name in report.class_scores for end in ("", "_low", "_high")]
        assert frame.columns.tolist() == [*names, "support"]
        row = frame.loc[CELLS[2]]
        assert tuple(row[["f1", "f1_low", "f1_high"]]) == report.class_scores["f1"][2]

    def test_confusions(self, report):
        y_true, y_pred = draw(300)
        assert sum(each.count for each in report.confusions) == (y_true != y_pred).sum()
        counts = [each.count for each in report.confusions]
        assert counts == sorted(counts, reverse=True)
        for each in report.confusions:
            assert each.count == ((y_true == each.true) & (y_pred == each.predicted)).sum()
            assert each.share == each.count / (y_true == each.true).sum()

    def test_plot(self, report):
        _, ax = plt.subplots()
        display = report.plot(ax=ax)
        assert display.ax_ is ax and len(plt.get_fignums()) == 1
        shares = metrics.confusion_matrix(*draw(300), normalize="true")
        np.testing.assert_allclose(display.im_.get_array(), shares)
        count = report.confusion_matrix[0, 0]
        assert display.text_[0, 0].get_text() == f"{count}\n{shares[0, 0]:.1%}"
        assert [each.get_text() for each in ax.get_xticklabels()] == CELLS
        display.figure_.canvas.draw()


class TestCells:
    """The table of the single predictions."""

    def test_columns(self):
        y_true, y_pred = draw(20)
        y_proba = draw_probabilities(20, 5)
        names = [f"cells/{i}.png" for i in range(20)]
        slides = np.arange(20) // 4
        report = make_report(
            y_true, y_pred, y_proba, classes=CELLS, groups=slides, names=map(Path, names)
        )
        probabilities = [f"p_{label}" for label in CELLS]
        expected = ["path", "true", "label", "probability", *probabilities, "group"]
        assert list(report.cells) == expected
        assert report.cells["path"].tolist() == names
        assert report.cells["true"].tolist() == y_true.tolist()
        assert report.cells["label"].tolist() == y_pred.tolist()
        assert report.cells["group"].tolist() == slides.tolist()
        columns = [CELLS.index(label) for label in y_pred]
        np.testing.assert_array_equal(report.cells["probability"], y_proba[range(20), columns])
        np.testing.assert_array_equal(report.cells[probabilities], y_proba)

    def test_what_is_not_given_is_left_out(self):
        assert list(make_report([1, 2], [1, 1]).cells) == ["true", "label"]
        with pytest.raises(ValueError, match="`images` 2, `names` 1"):
            make_report([1, 2], [1, 1], names=["a"])
