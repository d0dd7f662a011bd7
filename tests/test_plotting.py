"""Style of all figures: contrast, ticks, legends beside the data, names, the user's settings."""

from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from skblood import audit
from skblood._plotting import COLORS, DASHES, MARKERS, RIGHT, WRONG, text_color, wrap
from skblood.evaluation import (
    CellGridDisplay,
    CellSampleDisplay,
    ClassDistributionDisplay,
    EvaluationReport,
    HistoryDisplay,
    compare_differentials,
    compare_models,
    differential_count,
)
from skblood.explain import ExplanationDisplay
from skblood.uncertainty import AccuracyCoverageDisplay

LONG = "immature granulocytes (myelocytes, metamyelocytes and promyelocytes)"
NAMES = [LONG, "band_neutrophil_without_segments", *(f"class_{i}_of_many" for i in range(10))]
RNG = np.random.default_rng(0)
TRUE = RNG.choice(NAMES, 1500)
PREDICTED = np.where(RNG.random(1500) < 0.6, TRUE, RNG.choice(NAMES, 1500))
SLIDES = RNG.choice(["slide a", "slide b", "slide c", "slide d"], 1500)
CELL = np.full((8, 8, 3), 200, np.uint8)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def contrast(color, background):
    """Contrast ratio of WCAG 2."""

    def luminance(color):
        rgb = np.array(mpl.colors.to_rgb(color))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ (0.2126, 0.7152, 0.0722)

    low, high = sorted([luminance(color), luminance(background)])
    return (high + 0.05) / (low + 0.05)


def draw_history():
    epochs = np.arange(1, 13)
    scores = {"valid_accuracy": 1 - 0.5 / epochs, "valid_f1_macro": 1 - 0.7 / epochs}
    phases = ["contrastive"] * 6 + ["head"] * 6
    losses = {"valid_loss": 3 / epochs, "phases": phases}
    return HistoryDisplay(epochs, 2 / epochs, scores=scores, best_epoch=9, **losses).plot()


def draw_coverage():
    confidence = RNG.random(1500)
    display = AccuracyCoverageDisplay.from_predictions(TRUE, PREDICTED, confidence, name="one")
    options = {"name": "the other, with a long name", "ax": display.ax_}
    return AccuracyCoverageDisplay.from_predictions(TRUE, PREDICTED, -confidence, **options)


def draw_differential():
    return differential_count(PREDICTED, groups=SLIDES).plot().figure


def draw_comparison(kind):
    counts = [differential_count(y, groups=SLIDES) for y in (TRUE, PREDICTED)]
    return compare_differentials(*counts, method="deming", names=("reader", "model")).plot(kind)


def draw_models():
    reports = [EvaluationReport.from_predictions(TRUE, y) for y in (PREDICTED, TRUE)]
    return compare_models(*reports, names=("old", "new")).plot().figure


def draw_explanation():
    neighbors = {"neighbors": [[CELL] * 2], "neighbor_labels": [["ig", LONG]]}
    maps = {"maps": np.ones((1, 4, 4)), "distances": [[0.1, 0.2]]}
    return ExplanationDisplay(
        [CELL], y_pred=[LONG], probabilities=[0.9], **neighbors, **maps
    ).plot()


DRAW = {
    "history": draw_history,
    "confusion": lambda: EvaluationReport.from_predictions(TRUE, PREDICTED).plot(),
    "distribution": lambda: ClassDistributionDisplay.from_labels(TRUE, split=SLIDES),
    "coverage": draw_coverage,
    "differential": draw_differential,
    "regression": lambda: draw_comparison("regression"),
    "bland-altman": lambda: draw_comparison("bland-altman"),
    "models": draw_models,
    "grid": lambda: CellGridDisplay([CELL] * 2, [LONG] * 2, [LONG, "ig"]).plot(),
    "sample": lambda: CellSampleDisplay([[CELL] * 3] * 2, [LONG, "ig"], [3, 3]).plot(),
    "explanation": draw_explanation,
    "audit": lambda: audit(np.stack([CELL, CELL]), ["ig", LONG]).plot(),
}
CURVES = ("history", "distribution", "coverage", "differential", "regression", "bland-altman")


def draw(kind):
    """Return the figure of one of the displays, with everything at its place."""
    drawn = DRAW[kind]()
    figure = getattr(drawn, "figure_", drawn)
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("kind", DRAW)
def test_the_users_settings_are_left_alone_and_do_not_matter(kind):
    user = {"font.size": 21, "axes.grid": True, "legend.loc": "center", "text.usetex": True}
    with mpl.rc_context(user):
        before = dict(mpl.rcParams)
        figure = draw(kind)
        assert dict(mpl.rcParams) == before
    texts = [text for text in figure.findobj(mpl.text.Text) if text.get_text()]
    assert 7 <= min(text.get_size() for text in texts)
    assert max(text.get_size() for text in texts) <= 10
    if kind not in {*CURVES, "models"}:  # no lines across the cells
        assert not any(line.get_visible() for ax in figure.axes for line in ax.get_xgridlines())


