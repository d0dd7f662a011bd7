"""
Classify blood cells with the tools of scikit-learn
===================================================

The main workflow, from loading cells to the report on held-out ones: cross-validation, a search
over backbones, a pipeline of imbalanced-learn, and pictures of the results.

It runs on synthetic cells, without a download, in a few minutes on two CPU cores::

    python examples/quickstart.py

and on your own cells, a folder with one sub-folder per class or a file in the MedMNIST format::

    python examples/quickstart.py --data cells/
    python examples/quickstart.py --data bloodmnist.npz
    python examples/quickstart.py --data bloodmnist      # downloaded the first time
"""

# %%
# Options
# -------
import argparse
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # pictures are written to files, also without a display

import matplotlib.pyplot as plt
import numpy as np
import torch
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import Pipeline
from sklearn.metrics import classification_report
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_score,
    train_test_split,
)

from skblood import MLPCellClassifier, TransferCellClassifier, load_pretrained
from skblood.datasets import fetch_bloodmnist, load_cells, make_blood_cells
from skblood.evaluation import CellGridDisplay, EvaluationReport, HistoryDisplay
from skblood.images import read_images, resize_images

parser = argparse.ArgumentParser(
    description=__doc__.split("\n\n")[1], formatter_class=argparse.ArgumentDefaultsHelpFormatter
)
parser.add_argument(
    "--data", default="synthetic", help="synthetic, bloodmnist, a folder, a table or an .npz file"
)
parser.add_argument("--output", type=Path, default=Path("demo_output"), help="folder for pictures")
parser.add_argument("--epochs", type=int, default=15, help="passes over the training images")
parser.add_argument("--image-size", type=int, default=32, help="side that the networks see")
parser.add_argument("--quick", action="store_true", help="a smoke test: few cells, two epochs")
parser.add_argument("--seed", type=int, default=0, help="random seed")
args = parser.parse_args()

# On a CPU the folds run in parallel; several trainings on one GPU would compete for it. Each has
# one thread: a second one does not speed up networks as small as these.
n_jobs = 1 if torch.cuda.is_available() else 2
torch.set_num_threads(1)
epochs = 2 if args.quick else args.epochs
n_folds = 3 if args.quick else 5
started = time.perf_counter()
n_steps = 7


def step(number, what):
    """Print the step and the time that has passed."""
    print(f"\n[{number}/{n_steps}] {time.perf_counter() - started:5.0f} s  {what}", flush=True)


# %%
# Cells and labels
# ----------------
# `X` holds images (uint8, n x height x width x 3) or, for a folder, only their paths. Every
# estimator and every splitter takes both. The synthetic cells are as imbalanced as those of blood:
# neutrophils are common, basophils are rare.


def get_cells(data):
    """Return X and y by the option `--data`."""
    if data == "synthetic":
        common = {"neutrophil": 4, "lymphocyte": 3, "platelet": 2, "eosinophil": 2}
        rare = {"monocyte": 1, "erythroblast": 1, "ig": 1, "basophil": 1}
        return make_blood_cells(
            320 if args.quick else 800, class_weights=common | rare, random_state=args.seed
        )
    if data == "bloodmnist":
        return fetch_bloodmnist(size=64, return_X_y=True)
    return load_cells(data, return_X_y=True)


step(1, f"Loading cells: {args.data}")
X, y = get_cells(args.data)
for label, count in zip(*np.unique(y, return_counts=True), strict=True):
    print(f"    {label!s:<14} {count:>6}")

# %%
# Test set
# --------
# It is set aside before the first model is trained, and used once, in the end.
step(2, "Setting a quarter aside as the test set")
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.25, stratify=y, random_state=args.seed
)
print(f"    {len(y_train)} cells to train on, {len(y_test)} to test on")

