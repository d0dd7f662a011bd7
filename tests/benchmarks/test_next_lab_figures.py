"""The figures of the benchmark of the next laboratory, its table and its picture."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.next_lab._figures import CURVE, Reading, figures_of
from benchmarks.next_lab._page import as_markdown, missed
from benchmarks.next_lab._picture import draw_picture

pytestmark = pytest.mark.slow


def one_hot(codes, n_classes=3, sure=0.8):
    """Return probabilities whose highest is that of the code."""
    rest = (1 - sure) / (n_classes - 1)
    return np.full((len(codes), n_classes), rest) + np.eye(n_classes)[codes] * (sure - rest)


class TestFigures:
    """Class 2 is not there, class 1 is rarer than 20 cells."""

    codes = np.repeat([0, 1], [40, 10])

    def reading(self, predicted, **more):
        return Reading(np.arange(50), one_hot(np.asarray(predicted)), **more)

    def test_each_kind_of_accuracy(self):
        # Of class 0 10 of 40 are taken for class 2, of class 1 5 of 10 for class 0.
        predicted = np.repeat([2, 0, 0, 1], [10, 30, 5, 5])
        figures = figures_of([self.reading(predicted)], self.codes)
        assert figures.pop("steps") == {}
        values = {name: each["value"] for name, each in figures.items() if isinstance(each, dict)}
        assert values["accuracy"] == pytest.approx(35 / 50)
        assert values["balanced_accuracy"] == pytest.approx((0.75 + 0.5) / 2)
        # Without class 2 the two others are equally probable: the first is class 0.
        assert values["balanced_accuracy_among_present"] == pytest.approx((1 + 0.5) / 2)
        assert values["balanced_accuracy_often"] == pytest.approx(0.75)
        assert values["accuracy_rare"] == pytest.approx(0.5)
        assert figures["n_cells"] == 50 and figures["n_readings"] == 1
        for name in ("accuracy", "balanced_accuracy", "accuracy_rare"):
            assert figures[name]["low"] < values[name] < figures[name]["high"]
        # 40 cells: about 0.75 +- 1.96 * sqrt(0.75 * 0.25 / 40)
        width = (
            figures["balanced_accuracy_often"]["high"] - figures["balanced_accuracy_often"]["low"]
        )
        assert width == pytest.approx(0.27, abs=0.04)

    def test_calibration_error(self):
        figures = figures_of([self.reading(self.codes)], self.codes)
        assert figures["expected_calibration_error"] == pytest.approx(0.2)

    def test_readings_are_averaged_and_their_spread_is_kept(self):
        wrong = np.where(np.arange(50) < 10, 2, self.codes)
        readings = [
            self.reading(self.codes, seconds=1.0, steps="output"),
            self.reading(wrong, seconds=3.0, steps="unchanged"),
        ]
        figures = figures_of(readings, self.codes)
        assert figures["balanced_accuracy_often"]["value"] == pytest.approx((1 + 0.75) / 2)
        assert (figures["spread"]["low"], figures["spread"]["high"]) == (0.75, 1.0)
        assert figures["seconds"] == 2.0
        assert figures["steps"] == {"output": 1, "unchanged": 1}

    def test_cells_that_are_not_read_do_not_count(self):
        rows = np.arange(10, 50)
        predicted = np.where(np.arange(50) < 10, 2, self.codes)
        reading = Reading(rows, one_hot(predicted[rows]), labelled=10)
        figures = figures_of([reading], self.codes)
        assert figures["balanced_accuracy"]["value"] == 1.0
        assert figures["n_cells"] == 40 and figures["labelled"] == 10

    def test_the_surest_are_kept(self):
        right = one_hot(self.codes[:25], sure=0.9)
        wrong = one_hot(1 - self.codes[25:], sure=0.6)
        reading = Reading(np.arange(50), np.concatenate([right, wrong]))
        figures = figures_of([reading], self.codes)
        assert figures["accuracy_at_0.5"]["value"] == 1.0
        assert figures["accuracy_at_0.8"]["value"] == pytest.approx(25 / 40)
        assert len(figures["curve"]) == len(CURVE)
        assert figures["curve"][0] == 1.0 and figures["curve"][-1] == pytest.approx(0.5)

    def test_coverage_of_cells_and_of_classes(self):
        sets = np.zeros((50, 3), bool)
        sets[:20, 0] = sets[:, 1] = True  # of class 0 a half, of class 1 all
        figures = figures_of([self.reading(self.codes, sets=sets)], self.codes)
        assert figures["coverage"]["value"] == pytest.approx(30 / 50)
        assert figures["class_coverage"]["value"] == pytest.approx(0.75)
        assert figures["set_size"] == pytest.approx(70 / 50)
        assert "coverage" not in figures_of([self.reading(self.codes)], self.codes)

    def test_a_laboratory_of_rare_classes(self):
        codes = np.repeat([0, 1], 5)
        figures = figures_of([Reading(np.arange(10), one_hot(codes))], codes)
        assert figures["accuracy_rare"]["value"] == 1.0
        assert "balanced_accuracy_often" not in figures and "spread" not in figures


def stored(values, notes=()):
    """Return a row of results whose figures are those of some cells, so many of which are right."""
    codes = np.repeat([0, 1], 100)

    def figures(right):
        predicted = np.where(np.arange(200) % 100 < 100 * right, codes, 2)
        reading = Reading(np.arange(200), one_hot(predicted), one_hot(predicted) > 0.5)
        return figures_of([reading, reading], codes)

    states = {state: figures(right) for state, right in values.items()}
    origin = {"machine": "a machine", "versions": {"python": "3"}, "date": "today"}
    return {"notes": list(notes), "figures": {"model": states, "plain": states}, **origin}


ELSEWHERE = {"zero-shot": 0.7, "unlabelled": 0.8, "unlabelled, others": 0.8, "10 labelled": 0.95}


class TestPage:
    def test_a_line_for_each_state_of_each_model(self):
        page = as_markdown({"home": stored({"home": 0.99}), "there": stored(ELSEWHERE, ["a note"])})
        lines = [line for line in page.splitlines() if line.startswith("| `")]
        assert len(lines) == 2 + 8
        assert lines[2].startswith("| `there` | model | zero-shot | 0 | 200 | 0.700 [0.6")
        assert "0.700..0.700" in lines[2]
        assert "- a note" in page and "a machine" in page
        widths = {line.count("|") for line in page.splitlines() if line.startswith("|")}
        assert len(widths) == 1

    def test_bars_are_those_of_the_model(self):
        assert missed({"home": stored({"home": 0.99})}) == []
        below = {"home": stored({"home": 0.98}), "wbc_tecom": stored(ELSEWHERE)}
        assert missed(below) == [
            "home, home (accuracy)",
            "wbc_tecom, zero-shot (balanced_accuracy)",
        ]
        assert as_markdown(below).count("**missed**") == 2
        assert missed({"there": stored(ELSEWHERE)}) == []


class TestPicture:
    def test_two_pictures_for_each_laboratory(self, tmp_path):
        path = tmp_path / "next_lab.png"
        results = {"home": stored({"home": 0.99}), "there": stored(ELSEWHERE)}
        figure = draw_picture(results, path)
        curves, labelled = figure.axes
        assert len(curves.lines) == 2 * 3 and len(labelled.lines) == 2 * 2
        assert labelled.lines[0].get_xdata().tolist() == [0, 3]
        assert labelled.lines[0].get_ydata() == pytest.approx([0.7, 0.95])
        with Image.open(path) as image:
            assert image.size == (900, 300)

    def test_unlabelled_cells_beside_labelled_ones_are_a_line_more(self, tmp_path):
        there = stored(ELSEWHERE | {"10 labelled, rest unlabelled": 0.97})
        figure = draw_picture({"there": there}, tmp_path / "a.png")
        lines = {line.get_label(): line for line in figure.axes[1].lines}
        assert lines["model, labelled, rest unlabelled"].get_ydata() == pytest.approx([0.7, 0.97])

    def test_home_alone_has_none(self, tmp_path):
        assert draw_picture({"home": stored({"home": 0.99})}, tmp_path / "a.png") is None
        assert not list(tmp_path.iterdir())