@pytest.mark.parametrize("kind", CURVES)
def test_legends_lie_outside_and_a_grid_behind_the_data(kind):
    figure = draw(kind)
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]
    assert legends
    boxes = [legend.get_window_extent() for legend in legends]
    for ax in figure.axes:
        assert not any(ax.bbox.overlaps(box.padded(-1)) for box in boxes)
        title = ax.title.get_window_extent()
        assert not ax.get_title() or not any(title.overlaps(box.padded(-1)) for box in boxes)
        lines = [line for line in ax.get_xgridlines() if line.get_visible()]
        assert lines and ax.get_axisbelow() is True
        assert ax.get_xlabel() and ax.get_ylabel()
    for box in boxes:
        assert box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1


@pytest.mark.parametrize("kind", ["confusion", "distribution", "differential", "models"])
def test_long_names_of_twelve_classes_do_not_overlap(kind):
    (ax,) = draw(kind).axes
    names = [text.get_text().replace("\n", " ") for text in ax.get_yticklabels()]
    assert any(name.endswith(LONG) for name in names)
    for labels, along in ((ax.get_yticklabels(), "y"), (ax.get_xticklabels(), "x")):
        boxes = [text.get_window_extent() for text in labels]
        spans = sorted((getattr(box, f"{along}0"), getattr(box, f"{along}1")) for box in boxes)
        assert all(high <= low + 1 for (_, high), (low, _) in pairwise(spans))


@pytest.mark.parametrize(("size", "digits"), [((4, 4), 0), (None, 1)])
def test_texts_of_the_confusion_matrix(size, digits):
    """They can be read, lie in their cells, and the cells have lines between them."""
    keep = np.isin(TRUE, NAMES[2:10]) & np.isin(PREDICTED, NAMES[2:10]) | (size is None)
    report = EvaluationReport.from_predictions(TRUE[keep], PREDICTED[keep])
    ax = size and plt.subplots(figsize=size, layout="constrained")[1]
    display = report.plot(ax=ax)
    display.figure_.draw_without_rendering()
    width = display.ax_.get_window_extent().width / len(report.classes)
    for text, share in zip(display.text_.flat, display.im_.get_array().flat, strict=True):
        background = display.im_.cmap(display.im_.norm(share))
        assert contrast(text.get_color(), background) >= 4.5
        assert text.get_window_extent().width <= width
        assert not text.get_text() or f"{share:.{digits}%}" in text.get_text()
    assert len(display.ax_.xaxis.get_minorticklocs()) == len(report.classes) - 1


def test_text_color_has_contrast_to_every_color():
    for background in RNG.random((500, 3)):
        assert contrast(text_color(background), background) >= 4.5
    for color in (RIGHT, WRONG):
        assert contrast(color, "white") >= 4.5


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 40])
def test_epochs_and_counts_have_integer_ticks(n_epochs):
    epochs = np.arange(1, n_epochs + 1)
    axes = [HistoryDisplay(epochs, 1 / epochs).plot().axes_[0]]
    axes.append(ClassDistributionDisplay.from_labels(["a"] * n_epochs).ax_)
    for ax in axes:
        ax.figure.draw_without_rendering()
        texts = [text.get_text() for text in ax.get_xticklabels()]
        low, high = ax.get_xlim()
        ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
        assert ticks and all(tick == int(tick) for tick in ticks)
        assert all(text.isdigit() for text in texts if text and text[0].isdigit())


def test_curves_differ_in_more_than_color():
    score_axes = draw_history().axes_[-1]
    first, second = score_axes.lines[:2]
    assert first.get_color() != second.get_color() and first.get_marker() != second.get_marker()
    first, second = draw_coverage().ax_.lines
    assert first.get_color() != second.get_color()
    assert first.get_linestyle() != second.get_linestyle()
    assert len(set(COLORS)) == len(set(MARKERS)) == 6 and len(set(DASHES)) == 4


def test_given_axes_are_drawn_on_with_the_options_of_the_user():
    figure, ax = plt.subplots()
    args = ["a", "b"], ["a", "a"], [0.9, 0.1]
    line = AccuracyCoverageDisplay.from_predictions(*args, ax=ax, ls=":", c="k").line_
    assert line.axes is ax and line.get_linestyle() == ":" and line.get_color() == "k"
    assert plt.get_fignums() == [figure.number]


class TestWrap:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("ig", "ig"),
            (3, "3"),
            ("", ""),
            ("two words", "two words"),
            ("band_neutrophil_x", "band_\nneutrophil_x"),
            ("folder/with/file.png", "folder/with/\nfile.png"),
            ("unbreakablewords", "unbreakablew\nords"),
            ("a b c d e f g h i j k l m n", "a b c d e f\ng h i j k l\nm n"),
            ("line\nbreak", "line break"),
            ("$x$", r"\$x\$"),
        ],
    )
    def test_lines(self, name, expected):
        assert wrap(name, 12) == expected

    def test_what_is_left_out_is_marked(self):
        lines = wrap("word " * 30, 12, max_lines=3).splitlines()
        assert len(lines) == 3 and lines[-1].endswith("…")
        assert max(map(len, lines)) <= 12

    def test_dollars_are_no_formula(self):
        display = ClassDistributionDisplay.from_labels(["$\\no$", "$\\no$"])
        display.figure_.draw_without_rendering()
