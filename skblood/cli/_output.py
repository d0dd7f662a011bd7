"""What a command writes: messages, JSON, tables and pictures, each whole or not at all."""

import io
import json
import sys
from pathlib import Path

import typer

TABLES = (".csv", ".parquet")


def say(message):
    """Tell the user something that is no result."""
    print(message, file=sys.stderr, flush=True)


def print_json(document):
    """Print the one JSON document of a command."""
    print(as_json(document))


def as_json(document):
    """Return a document as JSON; what is not finite is null, which all readers know."""
    return json.dumps(_plain(document), indent=2, ensure_ascii=False, allow_nan=False)


def _plain(value):
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "tolist"):  # NumPy's
        return _plain(value.tolist())
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return str(value) if isinstance(value, Path) else value


def check_new(paths, overwrite):
    """Raise FileExistsError if a file to be written is there and must not be replaced."""
    there = [str(path) for path in paths if path is not None and path.exists()]
    if there and not overwrite:
        raise FileExistsError(
            f"There already: {', '.join(there)}. Pass --overwrite to replace, or name another "
            "place."
        )


def check_table(path, option="--out", more=()):
    """Raise unless a table can be written to a file of this name.

    Parameters
    ----------
    path : Path or None
    option : str, default="--out"
        What it was given by.
    more : tuple of str, default=()
        Suffixes that are allowed besides those of tables.
    """
    if path is None:
        return
    allowed = (*TABLES, *more)
    if path.suffix.lower() not in allowed:
        raise typer.BadParameter(
            f"{str(path)!r} must end in {' or '.join(allowed)}.", param_hint=option
        )
    if path.suffix.lower() == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise ImportError(
                'Parquet files need pyarrow: pip install "skblood[parquet]", or write a .csv.'
            ) from error


def check_pictures(folder):
    """Raise ImportError, and not after hours of training, if pictures cannot be drawn."""
    if folder is not None:
        from skblood.evaluation._plotting import import_pyplot

        import_pyplot("skblood")


def write(path, content):
    """Write bytes or text to a file, making its folder; see `replace_file`."""
    from skblood._replace import replace_file

    path = path.expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content.encode() if isinstance(content, str) else content)


def write_table(path, frame):
    """Write a DataFrame as its suffix says, or to the standard output as csv if `path` is None."""
    if path is None:
        frame.to_csv(sys.stdout, index=False)
    elif path.suffix.lower() == ".parquet":
        write(path, frame.to_parquet(index=False))
    else:
        write(path, frame.to_csv(index=False))


def write_picture(path, figure):
    """Write a matplotlib figure as PNG, and close it."""
    from matplotlib import pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    plt.close(figure)
    write(path, buffer.getvalue())
