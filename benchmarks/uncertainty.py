"""Measure whether a classifier knows what it does not know.

    python -m benchmarks.uncertainty --data FOLDER [--model FILE] [--quick] [--epochs N]

The folder holds ``train``, ``val`` and ``test``, each with one folder for each class; beside it,
``originals_val`` holds images of the same source before cropping. Without a model file, a network
is trained on ``train``.
"""

import sys
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score

import skblood
from benchmarks import _no_cells
from benchmarks._command import Benchmark, Row, run
from benchmarks._laboratories import SIMULATED
from benchmarks._report import Bar
from skblood import TransferCellClassifier
from skblood.datasets import load_image_folder
from skblood.images import read_images
from skblood.uncertainty import (
    AccuracyCoverageDisplay,
    OutlierDetector,
    PredictionSets,
    RejectOption,
    accuracy_coverage_curve,
    expected_calibration_error,
    laboratory_test,
)

LEVEL = 0.9
TEXT = """\
A classifier that was trained on the `train` images of PBC (Acevedo et al. 2020, Data in Brief
30:105474, CC BY 4.0; BloodMNIST recipe, own split), calibrated on `val` and measured on `test`: if
no other is given, `cellnet_s` at 64 px, trained for 8 epochs with the library's defaults.
Prediction sets at 90 %, for all cells and for each class. Outliers are noise, colours, text,
photographs (scikit-learn's), and the background in the corners of PBC's original images, mirrored
to the frame of a cell's image or enlarged to it; AUROC against the cells of `test`, and against
the same cells in simulated laboratories, which are to count as cells, too."""
COLUMNS = {
    "accuracy": ("accuracy", ".4f"),
    "ece_before": ("calibration error", ".4f"),
    "ece_after": ("after temperature scaling", ".4f"),
    "area": ("area of accuracy and coverage", ".4f"),
    "accuracy_95": ("accuracy on the surest 95 %", ".4f"),
    "promised_coverage": ("accepted at a promised accuracy of 0.99", ".3f"),
    "promised_accuracy": ("accuracy on these", ".4f"),
    "coverage": ("coverage of the sets", ".4f"),
    "gap": ("distance from 0.9", ".4f"),
    "lowest": ("lowest of a class", ".3f"),
    "highest": ("highest of a class", ".3f"),
    "mean_size": ("labels in a set", ".2f"),
    "empty": ("empty sets", ".3f"),
    "auroc": ("AUROC against PBC", ".4f"),
    "auroc_away": ("against simulated laboratories", ".4f"),
    "flagged": ("called outliers", ".3f"),
    "distance": ("distance of the laboratory", ".2f"),
    "pvalue": ("p-value", ".3f"),
}


def load(folder, split, size, step):
    """Return every `step`-th image of a split, and the labels."""
    paths, y = load_image_folder(folder, split=split, return_X_y=True)
    return read_images(paths[::step], size=size), y[::step]


@cache
def prepare(folder, model, quick, epochs, device):
    """Return the classifier, and the images and labels to calibrate on and to test on."""
    if model is None:
        X, y = load(folder, "train", (64, 64), 16 if quick else 1)
        clf = TransferCellClassifier(
            "cellnet_t" if quick else "cellnet_s",
            image_size=64,
            max_epochs=epochs or (4 if quick else 8),
            device=device,
            random_state=0,
        ).fit(X, y)
    else:
        clf = skblood.load(model)
    size = clf.image_shape_[:2]
    val, test = (load(folder, split, size, 6 if quick else 1) for split in ("val", "test"))
    return clf, val, test


@cache
def fit_detector(*settings):
    clf, (X_val, y_val), _ = prepare(*settings)
    return OutlierDetector(clf).fit(X_val, y_val)


def settings_of(options):
    return options.data, options.model, options.quick, options.epochs, options.device


def calibration(options):
    """Measure the probabilities, and what rejecting the least sure cells gives."""
    clf, val, (X, y) = prepare(*settings_of(options))
    calibrated = CalibratedClassifierCV(
        FrozenEstimator(clf), method="temperature", ensemble=False
    ).fit(*val)
    before, after = (each.predict_proba(X) for each in (clf, calibrated))
    y_pred, confidence = clf.classes_[before.argmax(axis=1)], before.max(axis=1)
    coverage, accuracy, _ = accuracy_coverage_curve(y, y_pred, confidence)
    figures = {
        "accuracy": float(accuracy[-1]),
        "ece_before": expected_calibration_error(y, before, labels=clf.classes_),
        "ece_after": expected_calibration_error(y, after, labels=clf.classes_),
        "area": AccuracyCoverageDisplay(coverage, accuracy).area,
        "accuracy_95": float(accuracy[np.argmax(coverage >= 0.95)]),
        "notes": [],
    }
    try:
        reject = RejectOption(clf, target=0.99).fit(*val)
    except ValueError as error:
        return figures | {"notes": [str(error)]}
    labels, rejected = reject.predict(X, return_rejected=True)
    return figures | {
        "promised_coverage": float(1 - rejected.mean()),
        "promised_accuracy": float((labels == y)[~rejected].mean()),
    }


