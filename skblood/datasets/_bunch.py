"""The Bunch that every loader returns."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from skblood._typing import DataFrame
from skblood._writing import list_few, printable


class CellsBunch(Bunch):
    """A Bunch whose text is a summary; the text of a Bunch would list each path and pixel."""

    # For editors and type checkers. It has `paths` or `images`, and `groups` if they are known.
    data: NDArray[Any]
    images: NDArray[Any]
    paths: NDArray[Any]
    target: NDArray[Any]
    target_names: NDArray[Any]
    groups: NDArray[Any]
    frame: DataFrame
    DESCR: str

    def __repr__(self) -> str:
        lines = [f"{name}: {self._describe(name, value)}" for name, value in self.items()]
        return "\n  ".join([self._headline(), *lines])

    def _repr_html_(self) -> str:
        """Return the numbers of images of each class in each part, for a notebook."""
        import pandas as pd

        y = np.asarray(self.get("target", ()))
        if y.ndim != 1:  # what a user has put there
            return f"<p>{self._headline()}</p>"
        split = np.asarray(getattr(self.get("frame"), "split", ()))  # the column, if there is one
        split = split if split.shape == y.shape else np.full(y.shape, "images")
        counts = pd.crosstab(y, split, rownames=["class"], colnames=[""])
        return f"<p>{self._headline()}</p>{counts.to_html(max_rows=20)}"

    def _headline(self):
        n, n_classes = (
            len(np.atleast_1d(self.get(name, ()))) for name in ("target", "target_names")
        )
        return f"Bunch (images: {n:,}, classes: {n_classes})"

    def _describe(self, name, value):
        if name != "data" and value is self.get("data"):
            return "data"
        if name == "target_names":
            return printable(list_few([*map(str, np.ravel(value))]), keep="")
        if columns := list(map(str, getattr(value, "columns", ()))):
            return f"DataFrame of shape {value.shape}: {', '.join(columns)}"
        if isinstance(value, np.ndarray):
            kind = "str" if value.dtype.kind == "U" else value.dtype
            return f"ndarray of shape {value.shape}, {kind}"
        return printable(shorten(str(value), 200), keep="")


# What a loader returns. Any stands for the pair of return_X_y=True, so that a checker takes both.
Dataset: TypeAlias = CellsBunch | Any


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
    dataset = CellsBunch(
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
