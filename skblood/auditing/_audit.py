"""The audit: what is read once, looked at from all sides, and reported."""

from collections import Counter
from numbers import Integral

import numpy as np
import torch
from sklearn.utils import check_scalar, column_or_1d

from skblood.auditing._copies import BLANK_CONTRAST, find_copies, join
from skblood.auditing._finding import Finding
from skblood.auditing._intake import as_images, take_in
from skblood.auditing._report import AuditReport
from skblood.images import to_numpy
from skblood.pretrained import find_training_overlap

# A size is usual if this share of the images has it, and unusual if it differs from all usual ones
# by more than this part: cameras and croppers vary by a few pixels.
_USUAL_SHARE = 0.05
_SIZE_TOLERANCE = 0.1


def audit(X, y=None, *, split=None, groups=None, n_splits=5, image_shape=None):
    """Find what makes a score on these images untrue: copies, leaks, wrong labels, bad images.

    Parameters
    ----------
    X : images of any form that the classifiers take
        Arrays, rows of pixels, paths or PIL images; of any sizes. It is not changed. Each image is
        decoded once, and only a small picture of it is kept.
    y : array-like of shape (n,), default=None
        Labels.
    split : array-like of shape (n,), default=None
        The part that each image is in, such as "train", "val" and "test".
    groups : array-like of shape (n,), default=None
        Ids of slides or patients.
    n_splits : int, default=5
        Folds that are planned; a class needs an image for each, and copies count once.
    image_shape : tuple of int, default=None
        (height, width, channels) into which rows of pixels fold; None means square images.

    Returns
    -------
    report : AuditReport

    Raises
    ------
    ValueError
        If no image can be read, or if `y`, `split` or `groups` has not one entry for each image,
        or lacks some.

    See Also
    --------
    skblood.datasets.train_val_test_split : Splits that copies do not cross.

    Notes
    -----
    Nearly identical are images of which one is the other turned by right angles, mirrored,
    compressed again, resized, shifted by a few pixels or made brighter, or several of these. A
    small part cut out of an image is not found. Neither are images compared in colour.

    Seen are images that the ready model, `skblood.load_pretrained`, was trained on: its scores on
    them, and those of models that start from its weights, are too good.

    The nearest eight of each image are compared, by Fourier magnitudes in a tree, so that the time
    grows about as the number of images does.

    Examples
    --------
    >>> import numpy as np
    >>> import skblood
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(40, image_size=48, random_state=0)
    >>> X[39] = np.rot90(X[0])  # a training image, turned, is in the test set
    >>> split = ["train"] * 30 + ["test"] * 10
    >>> report = skblood.audit(X, split=split)
    >>> report.crossing_split[0].positions
    (0, 39)
    >>> int(report.groups_[0]) == int(report.groups_[39])
    True
    """
    check_scalar(n_splits, "n_splits", Integral, min_val=2)
    images = as_images(X, image_shape)
    intake = take_in(images)
    n = len(intake.contents)
    y, split, groups = (
        _check_column(column, name, n)
        for column, name in ((y, "y"), (split, "split"), (groups, "groups"))
    )
    copies = find_copies(intake, images)
    joined = join(n, copies, groups)
    findings = copies + _find_training_overlap(intake) + _find_bad_images(intake)
    if groups is not None and split is not None:
        findings += _find_crossing_groups(groups, split)
    if y is not None:
        findings += _find_rare_classes(y, joined, n_splits) + _find_similar_labels(y)
    return AuditReport(images, findings, joined, y=y, split=split, groups=groups)


def _check_column(column, name, n):
    """Return the column as a list, or None."""
    if column is None:
        return None
    column = _as_column(column, name)
    if len(column) != n:
        raise ValueError(f"X holds {n} images and `{name}` {len(column)}: give one for each image.")
    values = column.tolist()
    # What is not equal to itself is NaN; pandas.NA cannot be asked and is known by its type.
    missing = [i for i, v in enumerate(values) if v is None or _is_na(v)]
    if missing:
        raise ValueError(
            f"`{name}` lacks {len(missing)} entries (None or NaN), the first at position "
            f"{missing[0]}. Give these images a name of their own, or leave them out."
        )
    _check_names(column, name)
    return values


