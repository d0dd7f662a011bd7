"""
Uncertainty: when not to trust a prediction
===========================================

A classifier assigns a class to every image, also to a cell that it does not know and to dirt.
Four remedies, each a scikit-learn estimator around a fitted classifier: calibrated probabilities,
sets of labels, rejected cells, and a detector of images that are no cells.

See :doc:`/user_guide/uncertainty` for what each of them guarantees.
"""

# %%
# A classifier
# ------------
# All remedies need validation cells that were not trained on.
from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells, train_val_test_split

X, y = make_blood_cells(1000, image_size=32, random_state=0)
X_train, X_val, X_test, y_train, y_val, y_test = train_val_test_split(
    X, y, val_size=0.3, test_size=0.3, random_state=0
)
clf = TransferCellClassifier(
    "cellnet_t", batch_size=16, lr=3e-3, max_epochs=10, random_state=0
).fit(X_train, y_train)
print(f"accuracy {clf.score(X_test, y_test):.2f}")

# %%
# Calibrated probabilities
# ------------------------
# Of cells with a probability of 0.8, 80 % should be right. Label smoothing makes probabilities too
# low; temperature scaling mends that and changes no label.
import matplotlib.pyplot as plt
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.frozen import FrozenEstimator

from skblood.uncertainty import AccuracyCoverageDisplay, expected_calibration_error

calibrated = CalibratedClassifierCV(FrozenEstimator(clf), method="temperature", ensemble=False)
calibrated.fit(X_val, y_val)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
for name, classifier in {"as trained": clf, "calibrated": calibrated}.items():
    p = classifier.predict_proba(X_test)
    right_label = classifier.classes_[p.argmax(axis=1)] == y_test
    error = expected_calibration_error(y_test, p, labels=classifier.classes_)
    print(f"{name}: calibration error {error:.3f}")
    CalibrationDisplay.from_predictions(
        right_label, p.max(axis=1), n_bins=6, strategy="quantile", name=name, ax=left
    )
AccuracyCoverageDisplay.from_estimator(clf, X_test, y_test, ax=right)
left.set(xlabel="probability of the label", ylabel="share of right labels")
plt.show()

# %%
# Sets of labels
# --------------
# :class:`~skblood.uncertainty.PredictionSets` returns as many labels as a stated confidence needs.
# Overall 80 % of the sets contain the true label; only ``class_conditional=True`` holds this for
# each class.
import pandas as pd

# sphinx_gallery_thumbnail_number = 2
from skblood.uncertainty import PredictionSets

per_class = {}
for conditional, name in {False: "for all cells", True: "for each class"}.items():
    sets = PredictionSets(clf, confidence_level=0.8, class_conditional=conditional)
    coverage = sets.fit(X_val, y_val).coverage(X_test, y_test)
    per_class[f"{name}, {coverage.mean_size:.2f} labels in a set"] = coverage.per_class
ax = pd.DataFrame(per_class, index=sets.classes_).plot.bar(
    figsize=(8, 4), rot=30, width=0.8, color=["#0072b2", "#e69f00"]
)
ax.axhline(0.8, color="0.3", ls="--")
ax.set(ylabel="share of sets with the true label", ylim=(0, 1.25))
ax.legend(loc="upper left", ncols=2)
plt.tight_layout()
plt.show()

# %%
# Cells for a person
# ------------------
# :class:`~skblood.uncertainty.RejectOption` leaves the least certain cells to a person.
from skblood.uncertainty import RejectOption

reject = RejectOption(clf, criterion="coverage", target=0.8).fit(X_val, y_val)
labels, rejected = reject.predict(X_test, return_rejected=True)
print(f"{rejected.mean():.0%} rejected")
print(f"accuracy {(labels == y_test).mean():.2f} on all cells, ", end="")
print(f"{(labels == y_test)[~rejected].mean():.2f} on the others")

# %%
# Images that are no cells
# ------------------------
# Noise gets a label, too. :class:`~skblood.uncertainty.OutlierDetector` knows better.
import numpy as np

from skblood.uncertainty import OutlierDetector

detector = OutlierDetector(clf).fit(X_val, y_val)
noise = np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), dtype=np.uint8)
for name, images in {"cells": X_test, "noise": noise}.items():
    print(f"{name}: {np.mean(detector.predict(images) == -1):.0%} outliers")
