"""The figure of explanations."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from skblood import TransferCellClassifier
from skblood.explain import ExplanationDisplay, NearestCells, grad_cam


@pytest.fixture(scope="module")
def known(cells):
    return cells[0][:160], cells[1][:160]


def pixels(ax):
    """Return the topmost image of an axes."""
    return np.asarray(ax.images[-1].get_array())


class TestFromEstimator:
    @pytest.mark.parametrize("read_before", [False, True])
    def test_cells_maps_and_neighbors(self, fitted, cells, known, read_before):
        X, (X_train, y_train) = cells[0][160:163], known
        images = map(fitted.read_images, (X, X_train)) if read_before else (X, X_train)
        display = ExplanationDisplay.from_estimator(fitted, *images, y_train, n_neighbors=4)
        assert display.axes_.shape == (3, 6)
        maps, p = grad_cam(fitted, X), fitted.predict_proba(X).max(axis=1)
        distances, indices = NearestCells(fitted, 4).fit(X_train).kneighbors(X)
        for i, label in enumerate(fitted.predict(X)):
            cell, heat, *neighbors = display.axes_[i]
            np.testing.assert_array_equal(pixels(cell), X[i])
            assert cell.get_title() == f"{label}\np = {p[i]:.2f}"
            np.testing.assert_array_equal(pixels(heat), maps[i])
            assert heat.get_title() == f"evidence for\n{label}"
            assert heat.images[-1].get_clim() == (0, 1)
            for ax, distance, j in zip(neighbors, distances[i], indices[i], strict=True):
                np.testing.assert_array_equal(pixels(ax), X_train[j])
                assert ax.get_title().removeprefix("≠ ") == f"{y_train[j]}\ndistance {distance:.3f}"

    def test_files_are_decoded_once_cropped_and_resized(self, cells, tmp_path, monkeypatch):
        """Files of several sizes, drawn as the network sees them, with the map on the cell."""
        X, y = cells[0][:24], np.arange(24) % 3
        paths = [str(tmp_path / f"{i}.png") for i in range(24)]
        for i, (image, path) in enumerate(zip(X, paths, strict=True)):
            Image.fromarray(image).resize((30 + i, 40)).save(path)
        options = {"image_size": 28, "crop": 0.5, "max_epochs": 1, "random_state": 0}
        clf = TransferCellClassifier("cellnet_t", **options).fit(paths[2:], y[2:])
        expected = clf.read_images(paths[:2]).pixels
        opened, decode = [], Image.open
        monkeypatch.setattr(
            Image, "open", lambda path, **kw: opened.append(path) or decode(path, **kw)
        )
        display = ExplanationDisplay.from_estimator(clf, paths[:2], paths[2:], y[2:], n_neighbors=2)
        assert sorted(opened) == sorted(paths)
        np.testing.assert_array_equal(pixels(display.axes_[1, 0]), expected[1])
        image, heat = display.axes_[1, 0].images[0], display.axes_[1, 1].images[-1]
        assert heat.get_extent() == image.get_extent()

    def test_labels(self, fitted, cells, known):
        X, y = known
        column = y.reshape(-1, 1).tolist()
        display = ExplanationDisplay.from_estimator(fitted, cells[0][:1], X, column, n_neighbors=1)
        assert display.neighbor_labels.shape == (1, 1)
        with pytest.raises(ValueError, match="`X_train` 160, `y_train` 159"):
            ExplanationDisplay.from_estimator(fitted, cells[0][:2], X, y[1:])


def test_plot():
    """Two gray cells with three neighbors each, one of which has another label."""
    image = np.full((8, 10, 1), 100, np.uint8)
    display = ExplanationDisplay(
        images=[image] * 2,
        maps=np.ones((2, 4, 4)),
        y_pred=["ig", "ig"],
        probabilities=[0.9, 0.456],
        neighbors=[[image] * 3] * 2,
        neighbor_labels=[["ig", "ig", "ig"], ["ig", "monocyte", "ig"]],
        distances=[[0.1, 0.2, 0.3]] * 2,
    )
    others = plt.get_fignums()  # of other tests
    figure = plt.figure()
    assert display.plot(figure=figure) is display and display.figure_ is figure
    assert plt.get_fignums() == [*others, figure.number]
    axes = display.axes_[1]
    titles = [ax.get_title() for ax in axes[2:]]
    assert titles == ["ig\ndistance 0.100", "≠ monocyte\ndistance 0.200", "ig\ndistance 0.300"]
    assert axes[2].title.get_color() != axes[3].title.get_color()
    assert axes[3].spines["top"].get_linewidth() > axes[2].spines["top"].get_linewidth()
    shown = axes[0].images[0]
    assert shown.get_array().shape == (8, 10) and shown.get_clim() == (0, 255)
    assert not any(len(ax.get_xticks()) + len(ax.get_yticks()) for ax in display.axes_.flat)
    assert display.plot().figure_ is not figure
