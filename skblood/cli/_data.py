"""Images and labels that a command is given."""

import glob
import os
import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import typer

from skblood._writing import NO_CLASS, list_some, shorten, suggest
from skblood.cli._output import as_utf8, say

ErrorMode = StrEnum("ErrorMode", ["RAISE", "SKIP"])

_NAMED = ("synthetic", "bloodmnist", "pbc")
_KINDS = ("image, folder, table or model file", "image, folder or table")
_URL = re.compile(r"[a-zA-Z][\w+.-]+:/")  # pathlib makes one slash of two
_ONLY_LOCAL = (
    "This command reads images and tables on this computer: unpack or copy them. `skblood predict` "
    "and `embed` read tar files and URLs; `train`, `evaluate`, `audit` and `report` tar files."
)
_SPLIT_NAMES = {"valid": "val", "validation": "val", "dev": "val"}


@dataclass(kw_only=True)
class Files:
    """Options of a command that reads images: the column of a table, and their bits."""

    path_column: str = "path"
    bit_depth: int | None = None

    def list_columns(self):
        """Return the columns that a table must have."""
        return [self.path_column]


@dataclass(kw_only=True)
class Table(Files):
    """Options of `datasets.load_cells`."""

    label_column: str = "label"
    split_column: str = "split"
    group_column: str | None = None

    def list_columns(self, labeled=False):
        """Return the columns that a table must have: those that are named, or of labels."""
        optional = (None, "split") if labeled else (None, "split", "label")
        others = (self.label_column, self.split_column, self.group_column)
        return [self.path_column, *(name for name in others if name not in optional)]


def read_cells(source, table):
    """Read images, or their paths, with labels, parts and groups.

    Parameters
    ----------
    source : str
        A folder, a csv or npz file, tar files, or a name of a dataset.
    table : Table

    Returns
    -------
    cells : Bunch
        source (as given), X (ndarray of images or paths), y (labels), split and groups (ndarray of
        shape (n,), or None): part (train, val, test) and slide or patient of each image; columns
        (DataFrame of str, or None): what else a table holds of each image.

    Raises
    ------
    FileNotFoundError, ValueError
        If `source` is none of these, or holds no images with labels.
    """
    check_source(source, table)
    import numpy as np
    from sklearn.utils import Bunch

    from skblood import datasets

    if is_shards(source):
        cells = read_shards(source, table)
        return Bunch(**cells | {"X": np.array(list(cells.X), dtype=object)})
    path = Path(source).expanduser()
    named = is_named(source)
    if source in _NAMED and not named:
        say(f"{source}: the {'folder' if path.is_dir() else 'file'} here, not the data set.")
    if named and (table.group_column or table.bit_depth):
        raise ValueError(f"--group-column and --bit-depth are for tables or files, not {source}.")
    if named and source == "synthetic":
        X, y = datasets.make_blood_cells(800, image_size=64, random_state=0)
        split = np.resize(["train"] * 14 + ["val"] * 3 + ["test"] * 3, len(y))
        return Bunch(source=source, X=X, y=y, split=split, groups=None, columns=None)
    if named:
        bunch = getattr(datasets, f"fetch_{source}")()
    else:
        bunch = datasets.load_cells(path, **asdict(table))
    split = bunch.frame.get("split")
    split = None if split is None else normalize_split(split, source)
    columns = None
    if not named and is_table(path):
        given = [table.path_column, table.label_column]
        rest = datasets.read_table(path, given)
        columns = rest[_is_of_class(rest[table.label_column])].drop(columns=given)
    parts = {"split": split, "groups": bunch.get("groups"), "columns": columns}
    return Bunch(source=source, X=bunch.data, y=bunch.target, **parts)


def is_shards(source):
    """Return whether DATA names tar files."""
    return source.lower().endswith((".tar", ".tar.gz", ".tgz"))


def read_shards(source, table, mode=ErrorMode.RAISE):
    """Return labeled images of tar files as `read_cells`, but X is read anew in each epoch."""
    from sklearn.utils import Bunch

    from skblood.streaming import ShardedCells

    columns = {"label_column": table.label_column, "group_column": table.group_column}
    cells = ShardedCells(source, **columns, on_error=mode.value, bit_depth=table.bit_depth)
    parts = {"split": None, "groups": cells.groups, "columns": None}
    return Bunch(source=source, X=cells, y=cells.y, **parts)


