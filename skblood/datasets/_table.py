"""Header of a table: read before pandas and models are imported."""

import csv
import io
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path

from skblood._writing import list_few


def read_header(path, columns):
    """Read the text of a table, and find its delimiter.

    Parameters
    ----------
    path : str or path-like
        As of `load_csv`.
    columns : list of str
        Columns that must be there.

    Returns
    -------
    text : str
        The whole table.
    delimiter : str
    header : list of str
        Names of the columns.

    Raises
    ------
    ValueError
        If columns are missing, or it is no table.
    """
    path = Path(path).expanduser()
    content = path.read_bytes()
    if content.startswith((b"PK\3\4", b"\xd0\xcf\x11\xe0")):  # .xlsx and .xls
        raise ValueError(f"{str(path)!r} is an Excel file or an archive. Save the table as .csv.")
    encoding = "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    try:
        # File names may be other bytes, which Python reads as surrogates.
        text = content.decode(encoding, errors="surrogateescape")
        headers = {
            delimiter: next(
                csv.reader(
                    io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True
                ),
                [],
            )
            for delimiter in ",;\t|"
        }
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
    return text, delimiter, header


def no_table(path, reason):
    """Return the error of a file that is no table."""
    reason = "the text is in another encoding" if isinstance(reason, UnicodeError) else reason
    return ValueError(
        f"{str(path)!r} is not a table in UTF-8: {str(reason).rstrip(' .')}. Check the "
        "encoding, delimiter (, ; tab or |), quotation marks, and rows longer than the header."
    )
