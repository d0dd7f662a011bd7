"""Tables of image files, labels and groups."""

from __future__ import annotations

import os
import re
import sys
import warnings
from pathlib import Path

import numpy as np

from skblood._typing import StrPath
from skblood._writing import NO_CLASS, list_few, read_formula, shorten, suggest
from skblood.datasets._bunch import Dataset, as_dataset
from skblood.datasets._folders import check_exists
from skblood.datasets._parquet import is_parquet, is_predictions, iter_parquet
from skblood.datasets._table import no_table, open_table, read_header, table_folder
from skblood.images import state_depth


def load_csv(
    path: StrPath,
    *,
    path_column: str = "path",
    label_column: str = "label",
    group_column: str | None = None,
    root: StrPath | None = None,
    bit_depth: int | None = None,
    return_X_y: bool = False,
) -> Dataset:
    r"""Load paths, labels and optional groups from a table with one row per image.

    All rows are kept, in their order, except those with the label "none of these", which a reader
    of :func:`skblood.review` gives to what is in no class. The images are not decoded, but each
    file must exist.

    Parameters
    ----------
    path : str or path-like
        Text file in UTF-8 or UTF-16 with a header line, whose delimiter (comma, semicolon, tab or
        vertical bar) is detected; a Parquet file; or a folder that
        :func:`skblood.streaming.predict_shards` has written, which is one table.
    path_column, label_column : str, default="path" and "label"
        Names of the columns with the image files and their labels. Cells that begin with ' and a
        sign of a formula (=, +, -, @), as the command line writes them, are read without the '.
    group_column : str, default=None
        Name of the column with the groups of the images, such as slides or patients.
    root : str or path-like, default=None
        Folder of relative paths. None means the folder of the table, or the folder of predictions.
    bit_depth : int in 8..16, default=None
        Bits of the values in files of more than 8 bits; see `load_image_folder`.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary with attribute access:

        data, paths : ndarray of str of shape (n_images,)
            Paths, joined with `root`. With `bit_depth`, of dtype object: each path states it, as
            in `frame`.
        target : ndarray of shape (n_images,), dtype str or int64
            Labels: integers if all of them are written as integers ("2", not "02"), otherwise
            the text of the table.
        target_names : ndarray of shape (n_classes,)
            The labels, sorted.
        groups : ndarray of shape (n_images,), dtype str or int64
            Groups, converted like the labels; only with `group_column`.
        frame : DataFrame with n_images rows
            The whole table.
        DESCR : str
            The table and the number of images of each class.
    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    FileNotFoundError
        If the table or image files do not exist. The files are listed.
    ValueError
        If it is an Excel file, the table lacks a column or has no rows, rows have more cells than
        the header, a path, label or group is empty, a file has two labels, the text is not UTF-8
        (or UTF-16), or the labels are predictions, as of `skblood predict`: the column after them
        is probability, and each label has a column ``p_`` and its name.

    See Also
    --------
    load_image_folder : One sub-folder per class.
    train_val_test_split : Splits by groups.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skblood.datasets import load_csv
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a.png", "b.png"):
    ...         Image.new("RGB", (32, 32)).save(Path(folder, name))
    ...     table = Path(folder, "cells.csv")
    ...     _ = table.write_text("path;label;slide\na.png;monocyte;7\nb.png;platelet;9\n")
    ...     cells = load_csv(table, group_column="slide")
    >>> cells.target.tolist(), cells.groups
    (['monocyte', 'platelet'], array([7, 9]))
    """
    path = Path(path).expanduser()
    columns = [path_column, label_column] + ([] if group_column is None else [group_column])
    frame = _read_table(path, columns)
    refuse_predictions(frame, label_column, path)
    frame = frame[frame[label_column] != NO_CLASS].reset_index(drop=True)
    if frame.empty:
        raise ValueError(f"{str(path)!r} has only labels {NO_CLASS!r}, and so no cell of a class.")
    root = table_folder(path) if root is None else Path(root).expanduser()
    X = np.array([str(root / name) for name in frame[path_column]])
    if missing := [name for name in dict.fromkeys(X.tolist()) if not os.path.isfile(name)]:
        raise FileNotFoundError(
            f"{len(missing)} of {len(X)} image files do not exist (relative paths start from "
            f"`root`, {str(root)!r}){suggest(missing[0])}:\n  "
            + list_few([*map(shorten, missing)], "\n  ")
        )
    labels = {}
    for name, label in zip(X, frame[label_column], strict=True):
        labels.setdefault(os.path.abspath(name), {})[label] = name  # a.png and ./a.png are one
    if several := [f"{x}: {', '.join(each)}" for x, each in labels.items() if len(each) > 1]:
        raise ValueError(
            f"{len(several)} files in {str(path)!r} have several labels; keep one label of each:"
            "\n  " + list_few(several, "\n  ")
        )
    converted = {column: _convert_integers(frame[column].tolist()) for column in columns[1:]}
    y, groups = converted[label_column], converted.get(group_column)
    X, own = (state_depth(paths, bit_depth) for paths in (X, frame[path_column]))
    frame = {**frame, **converted, path_column: own}
    return as_dataset(X, y, f"Table {str(path)!r}", return_X_y, frame=frame, groups=groups)