def _is_of_class(labels):
    """Return which cells are not those that a reader has found in no class; tell their number."""
    rows = labels != NO_CLASS
    if n := (~rows).sum():
        say(f"{n} cells with the label {NO_CLASS!r} are left out.")
    return rows


def leave_out_no_class(cells):
    """Return the cells as of `find_images` but for those that a reader has found in no class."""
    return cells if cells.y is None else select_rows(cells, _is_of_class(cells.y))


def tell_unreadable(n, n_images, what):
    """Say how many images cannot be read, if any, and what follows."""
    if n:
        say(f"skblood: {n:,} of {n_images:,} images cannot be read{what}")


def leave_out_unreadable(cells, mode):
    """Return the readable images as of `read_cells` or `find_images`, and path -> reason of others.

    With --on-error raise, all are returned: reading them raises an error. Those of `read_shards`
    are left out when they are read.
    """
    if mode == ErrorMode.RAISE or hasattr(cells.X, "read_part"):
        return cells, {}
    from skblood.datasets import find_unreadable

    reasons = find_unreadable(cells.X)
    named = list_some(f"{shorten(cells.X[i])}: {why}" for i, why in reasons.items())
    tell_unreadable(len(reasons), len(cells.X), f" and are left out:\n{named}")
    rows = [i for i in range(len(cells.X)) if i not in reasons]
    if reasons and not rows:
        raise ValueError("No image is left.")
    return select_rows(cells, rows), {str(cells.X[i]): why for i, why in reasons.items()}


def is_named(source):
    """Return whether DATA is the name of a data set."""
    return source in _NAMED and not Path(source).expanduser().exists()


def is_table(path):
    """Return whether an argument is a table, by its name, or a folder of predictions."""
    from skblood.datasets import is_local_table

    return is_local_table(path)


def table_folder(path):
    """Return the folder that paths in a table start from."""
    from skblood.datasets import table_folder

    return table_folder(Path(path).expanduser())


def normalize_split(split, source):
    """Return the parts of a column as an array of str, in their usual spelling.

    Raises
    ------
    ValueError
        If a part is missing.
    """
    if (missing := split.isna() | (split == "")).any():
        raise ValueError(
            f"{source}: {missing.sum()} images have no split, the first at position "
            f"{missing.argmax()}. Give one for each image, or for none."
        )
    return split.astype(str).str.strip().str.lower().replace(_SPLIT_NAMES).to_numpy(str)


def select_part(cells, name):
    """Return the images of a part; all images if there are no parts."""
    if cells.split is None:
        return cells
    rows = cells.split == name
    if not rows.any():
        parts = ", ".join(dict.fromkeys(cells.split.tolist()))
        raise ValueError(f"{cells.source} has the parts {parts}, not {name!r}.")
    return type(cells)(**cells | select_rows(cells, rows) | {"split": None})


def select_rows(cells, rows):
    """Return the images in some rows, and what is known of them, as a Bunch like `read_cells`.

    Parameters
    ----------
    cells : Bunch
    rows : list of int, ndarray of bool, or slice
    """
    import numpy as np

    rows = np.arange(len(cells.X))[rows]
    names = [name for name in ("X", "y", "split", "groups") if cells[name] is not None]
    selected = {name: cells[name][rows] for name in names}
    if cells.columns is not None:
        selected["columns"] = cells.columns.iloc[rows]
    return type(cells)(**cells | selected)


def check_source(source, table=None):
    """Raise an error if the DATA of a command does not exist, is a model, or lacks columns."""
    path = Path(source).expanduser()
    if is_shards(source):
        return  # there may be many
    if _URL.match(source):
        raise ValueError(f"{source!r} is a URL. {_ONLY_LOCAL}")
    if source not in _NAMED and not os.path.exists(path):
        where = f"(in {os.getcwd()!r}){suggest(path)}"
        raise FileNotFoundError(f"{source!r} is not a folder, file or name of a data set {where}.")
    if source.endswith(".skblood"):
        raise typer.BadParameter(f"{source!r} is a model file; DATA is a folder or a table.")
    if table is not None and not is_named(source):  # a column of labels is of tables only
        check_columns([source], table.list_columns(labeled=is_table(path)))


