"""Labels and probabilities that are to be scored, checked."""

import numpy as np
from sklearn.utils import column_or_1d

from skblood.evaluation._labels import check_lengths

# How far from 1 the probabilities of an image may add up, for those of low precision.
_TOLERANCE = 1e-2


def resolve_classes(y_true, y_pred, classes=None):
    """Return the classes as a list, sorted if they are not given."""
    if classes is not None:
        classes = _as_list(classes, "classes")
        if len(set(classes)) < len(classes):
            raise ValueError(f"`classes` must be different labels, got {classes}.")
        return classes
    labels = {*_as_list(y_true, "y_true"), *_as_list(y_pred, "y_pred")}
    try:
        return sorted(labels)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in labels})
        raise ValueError(
            f"The labels of `y_true` and `y_pred` are of the kinds {kinds}, which are never equal. "
            "Make them all str or all numbers."
        ) from error


def code_labels(y, classes, name):
    """Return the position of each label in `classes`, or raise ValueError if one is not there."""
    labels = _as_list(y, name)
    places = {label: place for place, label in enumerate(classes)}
    unknown = list(dict.fromkeys(label for label in labels if label not in places))
    if unknown:
        n = sum(label not in places for label in labels)
        raise ValueError(
            f"`{name}` holds {n} labels that are not among the classes {classes}: "
            f"{', '.join(map(repr, unknown))}. Leave these images out, give them the labels that "
            "the model knows, or take a model that was trained on these classes."
        )
    return np.array([places[label] for label in labels])


def check_probabilities(y_proba, n_images, classes):
    """Return probabilities as floats, or raise ValueError if they are none."""
    y_proba = np.asarray(y_proba)
    y_proba = y_proba if y_proba.dtype.kind == "f" else y_proba.astype(float)
    if y_proba.shape != (n_images, len(classes)):
        raise ValueError(
            f"`y_proba` must have one row for each image and one column for each class, shape "
            f"({n_images}, {len(classes)}) for the classes {classes}; it has {y_proba.shape}."
        )
    off = ~np.isclose(y_proba.sum(axis=1), 1, atol=_TOLERANCE) | (y_proba < 0).any(axis=1)
    if off.any():
        first = int(off.argmax())
        raise ValueError(
            f"`y_proba` must hold probabilities: at least 0, and 1 in total in each row. "
            f"{off.sum()} rows do not, the first being row {first}: {y_proba[first].tolist()}."
        )
    return y_proba


def code_groups(groups, n_images):
    """Return a number for each image's group, or raise ValueError if there are not two or more."""
    groups = _as_list(groups, "groups")
    check_lengths(y_true=n_images, groups=len(groups))
    missing = [i for i, group in enumerate(groups) if group is None or group != group]
    if missing:
        raise ValueError(
            f"`groups` lacks {len(missing)} entries (None or NaN), the first at position "
            f"{missing[0]}. Give these images a group of their own each, or leave them out."
        )
    places = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    if len(places) == 1:
        raise ValueError(
            "`groups` holds one group only; intervals that hold for other slides or patients need "
            "images of several. Leave `groups` out for intervals that hold for this one."
        )
    return np.array([places[group] for group in groups])


def _as_list(y, name):
    labels = column_or_1d(y).tolist()
    if not labels:
        raise ValueError(f"There is nothing to score: `{name}` is empty.")
    # An array of objects may hold numbers of NumPy, which JSON does not know.
    return [label.item() if isinstance(label, np.generic) else label for label in labels]
