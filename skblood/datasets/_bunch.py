"""The Bunch that every loader returns."""

import warnings
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch


def as_dataset(
    data, target, description, return_X_y=False, *, target_names=None, frame=None, groups=None
):
    """Return ``(data, target)``, or a Bunch like those of scikit-learn's loaders.

    Parameters
    ----------
    data : ndarray of shape (n, h, w, c) or (n, h, w), dtype uint8; or of shape (n,), dtype str
        Images or paths.
    target : ndarray of shape (n,)
        Labels.
    description : str
        Source, license and citation. The number of images of each class is appended.
    return_X_y : bool, default=False
    target_names : sequence, default=None
        The classes, in order. None means the sorted labels of `target`.
    frame : DataFrame with n rows or dict of columns, default=None
        What else is known of each image.
    groups : ndarray of shape (n,), default=None
    """
    import pandas as pd

    if return_X_y:
        return data, target
    counts = zip(*np.unique(target, return_counts=True), strict=True)
    counted = ", ".join(f"{label} {count}" for label, count in counts)
    dataset = Bunch(
        data=data,
        target=target,
        target_names=np.unique(target) if target_names is None else np.asarray(target_names),
        frame=None if frame is None else pd.DataFrame(frame),
        DESCR=f"{description}: {len(target)} images ({counted}).",
    )
    dataset["paths" if data.ndim == 1 else "images"] = data
    if groups is not None:
        dataset["groups"] = groups
    return dataset


def list_few(items, separator=", ", most=20):
    """Join the first items for a message, with the number of the others."""
    rest = len(items) - most
    return separator.join([*items[:most], *([f"and {rest} more"] if rest > 0 else [])])


def read_description(name):
    """Return the description of a public data set."""
    path = Path(__file__).parent / "descriptions" / f"{name}.txt"
    return path.read_text(encoding="utf-8") + "\nFound"


def warn_if_incomplete(folder, found, published):
    """Warn the caller of a loader if a folder differs from a published data set.

    Parameters
    ----------
    folder : Path
    found, published : dict of str to int
        Number of images of each class or split.
    """
    different = [
        f"{key} {found.get(key, 0)} instead of {published.get(key, 0)}"
        for key in sorted(found.keys() | published.keys())
        if found.get(key, 0) != published.get(key, 0)
    ]
    if different:
        warnings.warn(
            f"{str(folder)!r} differs from the published data set in the number of images: "
            f"{', '.join(different)}. Check that the folder is complete.",
            stacklevel=3,
        )
