"""Messages, JSON, tables and pictures. A file is written completely or not at all."""

import io
import json
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import typer

from skblood._writing import (
    check_target,
    escape_formula,
    lock,
    new_file,
    printable,
    replace_file,
    to_utf8,
)

# Columns of tables that hold paths.
_PATHS = ("path", "names")
# Of the files that the command is going to write.
locks = ExitStack()


def count_processes():
    """Return the number of processes that a launcher started, which train one model."""
    return int(os.environ.get("WORLD_SIZE", 1))


def helps():
    """Return whether this process helps another one to train, which alone writes and reports."""
    return count_processes() > 1 and os.environ.get("RANK", "0") != "0"


def say(message, is_error=False):
    """Print a message, which is not a result, to the standard error."""
    if helps() and not is_error:
        return
    with suppress(OSError):  # the result counts, not the message
        print(printable(message), file=sys.stderr, flush=True)


def verbosity():
    """Return the value of `verbose`: a progress bar on a terminal, lines in a log."""
    if helps():
        return 0
    return 1 if sys.stderr.isatty() else 2


def show(result):
    """Print a result, a dict or list as JSON; fail if it does not reach the standard output."""
    text = to_json(result) if isinstance(result, dict | list) else printable(result)
    try:
        print(text, flush=True)
    except BrokenPipeError:  # `skblood predict ... | head`: typer ends the process
        raise
    except OSError as error:
        raise OSError(f"The standard output cannot be written: {error}") from error


def as_utf8(values):
    """Return values as a list for a table, whose texts cannot hold bytes that are not UTF-8."""
    return [*map(to_utf8, values)]


def path_from(name, folder):
    """Return the path of a file from a folder, as a table there names it."""
    if not isinstance(name, str) or os.path.isabs(name):  # a class may have the name of the column
        return name
    path = os.path.relpath(name, folder.expanduser())
    if path.startswith(os.pardir):  # which leads elsewhere from a link to the folder
        path = os.path.relpath(name, os.path.realpath(folder.expanduser()))
    return path


def to_json(document):
    """Return a document as JSON in ASCII; arrays become lists, NaN and infinity null."""
    text = json.dumps(document, default=lambda x: x.tolist() if hasattr(x, "tolist") else str(x))
    return json.dumps(json.loads(text, parse_constant=lambda name: None), indent=2)


