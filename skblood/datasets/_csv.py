"""Tables that name image files, their labels, and the slide or patient that they come from."""

import csv
import os
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from skblood.datasets._bunch import as_dataset
from skblood.datasets._folders import count_labels

_DELIMITERS = ",;\t"
# Files or lines that a message names: about a screen.
_MAX_NAMED = 20


def load_csv(
    path,
    *,
    path_column="path",
    label_column="label",
    group_column=None,
    root=None,
    return_X_y=False,
):
    r"""Read paths and labels, and maybe groups, from a table with one row per image.

    Nothing is decoded, but every file must be there. All rows are kept, in their order.

    Parameters
    ----------
    path : str or path-like
        Text file in UTF-8 with a header line; the delimiter is a comma, a semicolon or a tab,
        which is found out.
    path_column, label_column : str, default="path" and "label"
        Names of the columns that hold the image files and their labels.
    group_column : str, default=None
        Name of the column that says which images belong together: a slide, a patient.
    root : str or path-like, default=None
        Folder that relative paths start from. None is the folder of the table.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary whose entries are attributes as well:

        data, paths : ndarray of str of shape (n_images,)
            Paths, with `root`.
        target : ndarray of shape (n_images,), dtype str or int64
            Labels. They are integers if all are written as integers are, and else the text of the
            table: "01" stays "01", and then 2 is "2".
        target_names : ndarray of shape (n_classes,)
            The labels, sorted.
        groups : ndarray of shape (n_images,), dtype str or int64
            With `group_column` only, in the same way.
        frame : DataFrame with n_images rows
            The whole table.
        DESCR : str
            The table and the number of images in it, by class.
    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    FileNotFoundError
        If the table is not there, or image files are not; they are named.
    ValueError
        If the table lacks a column or is empty, a row has more cells than the header, a path,
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
    kept = {column: _keep_kind(frame[column].tolist()) for column in columns[1:]}
    frame = frame.assign(**kept)
    y = kept[label_column]
    dataset = as_dataset(
        X,
        y,
        description=f"Table {str(path)!r}: {count_labels(y)}.",
        return_X_y=return_X_y,
        frame=frame,
    )
    if group_column is not None and not return_X_y:
        dataset.groups = kept[group_column]
    return dataset


def _read_table(path, columns):
    """Read the table; the given columns must be there and filled, and are kept as text."""
    import pandas as pd

    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            delimiter = _find_delimiter(path, columns, file.readline())
            # A row may end in a delimiter, which without index_col=False would shift all columns.
            options = dict(sep=delimiter, skipinitialspace=True, index_col=False)
            file.seek(0)
            _check_width(path, csv.reader(file, delimiter=delimiter))
            file.seek(0)
            frame = pd.read_csv(file, **options).rename(columns=str.strip)
            # Read again as text: pandas takes "01" for 1, and the label "NA" for a missing one.
            file.seek(0)
            text = pd.read_csv(file, **options, dtype=str, na_filter=False)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{str(path)!r} is not text in UTF-8 ({error.reason} at byte {error.start}). Save it "
            "as CSV in UTF-8."
        ) from error
    except (pd.errors.ParserError, csv.Error) as error:
        raise ValueError(
            f"{str(path)!r} is not a table: {error}. Look for a quotation mark that is not closed "
            "and for cells that hold the delimiter and are not quoted."
        ) from error
    if frame.empty:
        raise ValueError(f"{str(path)!r} holds a header and no rows.")
    text = text.rename(columns=str.strip)
    for column in columns:
        frame[column] = text[column].str.strip()
        _check_filled(path, delimiter, column, frame[column] == "")
    return frame


def _check_width(path, reader):
    """Raise ValueError if a row has more cells than the header: pandas may leave them out."""
    width = len(next(reader))
    # A row may end in delimiters.
    long = [str(reader.line_num) for row in reader if any(map(str.strip, row[width:]))]
    if long:
        raise ValueError(
            f"{str(path)!r} has {len(long)} rows of more than {width} cells, the width of its "
            f"header: line{'s' * (len(long) > 1)} {_first_few(long, ', ')}. Quote the cells that "
            "hold the delimiter, or complete the header."
        )


def _find_delimiter(path, columns, header):
    """Return the delimiter that the wanted columns are seen with, or else the most columns."""
    found = {
        delimiter: [cell.strip() for cell in next(csv.reader([header], delimiter=delimiter), [])]
        for delimiter in _DELIMITERS
    }
    best = max(found, key=lambda d: (len(set(columns) & set(found[d])), len(found[d])))
    _check_columns(path, columns, found[best])
    return best


def _check_columns(path, columns, found):
    missing = [column for column in columns if column not in found]
    if not missing:
        return
    by_lower_case = {name.lower(): name for name in found}
    near = {c: get_close_matches(c.lower(), by_lower_case, n=1) for c in missing}
    hints = [f"{c!r} may be {by_lower_case[match[0]]!r}" for c, match in near.items() if match]
    raise ValueError(
        f"{str(path)!r} has no column {' and no column '.join(map(repr, missing))}; it has "
        f"{found}. {'; '.join([*hints, 'name'])} the columns by path_column, label_column and "
        "group_column."
    )


def _check_filled(path, delimiter, column, empty):
    if not empty.any():
        return
    raise ValueError(
        f"{str(path)!r} has {empty.sum()} rows without a {column!r}: "
        f"{_name_lines(path, delimiter, np.flatnonzero(empty))}. Fill or remove them."
    )


def _name_lines(path, delimiter, rows):
    """Name the lines of the file on which rows of the table end; blank lines are no rows."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        lines = [reader.line_num for row in reader if len(row) > 1 or "".join(row).strip()]
    named = [str(lines[1 + row]) for row in rows]
    return "line" + "s" * (len(named) > 1) + " " + _first_few(named, ", ")


def _first_few(items, separator):
    rest = len(items) - _MAX_NAMED
    shown = list(items[:_MAX_NAMED]) + ([f"and {rest} more"] if rest > 0 else [])
    return separator.join(shown)


def _check_files(X, root):
    missing = [name for name in dict.fromkeys(X.tolist()) if not os.path.isfile(name)]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(X)} image files are not there (relative paths start from "
            f"{str(root)!r}; name another folder by `root`):\n  " + _first_few(missing, "\n  ")
        )


def _check_one_label(frame, path_column, label_column, path):
    pairs = frame[[path_column, label_column]].drop_duplicates()
    twice = pairs[pairs[path_column].duplicated(keep=False)]
    if len(twice):
        labels = twice.groupby(path_column)[label_column].agg(", ".join)
        named = [f"{name}: {each}" for name, each in labels.items()]
        raise ValueError(
            f"{len(named)} files in {str(path)!r} have several labels; keep one label of each:\n  "
            + _first_few(named, "\n  ")
        )


def _keep_kind(texts):
    """Return an array of integers if all texts are written as integers are, else of str."""
    try:
        numbers = np.array([int(text) for text in texts], dtype=np.int64)
    except (ValueError, OverflowError):
        return np.array(texts)
    return numbers if list(map(str, numbers)) == texts else np.array(texts)