# %%
# Cross-validation
# ----------------
# A network is an estimator like any other. With `class_weight="balanced"` all classes have the same
# weight in the loss. Early stopping sets a part of the training folds aside, never of the test
# fold.
folds = StratifiedKFold(n_folds, shuffle=True, random_state=args.seed)
classifier = TransferCellClassifier(
    "cellnet_t",
    weights=None,
    image_size=args.image_size,
    lr=5e-3,
    batch_size=16,
    max_epochs=epochs,
    class_weight="balanced",
    early_stopping=True,
    random_state=args.seed,
)
step(3, f"{n_folds}-fold cross-validation of cellnet_t")
scores = cross_val_score(
    classifier,
    X_train,
    y_train,
    cv=folds,
    scoring="f1_macro",
    n_jobs=n_jobs,
    error_score="raise",
    verbose=2,
)
print(f"    macro-F1 {scores.mean():.3f} +- {scores.std():.3f}")

# %%
# Search over backbones
# ---------------------
# The name of the network is a parameter. Here three small ones are trained from scratch; with a GPU
# you would search over larger, pretrained ones: `weights="default"`.
step(4, "Search over backbones")
search = GridSearchCV(
    classifier,
    {"backbone": ["cellnet_t", "cellnet_s", "test_resnet"]},
    cv=StratifiedKFold(2, shuffle=True, random_state=args.seed),
    scoring="f1_macro",
    n_jobs=n_jobs,
    error_score="raise",
    verbose=2,
)
search.fit(X_train, y_train)
for params, mean, seconds in zip(
    search.cv_results_["params"],
    search.cv_results_["mean_test_score"],
    search.cv_results_["mean_fit_time"],
    strict=True,
):
    print(f"    {params['backbone']:<14} macro-F1 {mean:.3f}, {seconds:.0f} s a fit")
best = search.best_estimator_

# %%
# A sampler in a pipeline
# -----------------------
# Samplers work on rows of numbers. SMOTE interpolates between two rows in the dtype of its input,
# in which a negative uint8 difference wraps around to a bright pixel, so the rows are float32 from
# 0 to 1, which the classifier unflattens to images.
step(5, "SMOTE and a multi-layer perceptron, in a pipeline of imbalanced-learn")
side = (28, 28)
small = resize_images(read_images(X_train, size=side, channels=3), side)
rows = small.reshape(len(small), -1) / np.float32(255)
pipeline = Pipeline(
    [
        ("smote", SMOTE(k_neighbors=3, random_state=args.seed)),
        (
            "mlp",
            MLPCellClassifier(hidden_layer_sizes=(256,), max_epochs=epochs, random_state=args.seed),
        ),
    ]
)
scores = cross_val_score(
    pipeline,
    rows,
    y_train,
    cv=folds,
    scoring="f1_macro",
    n_jobs=n_jobs,
    error_score="raise",
    verbose=2,
)
print(f"    macro-F1 {scores.mean():.3f} +- {scores.std():.3f}")

# %%
# The report
# ----------
# The test set is used here for the first time.
step(6, f"Report of the best network, {best.backbone}, on the held-out cells")
y_pred = best.predict(X_test)
print(classification_report(y_test, y_pred, digits=3, zero_division=0))

# %%
# Pictures
# --------
# Confusions of classes, learning curves, and cells with their predicted labels.
step(7, f"Pictures in {args.output}/")
args.output.mkdir(parents=True, exist_ok=True)
displays = {
    "confusion_matrix": EvaluationReport.from_predictions(y_test, y_pred).plot(),
    "learning_curves": HistoryDisplay.from_estimator(best),
    "cells": CellGridDisplay.from_predictions(X_test, y_test, y_pred, random_state=args.seed),
}
if np.any(y_test != y_pred):
    displays["errors"] = CellGridDisplay.from_predictions(
        X_test, y_test, y_pred, only_errors=True, random_state=args.seed
    )
for name, display in displays.items():
    path = args.output / f"{name}.png"
    display.figure_.savefig(path, dpi=120)
    plt.close(display.figure_)
    print(f"    {path}")

# %%
# The pretrained model
# --------------------
# The package contains a model that was trained on real cells. Its predictions for synthetic cells
# mean nothing.
pretrained = load_pretrained("pbc8")
labels, counts = np.unique(pretrained.predict(X_test), return_counts=True)
print("\nThe pretrained model, trained on real cells, predicts for the held-out cells:")
print("   ", ", ".join(map("{} {}".format, labels, counts)))
if args.data == "synthetic":
    print("    For synthetic cells its predictions mean nothing. Pass real ones with --data.")
print(f"\nDone in {time.perf_counter() - started:.0f} s.")