def _as_column(column, name):
    if isinstance(column, (torch.Tensor, np.ma.MaskedArray)):
        column = to_numpy(column, name)
    try:
        column = column_or_1d(column)
    except ValueError as error:
        raise _no_names(name, error) from error
    return column


def _check_names(column, name):
    """Raise ValueError unless the entries can be sorted, as groups are, and counted."""
    try:
        if column.dtype.kind == "V":
            raise TypeError("it is a structured array")
        np.unique(column)
        hash(tuple(column.tolist()))
    except TypeError as error:
        raise _no_names(name, error) from error


def _no_names(name, error):
    return ValueError(
        f"`{name}` is no column of names: {error}. Pass one str or int for each image."
    )


def _is_na(value):
    return type(value).__name__ in ("NAType", "NaTType") or value != value


def _find_training_overlap(intake):
    readable = np.flatnonzero(intake.contents >= 0)
    positions = readable[find_training_overlap(intake.pictures[readable][..., None])].tolist()
    return [Finding("training_overlap", (i,), detail="in the train part of PBC") for i in positions]


def _find_bad_images(intake):
    bad = [Finding("unreadable", (i,), detail=why) for i, why in intake.unreadable.items()]
    readable = intake.contents >= 0
    for i in np.flatnonzero(readable & (intake.contrast < BLANK_CONTRAST)).tolist():
        detail = f"standard deviation {intake.contrast[i]:.1f} of 255"
        bad.append(Finding("blank", (i,), detail=detail))
    return bad + _find_odd_sizes(intake.sizes, np.flatnonzero(readable))


def _find_odd_sizes(sizes, readable):
    different, counts = np.unique(sizes[readable], axis=0, return_counts=True)
    usual = different[counts >= max(2, _USUAL_SHARE * len(readable))]
    if len(usual) == 0:  # as where each image is cut out as large as its cell
        return []
    ratio = np.abs(np.log(sizes[readable][:, None] / usual)).max(axis=2).min(axis=1)
    most = different[counts.argmax()]
    return [
        Finding(
            "odd_size", (i,), detail=f"{sizes[i][0]} x {sizes[i][1]}, not {most[0]} x {most[1]}"
        )
        for i in readable[ratio > np.log1p(_SIZE_TOLERANCE)].tolist()
    ]


def _positions(values):
    """Return value -> its positions."""
    positions = {}
    for i, value in enumerate(values):
        positions.setdefault(value, []).append(i)
    return positions


def _find_crossing_groups(groups, split):
    found = []
    for group, positions in _positions(groups).items():
        parts = Counter(split[i] for i in positions)
        if len(parts) > 1:
            detail = f"{group}: " + ", ".join(f"{k} in {part}" for part, k in parts.items())
            found.append(Finding("crossing_groups", tuple(positions), detail=detail))
    return found


def _find_rare_classes(y, joined, n_splits):
    found = []
    for label, positions in _positions(y).items():
        n_groups = len(set(joined[positions].tolist()))
        if n_groups < n_splits:
            apart = "" if n_groups == len(positions) else f", {n_groups} that can be apart"
            detail = f"{label}: {len(positions)} images{apart}, for {n_splits} folds"
            found.append(Finding("rare_classes", tuple(positions), detail=detail))
    return found


def _find_similar_labels(y):
    spellings = {}
    for label in dict.fromkeys(each for each in y if isinstance(each, str)):
        spellings.setdefault("".join(label.split()).casefold(), []).append(label)
    return [
        Finding(
            "similar_labels",
            tuple(i for i, label in enumerate(y) if label in labels),
            detail=", ".join(f"{label!r} ({y.count(label)})" for label in labels),
        )
        for labels in spellings.values()
        if len(labels) > 1
    ]
