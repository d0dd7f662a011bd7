"""Tables of image files, labels and groups."""

import csv
import io
import os
import warnings
from pathlib import Path

import numpy as np

from skblood.datasets._bunch import as_dataset, list_few


def load_csv(
    path,
    *,
    path_column="path",
    label_column="label",
    group_column=None,
    root=None,
    return_X_y=False,
):
    r"""Load paths, labels and optional groups from a table with one row per image.

    All rows are kept, in their order. The images are not decoded, but each file must exist.

    Parameters
    ----------
    path : str or path-like
        Text file in UTF-8 with a header line. The delimiter (comma, semicolon or tab) is detected.
    path_column, label_column : str, default="path" and "label"
        Names of the columns with the image files and their labels.
    group_column : str, default=None
        Name of the column with the groups of the images, such as slides or patients.
    root : str or path-like, default=None
        Folder of relative paths. None means the folder of the table.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary with attribute access:

        data, paths : ndarray of str of shape (n_images,)
            Paths, joined with `root`.
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
        If the table lacks a column or has no rows, rows have more cells than the header, a path,
        label or group is empty, a file has two labels, or the text is not UTF-8.

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
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {str(path)!r} (in {os.getcwd()!r}).")
    columns = [path_column, label_column] + ([] if group_column is None else [group_column])
    frame = _read_table(path, columns)
    root = path.parent if root is None else Path(root).expanduser()
    X = np.array([str(root / name) for name in frame[path_column]])
    _check_files(X, root)
    _check_one_label(frame, path_column, label_column, path)
    converted = {column: _convert_integers(frame[column].tolist()) for column in columns[1:]}
    return as_dataset(
        X,
        converted[label_column],
        f"Table {str(path)!r}",
        return_X_y,
        frame=frame.assign(**converted),
        groups=converted.get(group_column),
    )


def _read_table(path, columns):
    """Read the table; the given columns are complete and hold stripped text."""
    import pandas as pd

    try:
        text = path.read_bytes().decode("utf-8-sig")
        delimiter = _find_delimiter(path, columns, text)
        # index_col=False: a delimiter at the end of each row would shift the columns otherwise.
        options = {"sep": delimiter, "skipinitialspace": True, "index_col": False}
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # cells beyond the header
            frame = pd.read_csv(io.StringIO(text), **options).rename(columns=str.strip)
            warnings.simplefilter("ignore", pd.errors.ParserWarning)
            # Without conversion, of the label "NA" to NaN, and of "01" to 1.
            texts = pd.read_csv(io.StringIO(text), **options, dtype=str, na_filter=False)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{str(path)!r} is not text in UTF-8 ({error.reason} at byte {error.start}). Save it "
            "as CSV in UTF-8."
        ) from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, csv.Error) as error:
        raise ValueError(
            f"{str(path)!r} is not a table: {str(error).strip()} Check for rows with more cells "
            "than the header, for cells that contain the delimiter and are not quoted, and for "
            "quotation marks that are not closed."
        ) from error
    if frame.empty:
        raise ValueError(f"{str(path)!r} has a header and no rows.")
    texts = texts.rename(columns=str.strip)
    for column in columns:
        frame[column] = texts[column].str.strip()
        if (frame[column] == "").any():
            rows = [str(row + 1) for row in np.flatnonzero(frame[column] == "")]
            raise ValueError(
                f"{str(path)!r} has {len(rows)} rows without a {column!r}: {list_few(rows)} "
                "(counted from 1, without the header). Fill or remove them."
            )
    return frame


def _find_delimiter(path, columns, text):
    """Return the delimiter that gives the most of the wanted columns, or the most columns."""
    headers = {}
    for delimiter in ",;\t":
        rows = csv.reader(io.StringIO(text), delimiter=delimiter)
        headers[delimiter] = [cell.strip() for cell in next(rows, [])]
    best = max(headers, key=lambda d: (len(set(columns) & set(headers[d])), len(headers[d])))
    if missing := [column for column in columns if column not in headers[best]]:
        raise ValueError(
            f"{str(path)!r} has no column {' and no column '.join(map(repr, missing))}; it has "
            f"{headers[best]}. Pass the names of the columns as path_column, label_column and "
            "group_column."
        )
    return best


def _check_files(X, root):
    if missing := [name for name in dict.fromkeys(X.tolist()) if not os.path.isfile(name)]:
        raise FileNotFoundError(
            f"{len(missing)} of {len(X)} image files do not exist (relative paths start from "
            f"{str(root)!r}; pass another folder as `root`):\n  " + list_few(missing, "\n  ")
        )


def _check_one_label(frame, path_column, label_column, path):
    labels = frame.groupby(path_column, sort=False)[label_column].unique()
    several = [f"{name}: {', '.join(each)}" for name, each in labels.items() if len(each) > 1]
    if several:
        raise ValueError(
            f"{len(several)} files in {str(path)!r} have several labels; keep one label of each:"
            "\n  " + list_few(several, "\n  ")
        )


def _convert_integers(texts):
    """Return an array of int64 if all texts are written as integers, otherwise of str."""
    try:
        numbers = np.array([int(text) for text in texts], dtype=np.int64)
    except (ValueError, OverflowError):
        return np.array(texts)
    return numbers if list(map(str, numbers)) == texts else np.array(texts)
