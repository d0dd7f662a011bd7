"""Suspected label errors, by confident learning."""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skblood._labels import (
    check_probabilities,
    encode_labels,
    match_labels,
    plain_list,
    sort_labels,
)

from ._finding import Finding

# Chosen on PBC with 2 % of wrong labels: of 0.001 to 1, it finds most of them with few others.
_C = 0.1
# As in cleanlab: a probability equal to the threshold, but for rounding, reaches it.
_ROUNDING = 1e-6


def find_label_errors(images, y, *, probabilities, model, groups, n_splits, readable):
    """Return cells whose label is probably wrong, the most doubtful first.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c), or list of length n
    y : list of length n
    probabilities : {"out-of-fold", "model"} or array-like of shape (n, n_classes)
        As of `audit`.
    model : fitted classifier or None
    groups : ndarray of int of shape (n,)
        Slides, patients and copies, which are in one fold.
    n_splits : int
    readable : ndarray of int
        Positions of the images that can be read.
    """
    rows, labels, kind = np.arange(len(y)), list(y), ""
    if isinstance(probabilities, str):
        if probabilities not in ("out-of-fold", "model") or model is None:
            raise ValueError(
                "`probabilities` must be an array of shape (n_images, n_classes) or, with a model, "
                f"'out-of-fold' or 'model', not {probabilities!r}. Without one of your own, give "
                "model=skblood.load_pretrained()."
            )
        rows, kind = readable, probabilities
    if kind == "out-of-fold":
        classes = _frequent_classes([y[i] for i in rows], groups[rows], n_splits)
    else:
        classes = plain_list(sort_labels(np.array(y, object)) if model is None else model.classes_)
        labels = match_labels(y, classes)
    # Of a label that is no class of the model, or too rare, nothing is known.
    known = np.array([labels[i] in set(classes) for i in rows])
    rows, codes = rows[known], encode_labels([labels[i] for i in rows[known]], classes, "y")
    if kind == "out-of-fold":
        features = model.predictor_.penultimate(model.iter_images([images[i] for i in rows]))
        probabilities = out_of_fold_probabilities(features, codes, groups[rows], n_splits)
    elif kind == "model":
        probabilities = model.predict_proba([images[i] for i in rows])
    else:
        probabilities = check_probabilities(probabilities, len(y), classes)[known]
    found, suggested = confident_errors(codes, probabilities)
    return [
        Finding(
            "label_errors",
            (int(rows[i]),),
            f"{classes[codes[i]]} ({probabilities[i, codes[i]]:.2f}), more probably "
            f"{classes[k]} ({probabilities[i, k]:.2f})",
            suggested=classes[k],
        )
        for i, k in zip(found, suggested, strict=True)
    ]


def _frequent_classes(labels, groups, n_splits):
    """Return the classes, sorted, that occur in enough groups for a cross-validation."""
    n_groups = pd.Series(groups).groupby(pd.Series(labels, dtype=object)).nunique()
    classes = plain_list(sort_labels(n_groups.index[n_groups >= n_splits].to_numpy(object)))
    if len(classes) < 2:
        raise ValueError(
            f"Fewer than two classes have images in {n_splits} groups (a group is a slide or "
            "patient if `groups` is given, and all copies of an image), so that labels cannot be "
            "checked out of fold. Lower `n_splits`, or give an array of probabilities."
        )
    return classes


def out_of_fold_probabilities(features, codes, groups, n_splits=5):
    """Return probabilities of each image by a model that has not seen it or its group.

    Parameters
    ----------
    features : ndarray of shape (n, d)
    codes : ndarray of int of shape (n,)
        Class codes, all of which occur in `n_splits` groups.
    groups : ndarray of shape (n,)
    n_splits : int, default=5
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(C=_C, max_iter=1000))
    folds = StratifiedGroupKFold(n_splits, shuffle=True, random_state=0)
    options = {"groups": groups, "cv": folds, "method": "predict_proba"}
    return cross_val_predict(model, features, codes, **options)


def confident_errors(codes, probabilities):
    """Return suspected label errors by confident learning (Northcutt, Jiang and Chuang 2021).

    An image counts for the class that is most probable among those whose probability is at least
    the mean over the images with this label. It is suspected if this class is more probable than
    its label. The same, but for ties, as ``find_label_issues(filter_by="confident_learning")`` of
    cleanlab 2.9, which is not used for these few lines: it has 25,000, starts processes, and takes
    no labels but 0 to n, all of which must occur.

    Parameters
    ----------
    codes : ndarray of int of shape (n,)
    probabilities : ndarray of shape (n, n_classes)

    Returns
    -------
    positions : ndarray of int of shape (n_found,)
        Ordered by the difference between the probabilities of the label and of the suggested class.
    suggested : ndarray of int of shape (n_found,)
    """
    given = probabilities[np.arange(len(codes)), codes]
    counts = np.bincount(codes, minlength=probabilities.shape[1])
    means = np.bincount(codes, given, minlength=len(counts)) / np.maximum(counts, 1)
    # A class that no label names is not suggested.
    thresholds = np.where(counts > 0, means - _ROUNDING, np.inf)
    confident = np.where(probabilities >= thresholds, probabilities, -1)
    suggested = confident.argmax(axis=1)
    suspected = np.flatnonzero(confident.max(axis=1) > given + _ROUNDING)
    margins = given[suspected] - confident.max(axis=1)[suspected]
    order = suspected[np.argsort(margins, kind="stable")]
    return order, suggested[order]
