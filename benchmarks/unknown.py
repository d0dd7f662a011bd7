"""Measure whether a model knows what it does not know, in laboratories that did not train it.

    python -m benchmarks.unknown [--quick] [--only LABORATORY ...] [--model NAME] [--data FOLDER]

Three questions: is it a cell, is it of one of the classes, does it come from the laboratory of the
training?
"""

import sys
from functools import partial

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks._command import Benchmark, Row, run
from benchmarks._labs import load_model, read_folder
from benchmarks._no_cells import KINDS
from benchmarks._report import Bar
from skblood import measured_crop, reconfigure
from skblood.datasets import load_image_folder
from skblood.images import read_images
from skblood.uncertainty import OutlierDetector, energy_score, laboratory_test

LABS = {
    "home": "PBC: validation cells, and its originals of 360 px",
    "chula": "video frames of a low-cost microscope",
    "jhu": "blood of patients with acute leukemia",
    "bionet": "cells on backgrounds of several colors",
    "wbc_tecom": "another stain and camera",
    "aslan": "white cells without a type",
}
# What is no cell of interest among the labels.
_NO_CELLS = ("erythrocyte",)
# White cells that their laboratory did not divide into types.
_UNTYPED = ("wbc_untyped",)
# Cells that are known, those of a batch, and images of each kind without a cell.
_KNOWN, _BATCH, _NONE = 300, 50, 60
_SIDE = 128
TEXT = """\
The known cells are 300 validation cells of PBC (Acevedo et al. 2020, Data in Brief 30:105474, CC
BY 4.0). Cells are in the frame of `measured_crop`. *Flagged*: share of the cells of the model's
classes that `OutlierDetector` calls no cell, fitted to the known cells (*home*), and to one half of
the cells of the laboratory, without labels, and asked about the other (*own*). *No cell*: AUROC of
the detector of the laboratory, of cells against noise, colors, text, photographs and, in aslan, red
cells. *Outside*: AUROC of `energy_score`, of the classes against the laboratory's other kinds of
cell. *Distance*: of `laboratory_test` in batches of 50 cells, least to most; *found*: the share of
batches of which it says that they come from another laboratory (at home: of originals that were cut
out and resized anew, which are of the same)."""
COLUMNS = {
    "flagged_home": ("flagged, home", ".3f"),
    "flagged_own": ("flagged, own", ".3f"),
    "no_cell": ("no cell", ".3f"),
    "outside": ("outside", ".3f"),
    "least": ("distance", ".2f"),
    "most": ("to", ".2f"),
    "found": ("found", ".2f"),
}


def measure(name, options):
    """Return the figures of a laboratory."""
    model = reconfigure(load_model(options.model), dihedral_views=1)
    data = options.data.parents[1]
    known = np.random.default_rng(0).permutation(
        load_image_folder(options.data / "val", return_X_y=True)[0]
    )
    if name == "home":
        others, y = load_image_folder(data / "pbc" / "originals_val", return_X_y=True)
        order = np.random.default_rng(1).permutation(len(y))
        others, y = np.asarray(others)[order], np.asarray(y)[order]
        cells = reconfigure(model, crop=200 / 360).read_images(others)
    else:
        cells = read_folder(name, data)
        cells = cells.take(np.random.default_rng(0).permutation(len(cells.y)))
        others, y = cells.X, cells.y
        is_cell = ~np.isin(y, _NO_CELLS)
        crop = measured_crop(model, others[is_cell])
        cells = reconfigure(model, crop=crop).read_images(others)
    known = model.read_images(known[:_KNOWN])
    usual = np.isin(y, [*model.classes_, *_UNTYPED])
    pixels = cells.pixels
    own, rest = np.flatnonzero(usual)[::2], np.flatnonzero(usual)[1::2]
    detector = OutlierDetector(model).fit(pixels[own])
    rng = np.random.default_rng(0)
    none = [read_images(kind(_NONE, _SIDE, rng), size=pixels.shape[1:3]) for kind in KINDS.values()]
    none = np.concatenate([*none, pixels[np.isin(y, _NO_CELLS)]])
    batches = [pixels[usual][i : i + _BATCH] for i in range(0, usual.sum() - _BATCH + 1, _BATCH)]
    tests = [laboratory_test(model, known, b, n_permutations=99, random_state=0) for b in batches]
    figures = {
        "flagged_home": _share(OutlierDetector(model).fit(known), pixels[usual]),
        "flagged_own": _share(detector, pixels[rest]),
        "no_cell": _auroc(detector.score_samples(pixels[rest]), detector.score_samples(none)),
        "least": min(test.distance for test in tests),
        "most": max(test.distance for test in tests),
        "found": float(np.mean([test.is_other_laboratory for test in tests])),
    }
    outside = ~np.isin(y, [*model.classes_, *_UNTYPED, *_NO_CELLS])
    if outside.any():
        scores = energy_score(model, pixels)
        figures["outside"] = _auroc(scores[usual], scores[outside])
        kinds = [f"{k} {_auroc(scores[usual], scores[y == k]):.2f}" for k in np.unique(y[outside])]
        figures["notes"] = [f"{name}, outside, each against the classes: {', '.join(kinds)}."]
    return figures


def _share(detector, cells):
    return float((detector.predict(cells) < 0).mean())


def _auroc(cells, others):
    return float(roc_auc_score(np.arange(len(cells) + len(others)) < len(cells), [*cells, *others]))


def add_options(parser):
    parser.add_argument("--model", default="blood8-2", help="pretrained model, or a file")


_AWAY = {"flagged_own": Bar("<=", 0.05), "no_cell": Bar(">=", 0.95), "found": Bar(">=", 0.95)}
_BARS = {name: dict(_AWAY) for name in LABS}
_BARS["home"]["found"] = Bar("<=", 0.05)
_BARS["jhu"]["outside"] = Bar(">=", 0.85)

BENCHMARK = Benchmark(
    "unknown",
    "What a model does not know, laboratory by laboratory",
    TEXT,
    {
        name: Row(what, partial(measure, name), _BARS[name], needs_data=True)
        for name, what in LABS.items()
    },
    COLUMNS,
    add_options=add_options,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