@dataclass(kw_only=True)
class Output:
    """Options of a command that writes files and prints a result."""

    as_json: bool = False
    overwrite: bool = False

    def show(self, document, text=None):
        """Print a document with --json; else the text, if there is one."""
        result = document if self.as_json else text
        if result is not None:
            show(result)

    def reserve(self, out, names=("",)):
        """Lock a file, or a folder of files, that a command is going to write, until it ends.

        Raises
        ------
        BlockingIOError
            If another process is writing it.
        FileExistsError
            If a file exists and must not be replaced.
        """
        locks.enter_context(lock(out.expanduser().resolve(), wait=False))
        self.check_new([out / name for name in names])

    def reserve_folder(self, folder, names, option="--out"):
        """Lock the folder of tables and pictures, if there is to be one."""
        if folder is not None:
            self.reserve(folder, names)
            from skblood._plotting import import_pyplot

            import_pyplot(option)

    def reserve_table(self, path, option="--out", suffixes=(".csv", ".parquet")):
        """Lock the file of a table, if there is to be one, whose name must end in a suffix."""
        if path is None:
            return
        suffix = path.suffix.lower()
        if suffix not in suffixes:
            message = f"{str(path)!r} must end in {' or '.join(suffixes)}."
            raise typer.BadParameter(message, param_hint=option)
        if suffix == ".parquet" and find_spec("pyarrow") is None:
            raise ImportError(
                'Parquet needs pyarrow: pip install "skblood[parquet]", or write .csv.'
            )
        self.reserve(path)

    def check_new(self, paths):
        """Raise FileExistsError if files exist that must not be replaced."""
        existing = [str(path) for path in paths if path.expanduser().exists()]
        if existing and not self.overwrite:
            raise FileExistsError(
                f"{', '.join(existing)}: exists already. Pass --overwrite to replace."
            )

    def write(self, path, save):
        """Write a file by ``save(path)``, and return its result; if that fails, to another folder.

        Raises
        ------
        OSError
            If the file cannot be written, or exists by now; names the file in the temporary folder.
        """
        path = path.expanduser()
        try:
            self.check_new([path])
            path.parent.mkdir(parents=True, exist_ok=True)
            return save(path)
        except OSError as error:
            rescued = Path(tempfile.mkdtemp(prefix="skblood-"), path.name)
            save(rescued)
            raise OSError(f"{error} The result is in {str(rescued)!r}.") from error

    def write_content(self, path, content, message=None):
        """Write bytes or text to a file, as `write` does, and say so."""
        content = content.encode() if isinstance(content, str) else content
        self.write(path, lambda path: replace_file(path, content))
        if message is not None:
            say(f"{path}: {message}")

    def write_table(self, path, frame, message=None):
        """Write a DataFrame to a .csv or .parquet file, and say so; without one, print it as csv.

        The column path is from the folder of the file, where other commands read it.
        A csv cell that a spreadsheet would take for a formula is marked; a path then starts with
        "./". Control characters are escaped; in a file not those of paths, which must still open.
        """
        frame = _place(frame, path)
        if path is None:
            self._print_csv(frame, header=True)
        elif path.suffix.lower() == ".parquet":
            self.write_content(path, frame.to_parquet(index=False), message)
        else:
            self.write_content(path, _to_csv(frame, is_file=True), message)

    @contextmanager
    def table_writer(self, path):
        """Give a function that adds a DataFrame to a table, written or printed as by `write_table`.

        The file is there, whole, at the end, and not if an error was raised before; rows on the
        standard output are printed at once.
        """
        if path is None:
            n_printed = count()
            yield lambda frame: self._print_csv(frame, header=not next(n_printed))
            return
        target = Path(os.path.realpath(path.expanduser()))
        check_target(target)

        def place(temporary, _):
            self.write(path, lambda path: shutil.move(temporary, os.path.realpath(path)))

        add_rows = _add_parquet if path.suffix.lower() == ".parquet" else _add_csv
        with new_file(target, place) as file, ExitStack() as stack:
            add = add_rows(file, stack)
            yield lambda frame: add(_place(frame, path))

    def _print_csv(self, frame, header):
        if not self.as_json:
            show(_to_csv(frame, header).removesuffix("\n"))

    def write_picture(self, path, figure):
        """Write a matplotlib figure as PNG, and close it."""
        from matplotlib import pyplot as plt

        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=150)
        plt.close(figure)
        self.write_content(path, buffer.getvalue())


def _place(frame, path):
    """Return a table with paths from the folder of its file, if it has one."""
    if path is None or "path" not in frame:
        return frame
    return frame.assign(path=[path_from(name, path.parent) for name in frame["path"]])


def _add_csv(file, stack):
    """Return a function that adds a DataFrame to a csv file."""
    return lambda frame: file.write(_to_csv(frame, not file.tell(), is_file=True).encode())


def _add_parquet(file, stack):
    """Return a function that adds a DataFrame to a Parquet file, which ends with the stack."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    writers = []

    def add(frame):
        schema = writers[0].schema if writers else None
        rows = pa.Table.from_pandas(frame, schema, preserve_index=False)
        writers or writers.append(stack.enter_context(ParquetWriter(file, rows.schema)))
        writers[0].write_table(rows)

    return add


def _to_csv(frame, header=True, *, is_file=False):
    """Return a table as csv; see `Output.write_table`."""

    def as_text(cell):
        return escape_formula(printable(cell, keep="")) if isinstance(cell, str) else cell

    def as_path(cell):
        is_formula = isinstance(cell, str) and escape_formula(cell) != cell
        return os.path.join(".", cell) if is_formula else cell

    paths = frame[[name for name in _PATHS if name in frame]].map(as_path)
    texts = frame.assign(**paths).map(as_text)
    texts = texts.assign(**paths) if is_file else texts
    texts = texts.rename(columns=as_text)
    return texts.to_csv(index=False, header=header, lineterminator="\n")
