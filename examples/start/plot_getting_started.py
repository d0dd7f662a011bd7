"""
Getting started in ten minutes
==============================

From a folder of cells to a model that another laboratory can use: audit the images, split them by
patient, train a network, evaluate it with confidence intervals, adapt it to another stain, and save
it.

The cells are drawn by :func:`~skblood.datasets.make_blood_cells`, and the network is small and
trained from scratch, so that the page needs no download, no GPU and less than a minute. To use your
own cells, skip the next block and set ``folder``. Scores on synthetic cells mean nothing for real
ones.
"""

# %%
# A folder of cells
# -----------------
# skblood reads a folder that has one subfolder for each class. Here the names of the files begin
# with the patient. One cell is in the folder twice: a copy, rotated, under another patient.
import tempfile
from pathlib import Path

from PIL import Image

from skblood.datasets import make_blood_cells

folder = Path(tempfile.mkdtemp())
for i, (image, label) in enumerate(zip(*make_blood_cells(640, random_state=0))):
    (folder / label).mkdir(exist_ok=True)
    Image.fromarray(image).save(folder / label / f"patient{i % 20:02}_{i:03}.png")
Image.fromarray(image).rotate(90).save(folder / label / "patient00_640.png")

# %%
# :func:`~skblood.datasets.load_image_folder` lists paths and labels; nothing is decoded yet. Every
# estimator takes paths as well as arrays of images. The guide :doc:`/user_guide/datasets` has the
# other forms: tables, MedMNIST files and public data sets.
import numpy as np

from skblood.datasets import load_image_folder

X, y = load_image_folder(folder, return_X_y=True)
patients = np.array([Path(path).name.split("_")[0] for path in X])
print(f"{len(X)} images of {len(set(y))} classes from {len(set(patients))} patients")

# %%
# Look at the cells before anything else: another stain, another magnification or a wrong label is
# seen at once.
from skblood.evaluation import CellSampleDisplay

CellSampleDisplay.from_labels(X, y, n_per_class=8, random_state=0)

# %%
# Audit
# -----
# :func:`~skblood.audit` finds what makes scores wrong: copies, images on both sides of a split,
# contradictory labels, unusable files.
import skblood

audit = skblood.audit(X, y, groups=patients)
print(audit)

# %%
# It found the copy.
audit.plot()

# %%
# Split by patient
# ----------------
# Cells of one patient are alike. If some of them are in the training set and others in the test
# set, the score tells nothing about new patients. ``audit.groups_`` are the patients; those that
# share a copy count as one.
from skblood.datasets import train_val_test_split

train, val, test, *_ = train_val_test_split(
    np.arange(len(y)), y, groups=audit.groups_, val_size=0.2, test_size=0.3, random_state=0
)
print(f"{len(train)} cells to train on, {len(val)} for validation, {len(test)} for the test")

# %%
# Fit
# ---
# :class:`~skblood.TransferCellClassifier` is a scikit-learn classifier: it works in
# ``cross_val_score``, ``GridSearchCV`` and pipelines. On real cells start from pretrained weights:
# ``TransferCellClassifier("cell_lite0", weights="blood8-2")``, or any network of timm and
# torchvision (:doc:`/user_guide/backbones`).
clf = skblood.TransferCellClassifier(
    "cellnet_t", image_size=32, batch_size=16, lr=3e-3, max_epochs=20, random_state=0
)
clf.fit(X[train], y[train], X_val=X[val], y_val=y[val])

# %%
# The validation score follows the training; the test cells are not touched yet.
from skblood.evaluation import HistoryDisplay

HistoryDisplay.from_estimator(clf)

# %%
# Evaluate
# --------
# :func:`~skblood.evaluation.evaluate` gives each score with its confidence interval. With
# ``groups``, the intervals hold for new patients (:doc:`/user_guide/evaluation`).
from skblood.evaluation import evaluate

report = evaluate(clf, X[test], y[test], groups=patients[test])
print(report)

# %%
# Which classes are confused with which?
report.plot()

# %%
# And which cells are these? The predicted class stands above the true one.
from skblood.evaluation import CellGridDisplay

CellGridDisplay.from_predictions(
    X[test], y[test], clf.predict(X[test]), n_cells=12, only_errors=True, random_state=0
)

# %%
# Adapt to another laboratory
# ---------------------------
# Another stain and another camera change the colors of the same cells. Here they are simulated by
# mixing the color channels. :func:`~skblood.adapt` needs a few labeled cells of the new
# laboratory; ten of each class here (:doc:`/user_guide/adaptation`).
X_new, y_new = make_blood_cells(480, random_state=1)
X_new = (X_new @ [[0.6, 0.3, 0.0], [0.1, 0.4, 0.4], [0.3, 0.1, 0.3]]).astype(np.uint8)
few = np.concatenate([np.flatnonzero(y_new == label)[:10] for label in clf.classes_])
others = np.setdiff1d(np.arange(len(y_new)), few)

adapted = skblood.adapt(clf, X_new[few], y_new[few], random_state=0)
before = evaluate(clf, X_new[others], y_new[others])
after = evaluate(adapted, X_new[others], y_new[others])
for name, each in {"before": before, "after": after}.items():
    print(f"{name}: balanced accuracy {each.scores['balanced_accuracy']}")

# %%
# The gain, with its interval, on cells that took no part in the adaptation:
from skblood.evaluation import compare_models

compare_models(before, after, names=["before", "after"]).plot()

# %%
# Save and load
# -------------
# One file without pickle holds the network, its preprocessing, the labels and the model card. The
# loaded model gives the same predictions, on any computer (:doc:`/user_guide/saving`).
path = skblood.save(adapted, folder / "cells.skblood", evaluation=after)
loaded = skblood.load(path)
print("equal predictions:", np.array_equal(loaded.predict(X_new), adapted.predict(X_new)))
print(f"{path.name}, {path.stat().st_size / 1000:,.0f} kB")

# %%
# What next?
# ----------
# - The same steps in the shell: ``skblood audit``, ``train``, ``evaluate``, ``adapt``
#   (:doc:`/user_guide/command_line`).
# - :ref:`sphx_glr_auto_examples_start_plot_pretrained.py` predicts without any training.
# - :ref:`sphx_glr_auto_examples_evaluation_plot_uncertainty.py` tells when not to trust a
#   prediction.
# - :ref:`sphx_glr_auto_examples_laboratory_plot_whole_loop.py` goes on to the count that a
#   laboratory signs.
