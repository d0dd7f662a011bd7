"""One loader for image folders, tables and MedMNIST files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skblood._typing import StrPath
from skblood.datasets._bunch import Dataset, as_dataset
from skblood.datasets._csv import load_csv
from skblood.datasets._folders import ALL_SPLITS, list_splits, load_image_folder
from skblood.datasets._medmnist import load_npz
from skblood.datasets._table import TABLES, is_local_table


def load_cells(
    path: StrPath,
    *,
    split: str | None = None,
    path_column: str = "path",
    label_column: str = "label",
    split_column: str = "split",
    group_column: str | None = None,
    bit_depth: int | None = None,
    return_X_y: bool = False,
) -> Dataset:
    """Load cells from an image folder, a table of paths, or a file in the MedMNIST format.

    Calls `load_image_folder`, `load_csv` or `load_npz`, which have more options.

    Parameters
    ----------
    path : str or path-like
        A folder with one sub-folder per class, or with one such folder per split (``train``,
        ``val``, ``test``); a table (``.csv``, ``.tsv``, ``.txt``, ``.parquet``,
        or a folder of predictions); or an ``.npz`` file.
    split : str, default=None
        Name of the split to load: of a folder, in the `split_column` of the table, or of the
        arrays in the file. None loads all.
    path_column, label_column, split_column : str, default="path", "label" and "split"
        Names of the columns of a table. The column of splits is optional.
    group_column : str, default=None
        Name of the column of a table with the groups of the images; see `load_csv`.
    bit_depth : int in 8..16, default=None
        Bits of the values in files of more than 8 bits; see `load_image_folder`. Not of an npz
        file, which holds pixels.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary with attribute access: `data`, an ndarray of str of shape
        (n_images,), paths, or of uint8 of shape (n_images, height, width, 3), pixels; `target` of
        shape (n_images,); `target_names`; `frame`, a DataFrame with a column ``split`` where
        there are splits; `groups` of shape (n_images,), with `group_column`; `DESCR`.
    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    FileNotFoundError
        If `path`, an image of a table, or a split of a folder does not exist.
    ValueError
        If `path` is a file of another type or cannot be read, there is no such split,
        `group_column` is given and `path` is not a table, or `bit_depth` and it is an npz file.

    Warns
    -----
    UserWarning
        If the sub-folders of a folder may be no classes; see `load_image_folder`.

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
    if is_local_table(path):
        names = {"path_column": path_column, "label_column": label_column}
        cells = load_csv(path, **names, group_column=group_column, bit_depth=bit_depth)
        cells = _select_split(cells, split, split_column, path)
        return (cells.data, cells.target) if return_X_y else cells
    if path.is_file() and suffix != ".npz":
        raise ValueError(
            f"{str(path)!r} is neither a folder with one sub-folder per class, nor a table "
            f"({', '.join(TABLES)}; save one of Excel as .csv), nor an .npz file in the MedMNIST "
            "format."
        )
    if group_column is not None or (suffix == ".npz" and bit_depth is not None):
        raise ValueError(
            f"group_column={group_column!r} is of a table, and bit_depth={bit_depth!r} of image "
            f"files. Omit what is not of {str(path)!r}."
        )
    if suffix == ".npz":
        return load_npz(path, split, return_X_y=return_X_y)
    if split is None and path.is_dir() and list_splits(path):
        split = ALL_SPLITS
    return load_image_folder(path, split=split, bit_depth=bit_depth, return_X_y=return_X_y)


def _select_split(cells, split, column, path):
    """Return the rows of a split of a table, or all, with the column of splits as ``split``."""
    if column in cells.frame:
        cells.frame["split"] = cells.frame[column]
    if split is None:
        return cells
    splits = cells.frame[column].astype(str) if column in cells.frame else np.array([], str)
    rows = np.asarray(splits == str(split))  # folds may be numbers
    if not rows.any():
        found = np.unique(splits).tolist()
        raise ValueError(f"{str(path)!r} has no row of the split {split!r}; it has {found}.")
    groups = cells.groups[rows] if "groups" in cells else None
    description, frame = f"Table {str(path)!r}, split {split!r}", cells.frame[rows]
    return as_dataset(cells.data[rows], cells.target[rows], description, frame=frame, groups=groups)
