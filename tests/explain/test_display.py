"""The picture of explanations."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from skblood import MLPCellClassifier, TransferCellClassifier
from skblood.explain import ExplanationDisplay, NearestCells, grad_cam


@pytest.fixture(scope="module")
def known(cells):
    return cells[0][:160], cells[1][:160]


@pytest.fixture
def display(fitted, cells, known):
    return ExplanationDisplay.from_estimator(fitted, cells[0][160:163], *known, n_neighbors=4)


def pixels(ax):
    """Return what an axes shows, the last image being on top."""
    return np.asarray(ax.images[-1].get_array())


class TestFromEstimator:
    def test_a_row_for_each_cell(self, display, cells):
        assert display.axes_.shape == (3, 6)
        for row, image in zip(display.axes_, cells[0][160:163], strict=True):
            np.testing.assert_array_equal(pixels(row[0]), image)

    def test_prediction_and_probability(self, display, fitted, cells):
        probabilities = fitted.predict_proba(cells[0][160:163])
        titles = [row[0].get_title() for row in display.axes_]
        assert titles == [
            f"{label}\np = {p.max():.2f}"
            for label, p in zip(fitted.predict(cells[0][160:163]), probabilities, strict=True)
        ]

    def test_map_of_the_predicted_class(self, display, fitted, cells):
        maps = grad_cam(fitted, cells[0][160:163])
        for row, heat, label in zip(display.axes_, maps, display.y_pred, strict=True):
            np.testing.assert_array_equal(pixels(row[1]), heat)
            assert row[1].get_title() == f"what speaks for\n{label}"
            assert row[1].images[-1].get_clim() == (0, 1)

    def test_nearest_training_cells(self, display, fitted, cells, known):
        X, y = known
        distances, indices = NearestCells(fitted, 4).fit(X).kneighbors(cells[0][160:163])
        for row, of_row, found in zip(display.axes_, distances, indices, strict=True):
            for ax, distance, i in zip(row[2:], of_row, found, strict=True):
                np.testing.assert_array_equal(pixels(ax), X[i])
                label, figure = ax.get_title().removeprefix("≠ ").split("\n")
                assert label == y[i]
                assert figure == f"{distance:.3f}"

    def test_files_of_several_sizes(self, cells, tmp_path):
        X, y = cells[0][:24], np.arange(24) % 3
        paths = [str(tmp_path / f"{i}.png") for i in range(24)]
        for i, (image, path) in enumerate(zip(X, paths, strict=True)):
            Image.fromarray(image).resize((30 + i, 40)).save(path)
        clf = TransferCellClassifier("cellnet_t", image_size=28, max_epochs=1, random_state=0)
        display = ExplanationDisplay.from_estimator(
            clf.fit(paths, y), paths[5:7], paths, y, n_neighbors=2
        )
        image, heat = display.axes_[1, 0].images[0], display.axes_[1, 1].images[-1]
        assert pixels(display.axes_[1, 0]).shape == (40, 36, 3)
        # The map is smaller, and lies over the whole cell.
        assert pixels(display.axes_[1, 1]).shape == (28, 28)
        assert heat.get_extent() == image.get_extent()

    def test_cells_are_drawn_in_the_frame_of_the_network(self, cells):
        X, y = cells[0][:24], np.arange(24) % 3
        clf = TransferCellClassifier("cellnet_t", crop=0.5, max_epochs=1, random_state=0).fit(X, y)
        display = ExplanationDisplay.from_estimator(clf, X[:1], X, y, n_neighbors=1)
        for ax in display.axes_[0, [0, 2]]:  # the first neighbour of a known cell is itself
            np.testing.assert_array_equal(pixels(ax), X[0, 8:24, 8:24])

    def test_labels_of_another_form(self, fitted, cells, known):
        X, y = known
        display = ExplanationDisplay.from_estimator(
            fitted, cells[0][160:161], X, y.reshape(-1, 1).tolist(), n_neighbors=1
        )
        assert display.neighbor_labels.shape == (1, 1)

    def test_lengths(self, fitted, cells, known):
        with pytest.raises(ValueError, match="same length, got 160 and 159"):
            ExplanationDisplay.from_estimator(fitted, cells[0][:2], known[0], known[1][1:])

    def test_classifier_without_maps(self, known):
        X, y = known
        mlp = MLPCellClassifier(hidden_layer_sizes=(4,), max_epochs=1, random_state=0)
        with pytest.raises(TypeError, match="MLPCellClassifier has none"):
            ExplanationDisplay.from_estimator(mlp.fit(X[:32], y[:32]), X[:1], X, y)


class TestPlot:
    @pytest.fixture
    def two(self):
        """Two cells with three neighbours each, one of them of another label."""
        image = np.full((8, 10, 1), 100, np.uint8)
        return ExplanationDisplay(
            images=[image] * 2,
            maps=np.ones((2, 4, 4)),
            y_pred=["ig", "ig"],
            probabilities=[0.9, 0.456],
            neighbors=[[image] * 3] * 2,
            neighbor_labels=[["ig", "ig", "ig"], ["ig", "monocyte", "ig"]],
            distances=[[0.1, 0.2, 0.3]] * 2,
        )

    def test_another_label_has_a_sign_a_colour_and_a_thick_frame(self, two):
        axes = two.plot().axes_[1]
        assert [ax.get_title() for ax in axes[2:]] == [
            "ig\n0.100",
            "≠ monocyte\n0.200",
            "ig\n0.300",
        ]
        alike, other = axes[2:4]
        assert alike.title.get_color() != other.title.get_color()
        assert other.spines["top"].get_linewidth() > alike.spines["top"].get_linewidth()

    def test_given_figure(self, two):
        figure = plt.figure()
        assert two.plot(figure=figure).figure_ is figure
        assert plt.get_fignums() == [figure.number]

    def test_plot_again(self, two):
        first = two.plot().figure_
        assert two.plot() is two
        assert two.figure_ is not first

    def test_gray_cells(self, two):
        shown = two.plot().axes_[0, 0].images[0]
        assert shown.get_array().shape == (8, 10)
        assert shown.get_clim() == (0, 255)

    def test_no_axes_has_ticks(self, two):
        assert not any(len(ax.get_xticks()) + len(ax.get_yticks()) for ax in two.plot().axes_.flat)

    def test_without_matplotlib(self, two, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
        with pytest.raises(
            ImportError, match=r"ExplanationDisplay needs matplotlib.*skblood\[plot\]"
        ):
            two.plot()
