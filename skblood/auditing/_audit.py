"""The function `audit`, and its checks of images, labels, splits and groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from numbers import Integral
from typing import Literal

import numpy as np
import pandas as pd
from sklearn.utils import check_scalar

from skblood._labels import check_lengths, check_no_bytes, encode_groups, join_groups
from skblood._typing import ArrayLike, Images, Model
from skblood._writing import show_progress
from skblood.pretrained import find_training_overlap

from ._audit_report import AuditReport
from ._cell_sizes import find_cell_sizes
from ._copies import BLANK_CONTRAST, find_copies
from ._finding import Finding
from ._image_summary import list_images, summarize_images
from ._label_errors import find_label_errors

# A size is usual if this share of the images has it. An image has an odd size if a side differs
# from that of every usual size by more than this share: cameras and croppers vary by some pixels.
_USUAL_SHARE = 0.05
_SIZE_TOLERANCE = 0.1


def audit(
    X: Images,
    y: ArrayLike | None = None,
    *,
    split: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_splits: int = 5,
    image_shape: Sequence[int] | None = None,
    model: Model | None = None,
    probabilities: Literal["out-of-fold", "model"] | ArrayLike | None = None,
    verbose: int = 0,
) -> AuditReport:
    """Find what makes scores on these images wrong: copies, leaks, doubtful labels, bad images.

    Parameters
    ----------
    X : images in any form that the classifiers take, or CellImages
        Arrays, rows of pixels, paths or PIL images of any sizes. Not modified. Each file is
        decoded once, and only a small gray picture of each image is kept.
    y : array-like of shape (n,), default=None
        Labels.
    split : array-like of shape (n,), default=None
        The part to which each image belongs, such as "train", "val" and "test".
    groups : array-like of shape (n,), default=None
        Identifiers of slides or patients.
    n_splits : int, default=5
        Number of planned cross-validation folds. A class needs one image for each; copies count
        as one.
    image_shape : tuple of int, default=None
        (height, width, channels) of the images in rows of pixels; None means square images.
    model : fitted classifier, default=None
        Report it if the cells are not as large as this model expects them. Its features, or its
        probabilities, may tell label errors: see `probabilities`.
    probabilities : {"out-of-fold", "model"} or array-like of shape (n, n_classes), default=None
        Look for label errors, by these probabilities of the classes. "out-of-fold": of a logistic
        regression on the features of `model`, cross-validated in `n_splits` folds that keep copies
        and `groups` together. "model": those of `model`, which should not have been trained on
        these cells. Columns of an array are in the order of `model.classes_` or, without a model,
        of the sorted labels.
    verbose : int, default=0
        If not 0, progress is shown of what takes over two seconds.

    Returns
    -------
    report : AuditReport
        The findings, and groups for a split without leaks.

    Raises
    ------
    ValueError
        If no image can be read, `y`, `split` or `groups` has missing entries or another length
        than `X`, or `model` does not know how large the cells of its training were. Also if label
        errors are to be found without a model or labels, or with fewer than two classes that have
        images in `n_splits` groups.

    See Also
    --------
    skblood.datasets.train_val_test_split : Split that keeps copies together.
    skblood.measured_crop : The crop at which cells suit a model.

    Notes
    -----
    Two images are nearly identical if one is the other after rotation by any angle, reflection,
    cropping by up to 15 % of each side, a shift by a few pixels, blur, compression, resizing,
    a change of brightness, or several of these. They are compared in gray, and in the disc around
    the middle that no rotation removes.

    A training overlap is an image on which the pretrained model (:func:`skblood.load_pretrained`)
    was trained: scores on it of that model, and of models that start from its weights, are too
    high.

    Sizes of cells are medians over white cells (:func:`skblood.measure_cells`), of 256 images of a
    part at most. A part is reported if they differ by over 15 % from those of the first part.

    Suspected label errors are those of confident learning [1]_: a cell is suspected if another
    class is as probable as it is, on average, for the cells with that label. A model that was
    trained on the cells has learned their wrong labels, too, and hides them; features of a network
    that never saw these labels, with a logistic regression out of fold, do not. Classes with images
    in fewer than `n_splits` groups are not judged out of fold.

    A search by descriptors gives the most similar images of each image, which are then registered
    and correlated. The time of the search grows with the square of the number of images, but is a
    small part of the whole up to about 20,000. Memory is 25 kB an image, whatever their sizes.

    References
    ----------
    .. [1] Northcutt, Jiang, Chuang 2021: Confident learning: estimating uncertainty in dataset
       labels, Journal of Artificial Intelligence Research 70:1373.

    Examples
    --------
    >>> import numpy as np
    >>> import skblood
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(40, image_size=48, random_state=0)
    >>> X[39] = np.rot90(X[0])  # a rotated training image in the test set
    >>> split = ["train"] * 30 + ["test"] * 10
    >>> report = skblood.audit(X, split=split)
    >>> report.crossing_split[0].positions
    (0, 39)
    >>> int(report.groups_[0]) == int(report.groups_[39])
    True
    """
    check_scalar(n_splits, "n_splits", Integral, min_val=2)
    images = list_images(X, image_shape)
    n = len(images)
    y, split, groups = map(_check_column, (y, split, groups), ("y", "split", "groups"), [n] * 3)
    check_no_bytes(y or [], "y")
    with show_progress(verbose):
        summary, unreadable = summarize_images(images)
    copies = find_copies(summary, images)
    joined = join_groups(n, groups, pairs=[pair.positions for pair in copies])
    findings = copies + _find_single_images(summary, unreadable) + _find_odd_sizes(summary)
    # A model that gives only probabilities need not know sizes.
    knows_size = getattr(model, "training_data_", {}).get("cell_size")
    sized = model if probabilities is None or knows_size else None
    findings += find_cell_sizes(summary, split, sized)
    if groups is not None and split is not None:
        findings += _find_crossing_groups(groups, split)
    if y is not None:
        findings += _find_rare_classes(y, joined, n_splits) + _find_similar_labels(y)
    if probabilities is not None:
        if y is None:
            raise ValueError("Label errors need labels: give `y`, or leave `probabilities` out.")
        options = {"probabilities": probabilities, "model": model, "n_splits": n_splits}
        readable = np.sort(summary["position"])
        with show_progress(verbose):
            findings += find_label_errors(images, y, groups=joined, readable=readable, **options)
    return AuditReport(images, findings, joined, y=y, split=split)


def _check_column(values, name, n):
    """Return labels, parts or groups as a list, or None."""
    if values is None:
        return None
    check_lengths(X=n, **{name: len(values)})
    names, codes = encode_groups(values, n, name)
    return [names[code] for code in codes]


def _find_single_images(summary, unreadable):
    """Return the findings that concern one image: unreadable, blank, or used in training."""
    position, contrast = summary["position"].tolist(), summary["contrast"]
    found = [Finding("unreadable", (i,), why) for i, why in unreadable.items()]
    for k in np.flatnonzero(contrast < BLANK_CONTRAST):
        detail = f"standard deviation {contrast[k]:.1f} of 255"
        found.append(Finding("blank", (position[k],), detail))
    for k in np.flatnonzero(find_training_overlap(summary["picture"][..., None])):
        found.append(Finding("training_overlap", (position[k],)))
    return found


def _find_odd_sizes(summary):
    sizes = summary["size"]
    distinct, counts = np.unique(sizes, axis=0, return_counts=True)
    usual = distinct[counts >= max(2, _USUAL_SHARE * len(sizes))]
    if len(usual) == 0:  # each image is cropped to its cell
        return []
    ratio = np.abs(np.log(sizes[:, None] / usual)).max(axis=2).min(axis=1)
    detail = "{1} x {2}, not {0[0]} x {0[1]}".format
    odd = summary[ratio > np.log1p(_SIZE_TOLERANCE)][["position", "size"]]
    most = distinct[counts.argmax()]
    return [Finding("odd_size", (i,), detail(most, *size)) for i, size in odd.tolist()]


def _positions_by_value(values):
    column = pd.Series(values, dtype=object)
    return column.groupby(column, sort=False).apply(lambda same: tuple(same.index)).to_dict()


def _find_crossing_groups(groups, split):
    found = []
    for group, positions in _positions_by_value(groups).items():
        parts = Counter(split[i] for i in positions)
        if len(parts) > 1:
            detail = f"{group}: " + ", ".join(f"{k} in {part}" for part, k in parts.items())
            found.append(Finding("crossing_groups", positions, detail))
    return found


def _find_rare_classes(y, joined, n_splits):
    found = []
    for label, positions in _positions_by_value(y).items():
        n_groups = len(np.unique(joined[[*positions]]))
        if n_groups < n_splits:
            n_images = f"{len(positions)} image{'s' * (len(positions) > 1)}"
            in_groups = f" in {n_groups} group{'s' * (n_groups > 1)}"
            grouped = "" if n_groups == len(positions) else in_groups
            detail = f"{label}: {n_images}{grouped}, for {n_splits} folds"
            found.append(Finding("rare_classes", positions, detail))
    return found


def _find_similar_labels(y):
    found = []
    spellings = ["".join(str(label).split()).casefold() for label in y]
    for positions in _positions_by_value(spellings).values():
        counts = Counter(y[i] for i in positions)
        if len(counts) > 1:
            detail = ", ".join(f"{label!r} ({n})" for label, n in counts.items())
            found.append(Finding("similar_labels", positions, detail))
    return found
