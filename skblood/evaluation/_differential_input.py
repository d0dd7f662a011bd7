"""What a differential count is made of, checked."""

import numpy as np
from sklearn.utils import column_or_1d

from skblood.evaluation._labels import check_lengths
from skblood.evaluation._report import EvaluationReport
from skblood.evaluation._report_input import code_labels, resolve_classes


def count_cells(y_pred, groups, classes, rejected):
    """Count labels by slide and class.

    Parameters
    ----------
    y_pred, groups, classes, rejected
        As `differential_count` takes them.

    Returns
    -------
    counts : ndarray of int of shape (n_slides, n_classes)
    n_rejected : ndarray of int of shape (n_slides,)
    slides : list of length n_slides
        In the order in which they first appear.
    classes : list of length n_classes
    """
    labels = column_or_1d(y_pred)
    groups = np.full(len(labels), "all") if groups is None else column_or_1d(groups)
    refused = np.zeros(len(labels), bool) if rejected is None else column_or_1d(rejected)
    check_lengths(y_pred=len(labels), groups=len(groups), rejected=len(refused))
    if refused.dtype != bool:
        raise ValueError(
            f"`rejected` must hold True or False for each cell, not {refused.dtype}. Write "
            "`y_pred == label` if rejected cells have a label of their own."
        )
    kept = labels[~refused]
    if classes is None and not len(kept):
        raise ValueError(
            f"`y_pred` holds no label that is not rejected ({len(labels)} cells). Give `classes`, "
            "or cells that have a label."
        )
    classes = resolve_classes(kept, kept, classes)
    slides, places = _code_slides(groups.tolist())
    counts = np.zeros((len(slides), len(classes)), int)
    if len(kept):
        np.add.at(counts, (places[~refused], code_labels(kept, classes, "y_pred")), 1)
    return counts, np.bincount(places[refused], minlength=len(slides)), slides, classes


def _code_slides(groups):
    missing = [i for i, group in enumerate(groups) if group is None or group != group]
    if missing:
        raise ValueError(
            f"`groups` lacks {len(missing)} entries (None or NaN), the first at position "
            f"{missing[0]}. Say which slide these cells are from, or leave them out."
        )
    places = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    return list(places), np.array([places[group] for group in groups], int)


def check_counts(counts, name, shape):
    """Return counts as an array of int, or raise ValueError if they are none.

    None in `shape` stands for any number.
    """
    counts = np.asarray(counts)
    wanted = str(shape).replace("None", "any")
    if counts.ndim != len(shape) or any(
        n not in (None, m) for n, m in zip(shape, counts.shape, strict=False)
    ):
        raise ValueError(f"`{name}` must have the shape {wanted}, got {counts.shape}.")
    if counts.dtype.kind not in "iuf" or not (np.isfinite(counts) & (counts >= 0)).all():
        raise ValueError(f"`{name}` must hold numbers of cells, 0 or more, got {counts.tolist()}.")
    if (counts != np.round(counts)).any():
        raise ValueError(
            f"`{name}` must hold numbers of cells, not shares: of how many cells a share is tells "
            f"how sure it is. Got {counts.tolist()}."
        )
    return counts.astype(int)


def check_confusion(confusion, classes):
    """Return the confusion matrix of validation cells as an array of int."""
    if isinstance(confusion, EvaluationReport):
        if confusion.classes != classes:
            raise ValueError(
                f"`confusion` is the evaluation of a model with the classes {confusion.classes}, "
                f"and the cells are counted by {classes}. Give `classes` as the model has them."
            )
        confusion = confusion.confusion_matrix
    n_classes = len(classes)
    if np.shape(confusion) != (n_classes, n_classes):
        raise ValueError(
            f"`confusion` must have a row and a column for each of the {n_classes} classes "
            f"{classes}, got the shape {np.shape(confusion)}. Give `classes` in the order of its "
            "rows, all of them: not all need to be among the cells."
        )
    confusion = check_counts(confusion, "confusion", (n_classes, n_classes))
    unseen = [label for label, n in zip(classes, confusion.sum(axis=1), strict=True) if n == 0]
    if unseen:
        raise ValueError(
            f"`confusion` has no validation cell of {', '.join(map(str, unseen))}: what the model "
            "takes them for is not known. Validate with cells of all classes, or count without "
            "`confusion`."
        )
    return confusion