def has_labels(source, table):
    """Return whether DATA has labels, by the header of a table or the subfolders of a folder."""
    path = Path(source).expanduser()
    if is_table(path):
        from skblood.datasets import read_header

        names = read_header(path, [table.path_column])[2]
        return table.label_column != "label" or "label" in names
    from skblood.datasets import visible_folders  # loads pandas

    return not path.is_dir() or bool(visible_folders(path))


def check_columns(words, columns):
    """Raise ValueError unless each table has the columns, by its header.

    Parameters
    ----------
    words : list of str
        Tables, and others, of which only the first column is not asked.
    columns : list of str
    """
    tables = [path for path in (Path(word).expanduser() for word in words) if is_table(path)]
    if not tables and columns[1:]:
        raise ValueError(f"There is no column {columns[1:]}: only tables have any, not {words}.")
    from skblood.datasets import read_header

    for path in filter(Path.exists, tables):
        read_header(path, columns)


def check_words(words, mode, columns):
    """Raise an error if a file, folder or column does not exist, before anything is imported.

    With --on-error skip, a missing file is an image that cannot be read, and not an error.
    """
    if mode == ErrorMode.RAISE:
        for i, word in enumerate(words):
            is_many = glob.has_magic(word) or "{" in word or "://" in word
            if not (is_many or is_named(word) or find_pretrained(word)):
                existing(word, _KINDS[bool(i)])
    check_columns(words, columns)


def existing(path, kind="model file"):
    """Return a path; if it does not exist, raise FileNotFoundError, which names a similar one."""
    if _URL.match(str(path)):
        raise ValueError(f"{str(path)!r} is a URL. {_ONLY_LOCAL}")
    path = Path(path).expanduser()
    if not path.exists():
        where = f"(in {os.getcwd()!r}){suggest(path)}"
        raise FileNotFoundError(f"There is no {kind} {str(path)!r} {where}.")
    return path


def find_pretrained(name):
    """Return the file of the pretrained model of that name, or None.

    The name goes before a file or folder of the same name, which is ``./name``.
    """
    name = str(name)
    file = Path(__file__).parents[1] / "pretrained" / f"{name}.safetensors"
    return file if Path(name).name == name and file.is_file() else None


def find_images(arguments, files, label_column=None):
    """Find the images of files, folders, patterns, tables, or one npz file.

    Parameters
    ----------
    arguments : list of str
    files : Files
    label_column : str, default=None
        Column that is taken for true labels, if a table has it.

    Returns
    -------
    cells : Bunch
        As of `read_cells`, without labels: X in the order of the arguments and of tables, else
        sorted within each; columns are the other ones of the tables, "" for other images.

    Raises
    ------
    FileNotFoundError, ValueError
        If a folder or pattern has no image, an npz file is not alone, or labels are predictions.
    """
    import pandas as pd
    from sklearn.utils import Bunch

    from skblood import datasets
    from skblood.images import state_depth
    from skblood.streaming import open_source

    cells = {"source": arguments[0], "y": None, "split": None, "groups": None}
    if any(name.lower().endswith(".npz") for name in arguments):
        if len(arguments) > 1:
            raise ValueError("An npz file holds images in memory: name it alone, without others.")
        X = datasets.load_cells(arguments[0], bit_depth=files.bit_depth).data
        return Bunch(**cells, X=X, columns=pd.DataFrame(index=range(len(X))))
    paths, columns = [], []
    for argument in arguments:
        for part in open_source(argument, path_column=files.path_column).partitions():
            if not hasattr(part, "paths") or any(map(_URL.match, part.paths)):
                raise ValueError(f"{argument!r} names tar files or URLs. {_ONLY_LOCAL}")
            paths += part.paths
            rest = pd.DataFrame(index=range(len(part.paths)))
            columns.append(rest if part.columns is None else part.columns)
            if label_column in columns[-1]:
                datasets.refuse_predictions(columns[-1], label_column, argument)
    columns = pd.concat(columns, ignore_index=True).fillna("")
    return Bunch(**cells, X=state_depth(paths, files.bit_depth), columns=columns)


def name_images(cells):
    """Return the paths, or of images in memory their positions in the file."""
    X, source = cells.X, cells.source
    return as_utf8(map(str, X)) if X.ndim == 1 else [f"{source}[{i}]" for i in range(len(X))]
