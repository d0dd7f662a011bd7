"""`skblood datasets`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from skblood.cli._data import Columns, read_cells
from skblood.cli._options import AsJson, Data, LabelColumn, PathColumn, SplitColumn
from skblood.cli._output import print_json

# What `fetch` knows. Images, classes, size of the download, licence, and a remark.
_SETS = {
    "bloodmnist": (17092, 8, "36 MB", "CC BY 4.0", "28 px, with train, val and test"),
    "pbc": (17092, 8, "281 MB", "CC BY 4.0", "360 px originals of BloodMNIST, without a split"),
}
_HEADS = ("name", "images", "classes", "download", "licence", "remark")

Name = StrEnum("Name", {name.upper(): name for name in _SETS})


def list_datasets(as_json: AsJson = False):
    """List the public sets that can be fetched.

    The name of one may also stand for DATA in other commands, which fetch it then.
    """
    rows = [(name, *about) for name, about in _SETS.items()]
    if as_json:
        print_json([dict(zip(_HEADS, row, strict=True)) for row in rows])
        return
    _print_table(_HEADS, rows)


def fetch(
    name: Annotated[Name, typer.Argument(metavar="NAME", help="As `skblood datasets list` says.")],
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where to; by default $SKBLOOD_DATA_HOME, or ~/skblood_data.",
        ),
    ] = None,
):
    """Download a public set, unless it is there; a broken download is gone on with.

    Examples
    --------
    skblood datasets fetch pbc --folder data/
    """
    from skblood import datasets

    bunch = getattr(datasets, f"fetch_{name.value}")(data_home=folder)
    print(bunch.DESCR.strip())


def describe(
    data: Data,
    as_json: AsJson = False,
    path_column: PathColumn = "path",
    label_column: LabelColumn = "label",
    split_column: SplitColumn = "split",
):
    """Count the images of each class, in each part.

    Examples
    --------
    skblood datasets describe cells/
    """
    import numpy as np
    import pandas as pd

    cells = read_cells(data, Columns(path_column, label_column, split_column))
    split = np.full(len(cells.y), "images") if cells.split is None else cells.split
    counts = pd.crosstab(pd.Series(cells.y), pd.Series(split))[list(dict.fromkeys(split.tolist()))]
    if as_json:
        print_json({"n_images": len(cells.y), "counts": counts.T.to_dict("index")})
        return
    parts = list(counts.columns)
    rows = [(label, *row) for label, row in zip(counts.index, counts.to_numpy(), strict=True)]
    _print_table(("class", *parts), [*rows, ("total", *counts.sum())])


def _print_table(heads, rows):
    """Print rows in columns: numbers to the right, words to the left."""
    texts = [list(heads)] + [
        [v if isinstance(v, str) else f"{v:,}" if i else str(v) for i, v in enumerate(row)]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    left = [i == 0 or isinstance(rows[0][i], str) for i in range(len(heads))]
    for text in texts:
        cells = [
            t.ljust(w) if is_left else t.rjust(w)
            for t, w, is_left in zip(text, widths, left, strict=True)
        ]
        print("  ".join(cells).rstrip())
