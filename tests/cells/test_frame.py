"""The crop at which the cells of a laboratory suit a model."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skblood import (
    MLPCellClassifier,
    TransferCellClassifier,
    load_pretrained,
    measured_crop,
    reconfigure,
)
from skblood.cells import measure_frame
from skblood.datasets import make_blood_cells


@pytest.fixture(scope="module")
def cells():
    return make_blood_cells(160, image_size=40, random_state=0)


@pytest.fixture(scope="module")
def clf(cells):
    return TransferCellClassifier("cellnet_t", image_size=32, max_epochs=1, random_state=0).fit(
        *cells
    )


def framed(X, share):
    """Return the images on a wider background, of which they are a share."""
    side = round(X.shape[1] / share)
    before = (side - X.shape[1]) // 2
    pad = (before, side - X.shape[1] - before)
    return np.pad(X, ((0, 0), pad, pad, (0, 0)), mode="reflect")


@pytest.mark.parametrize("share", [0.5, 0.6, 0.75])
def test_wider_images(clf, share):
    X, _ = make_blood_cells(100, image_size=40, random_state=1)
    frame = measure_frame(clf, framed(X, share))
    assert frame.crop == measured_crop(clf, framed(X, share)) == pytest.approx(share, rel=0.08)
    low, high = frame.interval
    assert low < frame.measured < high and high / low < 1.3
    assert frame.size == pytest.approx(share * frame.expected, rel=0.12)
    assert 60 < frame.n_cells <= 100
    assert str(frame).startswith(f"cells fill {frame.size:.2f} of the side, the model expects 0.")


def test_narrower_images(clf):
    X, _ = make_blood_cells(100, image_size=60, random_state=1)
    assert measured_crop(clf, X[:, 6:-6, 6:-6]) == pytest.approx(1.25, rel=0.08)


def test_cells_of_the_right_size_keep_the_crop(clf):
    X, _ = make_blood_cells(100, image_size=64, random_state=2)
    assert measured_crop(clf, X) == 1
    # As does a model that was trained on, or told, the central part of wide images.
    assert measured_crop(reconfigure(clf, crop=0.5), framed(X, 0.5)) == 0.5


def test_the_size_is_that_in_the_models_own_frame(cells, clf):
    X, y = cells
    wide = framed(X, 0.5)
    options = {"image_size": 32, "max_epochs": 1, "random_state": 0}
    cropped = TransferCellClassifier("cellnet_t", crop=0.5, **options).fit(wide, y)
    size = cropped.training_data_["cell_size"]
    assert size == pytest.approx(clf.training_data_["cell_size"], rel=0.03)
    assert measured_crop(cropped, wide) == 0.5
    assert measured_crop(cropped, X) == pytest.approx(1, abs=0.08)


def test_too_few_cells(clf, cells):
    blank = np.full((20, 40, 40, 3), 200, np.uint8)
    for X in (framed(cells[0][:4], 0.5), blank):
        frame = measure_frame(clf, X)
        assert frame.crop == clf.spec_.crop
        assert str(frame).startswith("too few white cells")


def test_rows_files_and_unreadable_ones(clf, cells, tmp_path):
    X = framed(cells[0], 0.5)[:30]
    expected = measured_crop(clf, X)
    paths = [tmp_path / f"{i}.png" for i in range(31)]
    for path, x in zip(paths, X, strict=False):
        Image.fromarray(x).save(path)
    paths[30].write_bytes(b"no image")
    assert measured_crop(clf, paths) == expected
    flat = MLPCellClassifier((4,), max_epochs=1, random_state=0).fit(
        cells[0].reshape(160, -1), cells[1]
    )
    assert measured_crop(flat, cells[0].reshape(160, -1)) == 1


def test_many_images_are_sampled(clf, cells, monkeypatch):
    monkeypatch.setattr("skblood.cells._frame._MOST_IMAGES", 50)
    X = framed(cells[0], 0.5)
    assert measure_frame(clf, X).n_cells <= 50
    assert measured_crop(clf, list(X)) == measured_crop(clf, X)


def test_unknown_size(cells):
    X, y = cells
    tabular = MLPCellClassifier((4,), image_shape=(1, -1, 1), max_epochs=1).fit(
        np.random.default_rng(0).normal(size=(160, 9)), y
    )
    tiny = TransferCellClassifier("cellnet_t", image_size=8, max_epochs=1).fit(X, y)
    for model in (tabular, tiny):
        assert model.training_data_["cell_size"] is None
        with pytest.raises(ValueError, match="does not know how large the cells of its training"):
            measured_crop(model, X)


def test_images_that_were_cropped_already(clf, cells):
    with pytest.raises(ValueError, match="read before"):
        measured_crop(clf, clf.read_images(cells[0]))


def test_partial_fit_keeps_the_size(cells):
    X, y = cells
    clf = TransferCellClassifier("cellnet_t", random_state=0).partial_fit(
        X, y, classes=np.unique(y)
    )
    size = clf.training_data_["cell_size"]
    assert clf.partial_fit(framed(X, 0.8)[:, 5:45, 5:45], y).training_data_["cell_size"] == size


@pytest.fixture(scope="module")
def pbc8():
    return load_pretrained("pbc8")


@pytest.mark.real
class TestRealLaboratories:
    """The crops of pbc8 that were looked at are within the range where its accuracy is best."""

    @pytest.mark.parametrize(
        ("folder", "least", "most"),
        [
            ("pbc/128px/val", 1, 1),
            ("pbc/originals_val", 0.5, 0.6),  # cut at 0.556 for training
            ("wbc_tecom", 0.8, 1),
        ],
    )
    def test_folders(self, pbc8, real_data, folder, least, most):
        paths = sorted(
            path for path in Path(real_data, folder).rglob("*.*") if path.suffix in SUFFIXES
        )
        assert least <= measured_crop(pbc8, paths) <= most

    @pytest.mark.parametrize(
        ("name", "least", "most"),
        [("jhu", 0.5, 0.62), ("chula", 0.75, 1), ("bionet", 0.75, 0.95), ("aslan", 0.5, 0.85)],
    )
    def test_laboratories(self, pbc8, real_data, name, least, most):
        folder = Path(real_data, "labs", name)
        classes = {*pbc8.classes_, "wbc_untyped"}
        with open(folder / "cells.csv", newline="") as file:
            rows = [folder / row["path"] for row in csv.DictReader(file) if row["label"] in classes]
        assert least <= measured_crop(pbc8, rows) <= most


SUFFIXES = (".webp", ".jpg", ".png")
