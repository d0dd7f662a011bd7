"""The Bunch that every loader returns."""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch


def as_dataset(
    data, target, description, return_X_y=False, *, frame, target_names=None, groups=None
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
    frame : DataFrame with n rows or dict of columns
        What else is known of each image.
    target_names : sequence, default=None
        The classes, in order. None means the sorted labels of `target`.
    groups : ndarray of shape (n,), default=None
    """
    import pandas as pd

    if return_X_y:
        return data, target
    columns = {name: np.asarray(column) for name, column in frame.items()}
    for name, column in columns.items():
        # Objects, since Arrow's text cannot hold file names that are not UTF-8.
        columns[name] = pd.Series(column, dtype=object if column.dtype.kind in "OU" else None)
    counts = zip(*np.unique(target, return_counts=True), strict=True)
    counted = ", ".join(f"{label} {count}" for label, count in counts)
    dataset = Bunch(
        data=data,
        target=target,
        target_names=np.unique(target) if target_names is None else np.asarray(target_names),
        frame=pd.DataFrame(columns),
        DESCR=f"{description}: {len(target)} images ({counted}).",
    )
    dataset["paths" if data.ndim == 1 else "images"] = data
    if groups is not None:
        dataset["groups"] = groups
    return dataset


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
    found, published = Counter(found), Counter(published)
    different = [key for key in sorted(found | published) if found[key] != published[key]]
    if different:
        counts = ", ".join(f"{key} {found[key]} instead of {published[key]}" for key in different)
        warnings.warn(
            f"{str(folder)!r} differs from the published data set in the number of images: "
            f"{counts}. Check that the folder is complete.",
            stacklevel=3,
        )
