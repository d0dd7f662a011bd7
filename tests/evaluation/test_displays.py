"""Displays: learning curves, and the grid of cells."""

import sys
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from skblood.evaluation import (
    CellGridDisplay,
    CellSampleDisplay,
    ClassDistributionDisplay,
    HistoryDisplay,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def make_history(n_epochs, **extra):
    """Rows as skorch's history has them."""
    return [
        {"epoch": i + 1, "train_loss": 2.0 / (i + 1), "dur": 0.1, "batches": [{"x": 1}]}
        | {key: values[i] for key, values in extra.items()}
        for i in range(n_epochs)
    ]


@pytest.fixture
def fitted():
    """An estimator fitted with validation data."""
    history = make_history(
        4,
        valid_loss=[1.9, 1.2, 1.3, 1.5],
        valid_loss_best=[True, True, False, False],
        valid_f1_macro=[0.3, 0.6, 0.7, 0.65],
        train_batch_count=[3, 3, 3, 3],
    )
    return SimpleNamespace(history_=history, best_epoch_=2, early_stopping=True)


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


class TestHistoryDisplay:
    def test_losses_and_scores(self, fitted):
        display = HistoryDisplay.from_estimator(fitted)
        losses, scores = display.axes_
        assert labels(losses) == ["training", "validation", "best epoch (2)"]
        assert labels(scores) == ["f1_macro (valid)", "best epoch (2)"]
        np.testing.assert_allclose(losses.lines[0].get_ydata(), [2, 1, 2 / 3, 0.5])
        np.testing.assert_allclose(losses.lines[1].get_ydata(), [1.9, 1.2, 1.3, 1.5])
        np.testing.assert_allclose(scores.lines[0].get_ydata(), [0.3, 0.6, 0.7, 0.65])
        np.testing.assert_array_equal(losses.lines[0].get_xdata(), [1, 2, 3, 4])

    def test_axes_are_labelled(self, fitted):
        losses, scores = HistoryDisplay.from_estimator(fitted).axes_
        assert (losses.get_xlabel(), losses.get_ylabel()) == ("epoch", "loss")
        assert (scores.get_xlabel(), scores.get_ylabel()) == ("epoch", "score")

    def test_best_epoch_is_marked(self, fitted):
        losses, _ = HistoryDisplay.from_estimator(fitted).axes_
        assert list(losses.lines[-1].get_xdata()) == [2, 2]

    def test_without_early_stopping_no_epoch_is_the_best(self, fitted):
        fitted.early_stopping, fitted.best_epoch_ = False, 4
        losses, _ = HistoryDisplay.from_estimator(fitted).axes_
        assert labels(losses) == ["training", "validation"]

    def test_curves_differ_in_more_than_colour(self, fitted):
        losses, _ = HistoryDisplay.from_estimator(fitted).axes_
        assert losses.lines[0].get_marker() != losses.lines[1].get_marker()

    def test_without_validation_there_is_one_panel(self):
        display = HistoryDisplay.from_estimator(SimpleNamespace(history_=make_history(3)))
        assert display.axes_.shape == (1,)
        assert labels(display.axes_[0]) == ["training"]
        assert display.valid_loss is None

    def test_epochs_without_validation_are_gaps(self):
        """As after partial_fit, then fit with warm_start and validation data."""
        history = make_history(2) + make_history(1, valid_loss=[0.5])
        display = HistoryDisplay.from_estimator(SimpleNamespace(history_=history))
        np.testing.assert_array_equal(np.isnan(display.valid_loss), [True, True, False])

    def test_score_that_ends_in_loss(self):
        history = make_history(2, valid_loss=[1.0, 0.9], valid_neg_log_loss=[-1.0, -0.9])
        display = HistoryDisplay.from_estimator(SimpleNamespace(history_=history))
        assert list(display.scores) == ["valid_neg_log_loss"]

    def test_in_one_given_axes_the_losses_alone(self, fitted):
        figure, ax = plt.subplots()
        display = HistoryDisplay.from_estimator(fitted, ax=ax)
        assert display.figure_ is figure
        assert display.axes_.tolist() == [ax]
        assert ax.get_ylabel() == "loss"

    def test_in_two_given_axes(self, fitted):
        _, axes = plt.subplots(2, 1)
        display = HistoryDisplay.from_estimator(fitted, ax=axes)
        assert display.axes_[1] is axes[1]
        assert axes[1].get_ylabel() == "score"

    def test_plot_again(self, fitted):
        display = HistoryDisplay.from_estimator(fitted)
        first = display.figure_
        assert display.plot() is display
        assert display.figure_ is not first

    def test_estimator_without_history(self):
        with pytest.raises(TypeError, match=r"SimpleNamespace has no `history_`.*best_estimator_"):
            HistoryDisplay.from_estimator(SimpleNamespace())

    def test_empty_history(self):
        with pytest.raises(ValueError, match="holds no epoch"):
            HistoryDisplay.from_estimator(SimpleNamespace(history_=[]))

    def test_a_real_classifier(self, cells):
        from skblood import TransferCellClassifier

        X, y = cells
        classifier = TransferCellClassifier(
            "cellnet_t", weights=None, max_epochs=2, early_stopping=True, random_state=0
        ).fit(X[:80], y[:80])
        display = HistoryDisplay.from_estimator(classifier)
        losses, _ = display.axes_
        assert len(losses.lines[0].get_ydata()) == classifier.n_iter_ == 2
        assert f"best epoch ({classifier.best_epoch_})" in labels(losses)


@pytest.fixture(scope="module")
def predictions():
    """Ten cells, three of them wrong; each cell has the brightness of its position."""
    X = np.repeat(np.arange(10, dtype=np.uint8), 8 * 8 * 3).reshape(10, 8, 8, 3)
    y_true = np.array(["monocyte", "platelet"] * 5)
    y_pred = y_true.copy()
    y_pred[[2, 5, 9]] = ["ig", "basophil", "ig"]
    return X, y_true, y_pred


def titles(display):
    return [ax.get_title() for ax in display.axes_.flat if ax.images]


def positions(display):
    """Return which cells were drawn, read from their brightness."""
    return [int(ax.images[0].get_array().flat[0]) for ax in display.axes_.flat if ax.images]


class TestCellGridDisplay:
    def test_true_and_predicted_labels(self, predictions):
        display = CellGridDisplay.from_predictions(*predictions)
        assert positions(display) == list(range(10))
        assert titles(display)[2] == "✗ ig\ntrue: monocyte"
        assert titles(display)[3] == "✓ platelet"

    def test_wrong_ones_have_a_sign_a_colour_and_a_thick_frame(self, predictions):
        axes = CellGridDisplay.from_predictions(*predictions).axes_.ravel()
        signs = "".join(ax.get_title()[0] for ax in axes[:10])
        assert signs == "✓✓✗✓✓✗✓✓✓✗"
        right, wrong = axes[0], axes[2]
        assert to_hex(right.title.get_color()) != to_hex(wrong.title.get_color())
        assert wrong.spines["top"].get_linewidth() > right.spines["top"].get_linewidth()

    def test_shape_of_the_grid(self, predictions):
        display = CellGridDisplay.from_predictions(*predictions)
        assert display.axes_.shape == (2, 6)
        assert not display.axes_[1, 4].axison
        assert CellGridDisplay.from_predictions(*predictions, n_cells=2).axes_.shape == (1, 2)

    def test_only_errors(self, predictions):
        display = CellGridDisplay.from_predictions(*predictions, only_errors=True)
        assert positions(display) == [2, 5, 9]

    def test_choice_is_repeatable_and_leaves_numpy_alone(self, predictions):
        before = np.random.get_state()[1].copy()
        first, second, other = (
            positions(CellGridDisplay.from_predictions(*predictions, n_cells=5, random_state=seed))
            for seed in [0, 0, 1]
        )
        assert first == second != other
        assert first == sorted(set(first))
        np.testing.assert_array_equal(np.random.get_state()[1], before)

    def test_labels_of_any_kind(self, predictions):
        X, _, _ = predictions
        y = np.arange(10)
        display = CellGridDisplay.from_predictions(X, y.reshape(-1, 1), (y + (y == 4)).tolist())
        assert titles(display)[4] == "✗ 5\ntrue: 4"

    def test_given_figure(self, predictions):
        figure = plt.figure()
        display = CellGridDisplay.from_predictions(*predictions, figure=figure)
        assert display.figure_ is figure
        assert plt.get_fignums() == [figure.number]

    def test_plot_again(self, predictions):
        display = CellGridDisplay.from_predictions(*predictions, n_cells=3)
        first = display.figure_
        assert display.plot() is display
        assert display.figure_ is not first

    @pytest.mark.parametrize("form", ["float", "list", "flat", "frame", "pil", "paths", "series"])
    def test_forms_of_X(self, predictions, form, tmp_path):
        X, y_true, y_pred = predictions
        X = X[:4]
        paths = [str(tmp_path / f"{i}.png") for i in range(4)]
        for image, path in zip(X, paths, strict=True):
            Image.fromarray(image).save(path)
        forms = {
            "float": X / 255,
            "list": [image[: 8 - i] for i, image in enumerate(X)],
            "flat": X.reshape(4, -1),
            "frame": pd.DataFrame(X.reshape(4, -1)),
            "pil": [Image.fromarray(image) for image in X],
            "paths": np.array(paths),
            "series": pd.Series(paths, index=list("dcba")),
        }
        display = CellGridDisplay.from_predictions(forms[form], y_true[:4], y_pred[:4])
        assert positions(display) == [0, 1, 2, 3]

    def test_gray_images(self, predictions):
        X, y_true, y_pred = predictions
        display = CellGridDisplay.from_predictions(X[..., 0], y_true, y_pred)
        assert positions(display) == list(range(10))
        assert display.axes_[0, 0].images[0].get_clim() == (0, 255)

    def test_only_the_drawn_ones_are_read(self, predictions, tmp_path):
        X, y_true, y_pred = predictions
        paths = [str(tmp_path / f"{i}.png") for i in range(10)]
        for position in [2, 5, 9]:
            Image.fromarray(X[position]).save(paths[position])
        display = CellGridDisplay.from_predictions(paths, y_true, y_pred, only_errors=True)
        assert positions(display) == [2, 5, 9]

    def test_no_error_to_draw(self, predictions):
        X, y_true, _ = predictions
        with pytest.raises(ValueError, match="no cell to draw: every prediction is right"):
            CellGridDisplay.from_predictions(X, y_true, y_true, only_errors=True)

    def test_no_cell(self, predictions):
        X, *_ = predictions
        with pytest.raises(ValueError, match="no cell to draw: X is empty"):
            CellGridDisplay.from_predictions(X[:0], [], [])

    def test_lengths(self, predictions):
        X, y_true, y_pred = predictions
        with pytest.raises(ValueError, match="same length, got 10, 9 and 10"):
            CellGridDisplay.from_predictions(X, y_true[1:], y_pred)

    def test_n_cells(self, predictions):
        with pytest.raises(ValueError, match="`n_cells` must be at least 1, got 0"):
            CellGridDisplay.from_predictions(*predictions, n_cells=0)


@pytest.mark.parametrize(
    "display",
    [
        HistoryDisplay([1], [0.5]),
        CellGridDisplay([np.zeros((4, 4, 3), np.uint8)], ["a"], ["a"]),
        CellSampleDisplay([[np.zeros((4, 4, 3), np.uint8)]], ["a"], [1]),
        ClassDistributionDisplay(np.array([[1]]), ["a"]),
    ],
    ids=lambda display: type(display).__name__,
)
def test_without_matplotlib_the_error_says_what_to_install(display, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"needs matplotlib.*pip install skblood\[plot\]"):
        display.plot()


def test_figures_can_be_saved(fitted, predictions, tmp_path):
    """Also that the font has both signs: a missing one is a warning, and an error here."""
    for display in [
        HistoryDisplay.from_estimator(fitted),
        CellGridDisplay.from_predictions(*predictions),
        CellSampleDisplay.from_labels(*predictions[:2]),
        ClassDistributionDisplay.from_labels(predictions[1], split=predictions[2]),
    ]:
        path = tmp_path / f"{type(display).__name__}.png"
        display.figure_.savefig(path)
        assert path.stat().st_size > 1000
