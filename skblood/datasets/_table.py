"""Header of a table: read before pandas and models are imported."""

import csv
import os
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

from skblood._writing import list_few
from skblood.datasets._parquet import is_parquet, is_predictions, read_names

TABLES = (".csv", ".tsv", ".txt", ".parquet")

# Characters of a line of the header: a file without ends of lines is not read whole.
_LONGEST = 2**20


def is_local_table(path):
    """Return whether a path is a table by its name, and no folder but one of predictions."""
    is_text = str(path).lower().endswith(TABLES) and not os.path.isdir(path)
    return is_text or is_predictions(path)


def table_folder(path):
    """Return the folder that paths in a table start from, which may not be a folder itself."""
    return Path(path) if is_predictions(path) else Path(path).parent


def read_header(path, columns):
    """Find the encoding, delimiter and columns of a table.

    Parameters
    ----------
    path : str or path-like
        As of `load_csv`.
    columns : list of str
        Columns that must be there.

    Returns
    -------
    encoding, delimiter : str
        Of a text file; None of others.
    header : list of str
        Names of the columns.

    Raises
    ------
    ValueError
        If columns are missing or there twice, or it is no table.
    """
    path = Path(path).expanduser()
    if is_parquet(path):
        return None, None, read_names(path, columns)
    with open(path, "rb") as file:
        content = file.read(8)
    if content.startswith((b"PK\3\4", b"\xd0\xcf\x11\xe0")):  # .xlsx and .xls
        raise ValueError(f"{str(path)!r} is an Excel file or an archive. Save the table as .csv.")
    encoding = "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    try:
        headers = {delimiter: _first_row(path, encoding, delimiter) for delimiter in ",;\t|"}
    except (ValueError, csv.Error) as error:
        raise no_table(path, error) from error
    delimiter, header = max(
        headers.items(), key=lambda item: (len(set(columns) & set(item[1])), len(item[1]))
    )
    if missing := [column for column in columns if column not in header]:
        named = list_few([repr(name[:40]) for name in header])
        message = f"no column {missing}; its columns are [{named}]."
        if len(header) > 1:
            raise ValueError(f"{str(path)!r} has {message}")
        raise no_table(path, message)
    if twice := [column for column in columns if header.count(column) > 1]:
        raise ValueError(f"{str(path)!r} has several columns {twice}. Rename all but one of each.")
    return encoding, delimiter, header


def open_table(path, encoding):
    """Open a table; names of files may be other bytes, which Python reads as surrogates."""
    return open(path, encoding=encoding, errors="surrogateescape", newline="")


def _first_row(path, encoding, delimiter):
    with open_table(path, encoding) as file:
        lines = iter(lambda: file.readline(_LONGEST), "")
        return next(csv.reader(lines, delimiter=delimiter, skipinitialspace=True), [])


def no_table(path, reason):
    """Return the error of a file that is no table."""
    reason = "the text is in another encoding" if isinstance(reason, UnicodeError) else reason
    return ValueError(
        f"{str(path)!r} is not a table in UTF-8: {str(reason).rstrip(' .')}. Check the "
        "encoding, delimiter (, ; tab or |), quotation marks, and rows longer than the header."
    )
