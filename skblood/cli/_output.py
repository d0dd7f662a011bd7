"""Messages, JSON, tables and pictures. A file is written completely or not at all."""

import io
import json
import sys
from importlib.util import find_spec

import typer


def say(message):
    """Print a message, which is not a result, to the standard error."""
    print(message, file=sys.stderr, flush=True)


def print_json(document):
    """Print the JSON document of a command."""
    print(to_json(document))


def to_json(document):
    """Return a document as JSON; arrays become lists, NaN and infinity null."""
    text = json.dumps(document, default=lambda x: x.tolist() if hasattr(x, "tolist") else str(x))
    finite = json.loads(text, parse_constant=lambda name: None)
    return json.dumps(finite, indent=2, ensure_ascii=False)


def check_new(paths, overwrite):
    """Raise FileExistsError if a file to be written exists and must not be replaced."""
    existing = [str(path) for path in paths if path is not None and path.expanduser().exists()]
    if existing and not overwrite:
        raise FileExistsError(
            f"{', '.join(existing)}: exists already. Pass --overwrite to replace."
        )


def check_table(path, overwrite, option="--out", suffixes=(".csv", ".parquet")):
    """Raise unless a table can be written to a file of this name; `path` may be None."""
    suffix = None if path is None else path.suffix.lower()
    if suffix not in (None, *suffixes):
        raise typer.BadParameter(f"{path} must end in {' or '.join(suffixes)}.", param_hint=option)
    if suffix == ".parquet" and find_spec("pyarrow") is None:
        raise ImportError('Parquet needs pyarrow: pip install "skblood[parquet]", or write .csv.')
    check_new([path], overwrite)


def write(path, content):
    """Write bytes or text to a file, creating its folder."""
    from skblood._writing import replace_file

    path = path.expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content.encode() if isinstance(content, str) else content)


def write_table(path, frame):
    """Write a DataFrame to a .csv or .parquet file, or as csv to the standard output if None."""
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