def prediction_sets(class_conditional, options):
    """Measure how often the sets hold the true label."""
    clf, val, test = prepare(*settings_of(options))
    sets = PredictionSets(clf, confidence_level=LEVEL, class_conditional=class_conditional)
    found = sets.fit(*val).coverage(*test)
    classes = zip(sets.classes_, found.per_class, found.n_cells, strict=True)
    kind = "of its own" if class_conditional else "shared"
    return {
        "coverage": found.marginal,
        "gap": abs(found.marginal - LEVEL),
        "lowest": float(np.nanmin(found.per_class)),
        "highest": float(np.nanmax(found.per_class)),
        "mean_size": found.mean_size,
        "empty": found.empty,
        "notes": [
            f"Coverage of each class at a threshold {kind}: "
            + ", ".join(f"{label} {share:.3f} of {n}" for label, share, n in classes)
        ],
    }


def simulate(name, images):
    """Return the images as a simulated laboratory would have taken them."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    changed = SIMULATED[name](pixels, torch.Generator().manual_seed(0))
    return (changed * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()


@cache
def scores_of_cells(*settings):
    """Return the scores of cells of `test`, and of as many in simulated laboratories."""
    _, _, (X, _) = prepare(*settings)
    detector = fit_detector(*settings)
    away = [simulate(name, X[i :: len(SIMULATED)]) for i, name in enumerate(SIMULATED)]
    return detector.score_samples(X), detector.score_samples(np.concatenate(away))


def outliers(kind, options):
    """Measure how well one kind of images is told from cells."""
    settings = settings_of(options)
    size, n = prepare(*settings)[0].image_shape_[0], 100 if options.quick else 500
    rng = np.random.default_rng(0)
    if kind in _no_cells.KINDS:
        images = _no_cells.KINDS[kind](n, size, rng)
    else:
        originals = Path(options.data).parent / "originals_val"
        images = _no_cells.background(n, size, rng, originals, enlarge="enlarged" in kind)
    detector = fit_detector(*settings)
    scores = detector.score_samples(images)
    home, away = scores_of_cells(*settings)
    return {
        "auroc": auroc(home, scores),
        "auroc_away": auroc(away, scores),
        "flagged": float((scores < detector.offset_).mean()),
    }


def cells(options):
    """Measure how many cells are called outliers."""
    settings = settings_of(options)
    home, away = scores_of_cells(*settings)
    offset = fit_detector(*settings).offset_
    share = float((away < offset).mean())
    return {
        "flagged": float((home < offset).mean()),
        "notes": [f"Of the cells in simulated laboratories, {share:.3f} are called outliers."],
    }


def laboratory(name, options):
    """Test whether 300 cells of a laboratory come from the one that is known."""
    clf, (X_val, _), (X, _) = prepare(*settings_of(options))
    drawn = np.random.default_rng(0).permutation(len(X))[:300]
    images = X[drawn] if name is None else simulate(name, X[drawn])
    found = laboratory_test(clf, X_val, images, random_state=0)
    return {"distance": found.distance, "pvalue": found.pvalue}


def auroc(cells, others):
    """Return how well scores tell cells from others: 1 is always, 0.5 not at all."""
    kinds = np.repeat([1, 0], [len(cells), len(others)])
    return float(roc_auc_score(kinds, np.concatenate([cells, others])))


def add_options(parser):
    parser.add_argument("--model", type=Path, help="a file of skblood.save")
    parser.add_argument("--epochs", type=int, help="epochs of training, without a model")


KINDS = {
    **{name: name for name in _no_cells.KINDS},
    "background": "background of smears, mirrored",
    "background_enlarged": "background of smears, enlarged",
}
BENCHMARK = Benchmark(
    "uncertainty",
    "Knowing what it does not know",
    TEXT,
    {
        "calibration": Row("probabilities and rejection", calibration, needs_data=True),
        "sets": Row(
            "prediction sets for all cells",
            partial(prediction_sets, False),
            {"gap": Bar("<=", 0.02)},
            needs_data=True,
            quick_bars={"gap": Bar("<=", 0.06)},  # of some 250 cells, calibrated on as many
        ),
        "sets_of_each_class": Row(
            "prediction sets for each class", partial(prediction_sets, True), needs_data=True
        ),
        **{
            kind: Row(what, partial(outliers, kind), {"auroc": Bar(">=", 0.98)}, needs_data=True)
            for kind, what in KINDS.items()
        },
        "cells": Row("cells of `test`", cells, needs_data=True),
        "laboratory_known": Row(
            "300 cells of `test` beside `val`", partial(laboratory, None), needs_data=True
        ),
        **{
            f"laboratory_{name}": Row(
                "the same, simulated", partial(laboratory, name), needs_data=True
            )
            for name in ("hue_plus", "film", "camera")
        },
    },
    COLUMNS,
    add_options=add_options,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
