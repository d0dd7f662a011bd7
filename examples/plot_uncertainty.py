"""
Uncertainty: calibration, prediction sets, rejection and outliers
=================================================================

For one classifier: calibrated probabilities, sets of labels instead of labels, rejected cells, and
images that are not cells.

It runs on synthetic cells, without a download, in about a minute on one core::

    python examples/plot_uncertainty.py

and on your own cells::

    python examples/plot_uncertainty.py --data cells/ --n-cells 4000
"""

# %%
# Cells for training, validation and test
# ---------------------------------------
import matplotlib.pyplot as plt
import numpy as np
from _script import draw_results, get_cells, make_parser, print_counts, save_figure
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split

from skblood import TransferCellClassifier
from skblood.uncertainty import (
    AccuracyCoverageDisplay,
    OutlierDetector,
    PredictionSets,
    RejectOption,
    expected_calibration_error,
    laboratory_test,
)

parser = make_parser(__doc__, n_cells=1600)
parser.add_argument("--epochs", type=int, default=8, help="passes over the training cells")
args = parser.parse_args()

X, y = get_cells(args)
print_counts(y)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=args.seed)
X_train, X_val, y_train, y_val = train_test_split(
    X, y, test_size=0.4, stratify=y, random_state=args.seed
)
clf = TransferCellClassifier(
    "cellnet_t", image_size=32, max_epochs=1 if args.quick else args.epochs, random_state=args.seed
).fit(X_train, y_train)
draw_results(args, "uncertainty", clf, X_test, y_test)

# %%
# Calibration
# -----------
# Temperature scaling changes no label. Without it, label smoothing makes probabilities too low.
calibrated = CalibratedClassifierCV(FrozenEstimator(clf), method="temperature", ensemble=False).fit(
    X_val, y_val
)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
for name, classifier in {"as trained": clf, "temperature": calibrated}.items():
    p = classifier.predict_proba(X_test)
    is_correct = classifier.classes_[p.argmax(axis=1)] == y_test
    error = expected_calibration_error(y_test, p, labels=classifier.classes_)
    print(f"{name}: calibration error {error:.3f}")
    CalibrationDisplay.from_predictions(
        is_correct, p.max(axis=1), n_bins=8, strategy="quantile", name=name, ax=left
    )
    AccuracyCoverageDisplay.from_estimator(classifier, X_test, y_test, name=name, ax=right)
left.set(xlabel="probability of the label", ylabel="share of correct labels")
save_figure(args, "uncertainty_curves", figure)

# %%
# Prediction sets, for all cells and for each class
# -------------------------------------------------
figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
for shift, class_conditional in ((-0.2, False), (0.2, True)):
    sets = PredictionSets(clf, confidence_level=0.8, class_conditional=class_conditional)
    found = sets.fit(X_val, y_val).coverage(X_test, y_test)
    name = "for each class" if class_conditional else "for all cells"
    print(
        f"{name}: {found.marginal:.3f} of the sets contain the label, {found.mean_size:.2f} labels"
    )
    label = f"{name}, {found.mean_size:.2f} labels in a set"
    ax.bar(np.arange(len(sets.classes_)) + shift, found.per_class, 0.4, label=label)
ax.axhline(0.8, color="0.3", linestyle="--", linewidth=1)
ax.set_xticks(range(len(sets.classes_)), sets.classes_, rotation=30, ha="right")
ax.set(ylabel="share of sets with the true label", ylim=(0, 1))
figure.legend(loc="outside upper left", ncols=2)
save_figure(args, "uncertainty_sets", figure)

# %%
# Reject option and outliers
# --------------------------
reject = RejectOption(clf, criterion="coverage", target=0.8).fit(X_val, y_val)
labels, rejected = reject.predict(X_test, return_rejected=True)
correct = labels == y_test
print(
    f"{rejected.mean():.0%} rejected; accuracy {correct.mean():.3f} on all cells, "
    f"{correct[~rejected].mean():.3f} on the others"
)
detector = OutlierDetector(clf).fit(X_val, y_val)
noise = np.random.default_rng(args.seed).integers(0, 256, (50, 32, 32, 3), dtype=np.uint8)
for name, images in {"cells": X_test, "noise": noise}.items():
    share = np.mean(detector.predict(images) == -1)
    print(
        f"{name}: {share:.0%} outliers, probability {clf.predict_proba(images).max(1).mean():.2f}"
    )

# %%
# An unknown laboratory
# ---------------------
# Only for images in arrays, whose colors can be changed here.
if args.data == "synthetic":
    other = (X_test * np.array([0.85, 0.95, 1.0])).astype(np.uint8)
    for name, images in {"the same laboratory": X_test, "another lamp": other}.items():
        print(f"{name}:", laboratory_test(clf, X_val, images, random_state=args.seed))