def read_table(path, columns):
    """Read a table of any columns without a change of their text.

    Parameters
    ----------
    path : str or path-like
        As of `load_csv`.
    columns : list of str
        Columns that must be there, and complete.

    Returns
    -------
    frame : DataFrame of object (str)
        The whole table; cells are stripped, and "" if they are missing.
    """
    return _read_table(Path(path).expanduser(), columns, all_text=True)


def iter_table(path, columns, n_rows):
    """Yield what `read_table` returns, `n_rows` rows at a time."""
    path = Path(path).expanduser()
    for frame in _read_frames(path, columns, n_rows):
        yield frame.reset_index(drop=True)


def refuse_predictions(frame, label_column, path):
    """Raise ValueError if the labels of a table are predictions, as `skblood predict` writes them.

    Parameters
    ----------
    frame : DataFrame
        Its columns in their order.
    label_column : str
    path : str or path-like
        The table, for the message.
    """
    names = [*map(str, frame)]
    after = names[names.index(label_column) + 1 :] if label_column in names else []
    labels = {f"p_{label}" for label in frame[label_column] if label != ""} if after else {}
    if not labels or after[0] != "probability" or not labels.issubset(after):
        return
    known = [f"{name!r}" for name in ("true", "given_label") if name in names]
    other = f"The labels before are in {known[0]}: name it by `label_column`. " if known else ""
    raise ValueError(
        f"{str(path)!r} holds predictions: {label_column!r} holds what a model predicted, "
        f"with its probabilities, not the truth. {other}If people have decided each label, as in "
        "`skblood review`, remove the columns 'probability' and 'p_...'."
    )


def _read_table(path, columns, all_text=False):
    """Read the table; the given columns are complete, and they, or all, hold stripped text."""
    import pandas as pd

    return pd.concat([*_read_frames(path, columns, sys.maxsize, all_text)])


def _read_frames(path, columns, n_rows, all_text=True):
    """Yield the table in chunks of rows, their index going on."""
    if not is_predictions(path):
        check_exists(path)
    read, n_read = (iter_parquet if is_parquet(path) else _iter_text), 0
    for frame in read(path, columns, n_rows, all_text):
        n_read += len(frame)
        _check_complete(frame, columns, path)
        yield frame
    if not n_read:
        raise ValueError(f"{str(path)!r} has no rows.")


def _iter_text(path, columns, n_rows, all_text):
    import pandas as pd

    encoding, delimiter, header = read_header(path, columns)
    options = {
        "sep": delimiter,
        "index_col": False,  # a delimiter at the end of each row would shift the columns
        "encoding_errors": "surrogateescape",
        # The label "NA" does not become NaN, nor "01" 1.
        "dtype": object if all_text else dict.fromkeys(columns, object),
        "keep_default_na": False,
        "na_values": {
            name: ["", "NA", "NaN"] for name in header if not (all_text or name in columns)
        },
        "skipinitialspace": True,
        "chunksize": n_rows,
    }
    frames, n_read = None, 0
    with open_table(path, encoding) as file:
        while True:
            try:
                with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
                    frames = pd.read_csv(file, **options) if frames is None else frames
                    frame = next(frames, None)
                if frame is None and n_read:
                    return
                if frame is None or frame.empty:
                    raise ValueError("it has a header and no rows.")
                for column in columns[1:]:
                    "".join(frame[column]).encode()  # raises if it is no UTF-8
            except (ValueError, pd.errors.ParserWarning) as error:
                raise no_table(path, error) from error
            for column in frame if all_text else columns:
                texts = [read_formula(text.strip()) for text in frame[column]]
                frame[column] = pd.Series(texts, index=frame.index, dtype=object)
            n_read += len(frame)
            yield frame


def _check_complete(frame, columns, path):
    """Raise ValueError if cells of these columns are empty."""
    for column in columns:
        if rows := [str(row + 1) for row in frame.index[frame[column] == ""]]:
            raise ValueError(
                f"{str(path)!r} has {len(rows)} rows without a {column!r}: {list_few(rows)} "
                "(counted from 1, without the header). Fill or remove them."
            )


def _convert_integers(texts):
    """Return an array of int64 if all texts are written as integers, otherwise of str."""
    is_integer = re.compile("0|-?[1-9][0-9]{0,17}").fullmatch
    return np.array(texts, dtype=np.int64 if all(map(is_integer, texts)) else str)
