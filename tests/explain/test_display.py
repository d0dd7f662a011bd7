"""The figure of explanations."""

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
    """Return the topmost image of an axes."""
    return np.asarray(ax.images[-1].get_array())


class TestFromEstimator:
    def test_cells_and_predictions(self, display, fitted, cells):
        X = cells[0][160:163]
        assert display.axes_.shape == (3, 6)
        expected = zip(X, fitted.predict(X), fitted.predict_proba(X), strict=True)
        for row, (image, label, probabilities) in zip(display.axes_, expected, strict=True):
            np.testing.assert_array_equal(pixels(row[0]), image)
            assert row[0].get_title() == f"{label}\np = {probabilities.max():.2f}"

    def test_maps_of_the_predicted_class(self, display, fitted, cells):
        maps = grad_cam(fitted, cells[0][160:163])
        for row, heat, label in zip(display.axes_, maps, display.y_pred, strict=True):
            np.testing.assert_array_equal(pixels(row[1]), heat)
            assert row[1].get_title() == f"evidence for\n{label}"
            assert row[1].images[-1].get_clim() == (0, 1)

    def test_nearest_training_cells(self, display, fitted, cells, known):
        X, y = known
        distances, indices = NearestCells(fitted, 4).fit(X).kneighbors(cells[0][160:163])
        for row, of_row, found in zip(display.axes_, distances, indices, strict=True):
            for ax, distance, i in zip(row[2:], of_row, found, strict=True):
                np.testing.assert_array_equal(pixels(ax), X[i])
                assert ax.get_title().removeprefix("≠ ") == f"{y[i]}\n{distance:.3f}"

    def test_files_are_decoded_once(self, cells, tmp_path, monkeypatch):
        """Files of several sizes, drawn at the size of the network, with the map on the cell."""
        X, y = cells[0][:24], np.arange(24) % 3
        paths = [str(tmp_path / f"{i}.png") for i in range(24)]
        for i, (image, path) in enumerate(zip(X, paths, strict=True)):
            Image.fromarray(image).resize((30 + i, 40)).save(path)
        clf = TransferCellClassifier("cellnet_t", image_size=28, max_epochs=1, random_state=0)
        clf.fit(paths[2:], y[2:])
        opened, decode = [], Image.open
        monkeypatch.setattr(Image, "open", lambda path: opened.append(path) or decode(path))
        display = ExplanationDisplay.from_estimator(clf, paths[:2], paths[2:], y[2:], n_neighbors=2)
        assert sorted(opened) == sorted(paths)
        image, heat = display.axes_[1, 0].images[0], display.axes_[1, 1].images[-1]
        assert pixels(display.axes_[1, 0]).shape == (28, 28, 3)
        assert heat.get_extent() == image.get_extent()

    def test_images_that_were_read_before(self, display, fitted, cells, known):
        images, train = fitted.read_images(cells[0][160:163]), fitted.read_images(known[0])
        again = ExplanationDisplay.from_estimator(fitted, images, train, known[1], n_neighbors=4)
        np.testing.assert_array_equal(again.maps, display.maps)
        np.testing.assert_array_equal(again.distances, display.distances)

    def test_cells_are_cropped_as_by_the_classifier(self, cells):
        X, y = cells[0][:24], np.arange(24) % 3
        clf = TransferCellClassifier("cellnet_t", crop=0.5, max_epochs=1, random_state=0).fit(X, y)
        display = ExplanationDisplay.from_estimator(clf, X[:1], X, y, n_neighbors=1)
        for ax in display.axes_[0, [0, 2]]:  # a training cell is its own first neighbor
            np.testing.assert_array_equal(pixels(ax), X[0, 8:24, 8:24])

    def test_labels(self, fitted, cells, known):
        X, y = known
        column = y.reshape(-1, 1).tolist()
        display = ExplanationDisplay.from_estimator(fitted, cells[0][:1], X, column, n_neighbors=1)
        assert display.neighbor_labels.shape == (1, 1)
        with pytest.raises(ValueError, match="`X_train` 160, `y_train` 159"):
            ExplanationDisplay.from_estimator(fitted, cells[0][:2], X, y[1:])

    def test_classifier_without_backbones(self, known):
        X, y = known
        mlp = MLPCellClassifier(hidden_layer_sizes=(4,), max_epochs=1, random_state=0)
        with pytest.raises(TypeError, match="MLPCellClassifier has no feature maps"):
            ExplanationDisplay.from_estimator(mlp.fit(X[:32], y[:32]), X[:1], X, y)


class TestPlot:
    @pytest.fixture
    def two(self):
        """Two cells with three neighbors each, one of which has another label."""
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

    def test_another_label_has_a_sign_a_color_and_a_thick_frame(self, two):
        axes = two.plot().axes_[1]
        titles = [ax.get_title() for ax in axes[2:]]
        assert titles == ["ig\n0.100", "≠ monocyte\n0.200", "ig\n0.300"]
        same, other = axes[2:4]
        assert same.title.get_color() != other.title.get_color()
        assert other.spines["top"].get_linewidth() > same.spines["top"].get_linewidth()

    def test_figures(self, two):
        figure = plt.figure()
        assert two.plot(figure=figure).figure_ is figure
        assert plt.get_fignums() == [figure.number]
        assert two.plot() is two
        assert two.figure_ is not figure

    def test_gray_cells_without_ticks(self, two):
        shown = two.plot().axes_[0, 0].images[0]
        assert shown.get_array().shape == (8, 10)
        assert shown.get_clim() == (0, 255)
        assert not any(len(ax.get_xticks()) + len(ax.get_yticks()) for ax in two.axes_.flat)

    def test_without_matplotlib(self, two, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
        with pytest.raises(ImportError, match=r"ExplanationDisplay needs.*skblood\[plot\]"):
            two.plot()
