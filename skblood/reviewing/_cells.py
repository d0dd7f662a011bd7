"""The cells under review: files, labels and groups, checked."""

import os

import numpy as np

from skblood._labels import as_column, check_lengths, is_missing
from skblood._writing import NO_CLASS


class Cells:
    """Files, labels and groups of the cells under review.

    Parameters
    ----------
    X, y, groups, columns : object
        As of `review`.
    classes : ndarray of shape (n_classes,)
        Those of the model.

    Attributes
    ----------
    items : list of str
        Paths, as they are read.
    given : list of str
        Labels, "" where there is none.
    names : ndarray of str of shape (n_names,)
        Names of the classes of the model, and of further labels.
    groups : list of str, or None
    group_column : str
    columns : DataFrame, or None
    probabilities : ndarray of shape (n, n_classes), or None
        Set by `review`, unless it is blind.
    """

    def __init__(self, X, y, groups, columns, classes):
        self.items, self.columns, self.probabilities = _check_paths(X), columns, None
        if columns is not None:
            check_lengths(X=len(self.items), columns=len(columns))
        labels = [None] * len(self.items) if y is None else as_column(y, "y").tolist()
        check_lengths(X=len(self.items), y=len(labels))
        self.labels = [None if is_missing(v) or v == "" else v for v in labels]
        self.given = ["" if label is None else str(label) for label in self.labels]
        own = [str(label) for label in classes.tolist()]
        self.n_classes = len(own)
        self.names = np.array([*own, *sorted({*self.given} - {*own, "", NO_CLASS})])
        self.group_column = str(getattr(groups, "name", None) or "group")
        self.groups = None if groups is None else as_column(groups, "groups").tolist()
        if groups is not None:
            check_lengths(X=len(self.items), groups=len(self.groups))
            self.groups = ["" if is_missing(group) else str(group) for group in self.groups]

    def shown_codes(self):
        """Return the position in `names` of each label to check: given, or else predicted."""
        places = {name: code for code, name in enumerate(self.names)}
        given = np.array([places.get(label, -1) for label in self.given])
        return np.where(given < 0, self.probabilities.argmax(axis=1), given)

    def known_labels(self):
        """Return the labels for `query`, None for a missing one; None if all or none are known."""
        n_known = sum(label is not None for label in self.labels)
        return self.labels if 0 < n_known < len(self.labels) else None


def _check_paths(X):
    """Return the paths of X as a list."""
    is_one = isinstance(X, str | os.PathLike) or np.ndim(X) != 1
    items = [] if is_one else np.asarray(X, dtype=object).tolist()
    if not items or not all(isinstance(item, str | os.PathLike) for item in items):
        raise TypeError(
            "review takes the paths of image files, since corrections.csv names them; X holds "
            "none. Save the images as files, and give their paths in a list."
        )
    seen = {}
    for place, item in enumerate(items):
        first = seen.setdefault(os.path.abspath(item), place)
        if first != place:
            raise ValueError(f"X has one file at the positions {first} and {place}. Give one.")
    return [item if isinstance(item, str) else os.fspath(item) for item in items]
