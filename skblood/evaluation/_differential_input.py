"""Checks of the input of differential counts."""

import numpy as np

from skblood._labels import (
    as_column,
    check_lengths,
    encode_groups,
    encode_labels,
    resolve_classes,
)
from skblood.evaluation._evaluation_report import EvaluationReport


def count_cells(y_pred, groups, classes, rejected):
    """Count predicted labels by slide and class.

    Parameters
    ----------
    y_pred, groups, classes, rejected
        As in `differential_count`.

    Returns
    -------
    counts : ndarray of int of shape (n_slides, n_classes)
    n_rejected : ndarray of int of shape (n_slides,)
    slides : list of length n_slides
        In the order of first appearance.
    classes : list of length n_classes
    """
    labels = as_column(y_pred, "y_pred")
    groups = np.full(len(labels), "all") if groups is None else as_column(groups, "groups")
    rejected = np.zeros(len(labels), bool) if rejected is None else as_column(rejected, "rejected")
    check_lengths(y_pred=len(labels), groups=len(groups), rejected=len(rejected))
    if rejected.dtype != bool:
        raise ValueError(
            f"`rejected` must hold True or False for each cell, not {rejected.dtype}. Write "
            "`y_pred == label` if rejected cells have a label of their own."
        )
    slides, places = encode_groups(groups, len(labels))
    accepted = labels[~rejected]  # the labels of the others are not read
    classes = resolve_classes(classes, y_pred=accepted)
    codes = encode_labels(accepted, classes, "y_pred")
    counts = np.zeros((len(slides), len(classes)), int)
    np.add.at(counts, (places[~rejected], codes), 1)
    return counts, np.bincount(places[rejected], minlength=len(slides)), slides, classes


def check_counts(counts, name, shape):
    """Return counts as an array of int.

    Parameters
    ----------
    counts : array-like
    name : str
        Name of the argument, for messages.
    shape : tuple of int or None
        None allows any number.

    Raises
    ------
    ValueError
        If the shape differs, or there is anything but whole numbers of 0 or more.
    """
    counts = np.asarray(counts)
    if counts.ndim != len(shape) or any(
        n not in (None, m) for n, m in zip(shape, counts.shape, strict=True)
    ):
        wanted = str(shape).replace("None", "any")
        raise ValueError(f"`{name}` must have the shape {wanted}, got {counts.shape}.")
    if counts.dtype.kind not in "iuf" or not (np.isfinite(counts) & (counts >= 0)).all():
        raise ValueError(f"`{name}` must hold numbers of cells, 0 or more.")
    if (counts != np.round(counts)).any():
        raise ValueError(
            f"`{name}` must hold numbers of cells, not shares: the interval of a share depends on "
            "the number of cells."
        )
    return counts.astype(int)


def check_confusion(confusion, classes):
    """Return the confusion matrix of validation cells as an array of int."""
    if isinstance(confusion, EvaluationReport):
        if confusion.classes != classes:
            raise ValueError(
                f"`confusion` is the evaluation of a model with the classes {confusion.classes}, "
                f"but the cells are counted by {classes}. Give the `classes` of the model."
            )
        confusion = confusion.confusion_matrix
    n_classes = len(classes)
    if np.shape(confusion) != (n_classes, n_classes):
        raise ValueError(
            f"`confusion` must have a row and a column for each of the {n_classes} classes "
            f"{classes}, got the shape {np.shape(confusion)}. Give all `classes` of the model in "
            "the order of its rows; not all need to be among the cells."
        )
    confusion = check_counts(confusion, "confusion", (n_classes, n_classes))
    empty = [str(label) for label, row in zip(classes, confusion, strict=True) if not row.any()]
    if empty:
        raise ValueError(
            f"`confusion` has no validation cell of {', '.join(empty)}, so that their confusions "
            "are unknown. Validate on cells of all classes, or count without `confusion`."
        )
    return confusion
