"""Cells of whatever form they are kept in."""

from pathlib import Path

import numpy as np

from skblood.datasets._csv import load_csv
from skblood.datasets._folders import ALL_SPLITS, count_labels, list_splits, load_image_folder
from skblood.datasets._medmnist import load_npz

TABLES = (".csv", ".tsv", ".txt")


def load_cells(
    path,
    *,
    split=None,
    path_column="path",
    label_column="label",
    split_column="split",
    group_column=None,
    return_X_y=False,
):
    """Load cells from an image folder, a table of paths, or a file in the MedMNIST format.

    For scripts that are given one of them; where it is known which, `load_image_folder`,
    `load_csv` and `load_npz` have more to choose.

    Parameters
    ----------
    path : str or path-like
        A folder of class folders, or of splits (``train``, ``val``, ``test``) that hold these; a
        table (``.csv``, ``.tsv``, ``.txt``); or an ``.npz`` file.
    split : str, default=None
        The split to load, as the folders, the table's `split_column` or the file's arrays name it.
        None loads all.
    path_column, label_column, split_column : str, default="path", "label" and "split"
        Names of the columns of a table; that of the splits may be missing.
    group_column : str, default=None
        Name of the column of a table that says which images belong together; see `load_csv`.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary whose entries are attributes as well: `data`, an ndarray of str of shape
        (n_images,), paths, or of uint8 of shape (n_images, height, width, 3), pixels; `target` of
        shape (n_images,); `target_names`; `frame`, a DataFrame with a column ``split`` where
        there are splits; `groups` of shape (n_images,), with `group_column`; `DESCR`.
    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    FileNotFoundError
        If `path`, an image of a table, or a split of a folder is not there.
    ValueError
        If `path` is a file of another kind, or not what its name says, or there is no such split.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from skblood.datasets import load_cells, make_blood_cells
    >>> X, y = make_blood_cells(16, image_size=28, random_state=0)
    >>> codes = np.unique(y, return_inverse=True)[1]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "cells.npz")
    ...     np.savez(file, train_images=X, train_labels=codes)
    ...     X, y = load_cells(file, split="train", return_X_y=True)
    >>> X.shape
    (16, 28, 28, 3)
    """
    path = Path(path).expanduser()
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return load_npz(path, split, return_X_y=return_X_y)
    if suffix in TABLES and not path.is_dir():
        cells = load_csv(
            path,
            path_column=path_column,
            label_column=label_column,
            group_column=group_column,
        )
        cells.frame = cells.frame.rename(columns={split_column: "split"})
        _choose(cells, split, split_column, path)
        return (cells.data, cells.target) if return_X_y else cells
    if path.is_file():
        raise ValueError(
            f"{str(path)!r} is neither a folder of class folders, nor a table "
            f"({', '.join(TABLES)}), nor an .npz file in the MedMNIST format."
        )
    if split is None and path.is_dir() and list_splits(path):
        split = ALL_SPLITS
    return load_image_folder(path, split=split, return_X_y=return_X_y)


def _choose(cells, split, split_column, path):
    """Keep the rows of a split, in place."""
    if split is None:
        return
    frame = cells.frame
    if "split" not in frame:
        raise ValueError(
            f"split={split!r} was asked for, but the table {str(path)!r} has no column "
            f"{split_column!r}. Its columns are {list(frame.columns)}."
        )
    if not (rows := frame["split"].to_numpy() == split).any():
        raise ValueError(
            f"The table {str(path)!r} has no row of split {split!r}; its splits are "
            f"{sorted(frame['split'].dropna().unique().tolist())}."
        )
    for key in ("data", "paths", "target", "groups"):
        if key in cells:
            cells[key] = cells[key][rows]
    cells.frame = frame[rows].reset_index(drop=True)
    cells.target_names = np.unique(cells.target)
    cells.DESCR = f"Table {str(path)!r}, split {split!r}: {count_labels(cells.target)}."
