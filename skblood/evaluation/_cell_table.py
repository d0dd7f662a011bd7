"""Table of the predictions of single cells, as a report holds it and `predictions.csv` has it."""

import os

import numpy as np
import pandas as pd

from skblood._labels import as_column, check_lengths, encode_groups, list_few, plain_list
from skblood.images import EncodedImage


def tabulate_cells(true, predicted, y_proba, classes, *, groups=None, names=None):
    """Return a DataFrame with a row for each image.

    Parameters
    ----------
    true, predicted : ndarray of int of shape (n_images,)
        Class codes.
    y_proba : ndarray of shape (n_images, n_classes), or None
    classes : list of length n_classes
    groups, names : array-like of shape (n_images,), default=None

    Returns
    -------
    cells : DataFrame
        With the columns path, true, label, probability, p_<class> of each class, and group; those
        of which nothing is given are left out.
    """
    columns = {"true": [classes[code] for code in true]}
    columns["label"] = [classes[code] for code in predicted]
    if names is not None:
        names = [os.fspath(each) if isinstance(each, os.PathLike) else str(each) for each in names]
        check_lengths(images=len(true), names=len(names))
        columns = {"path": names} | columns
    if y_proba is not None:
        columns["probability"] = y_proba[np.arange(len(true)), predicted]
        columns |= {f"p_{label}": y_proba[:, i] for i, label in enumerate(classes)}
    if groups is not None:
        encode_groups(groups, len(true))  # says what is wrong with them
        columns["group"] = plain_list(as_column(groups, "groups"))
    return pd.DataFrame(columns)


def path_names(X):
    """Return X as names of images if it holds paths, else None."""
    is_listed = isinstance(X, list | tuple | pd.Series) or getattr(X, "ndim", 0) == 1
    names = list(X) if is_listed else []
    paths = names and all(isinstance(each, str | os.PathLike | EncodedImage) for each in names)
    return names if paths else None


def align_cells(tables, names):
    """Return tables of the same images with their rows in the order of the first.

    Parameters
    ----------
    tables : list of DataFrame
        As of `tabulate_cells`. If not all have paths, the order of the rows is taken as it is.
    names : list of str
        Names of the tables, for messages.

    Returns
    -------
    tables : list of DataFrame
        With the paths as index, if all have them.

    Raises
    ------
    ValueError
        If the images are not the same; some of them are named.
    """
    if not all("path" in table for table in tables):
        if len({len(table) for table in tables}) > 1:
            counts = ", ".join(f"{n!r} {len(t):,}" for n, t in zip(names, tables, strict=True))
            raise ValueError(f"They were evaluated on different numbers of images: {counts}.")
        return tables
    tables = [table.set_index("path") for table in tables]
    for table, name in zip(tables, names, strict=True):
        if twice := table.index[table.index.duplicated()].tolist():
            raise ValueError(f"{name!r} has images twice: {list_few(twice, most=3)}.")
        for here, there, which in ((tables[0], table, names[0]), (table, tables[0], name)):
            if len(alone := here.index.difference(there.index, sort=False)):
                raise ValueError(
                    f"{names[0]!r} and {name!r} were not evaluated on the same images: "
                    f"{len(alone):,} are only in that of {which!r}, such as "
                    f"{list_few(list(map(repr, alone)), most=3)}."
                )
    return [table.loc[tables[0].index] for table in tables]
