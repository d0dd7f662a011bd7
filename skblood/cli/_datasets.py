"""`skblood datasets`."""

from enum import StrEnum
from pathlib import Path

import typer

from skblood.cli import _data, _output
from skblood.cli._options import add_command

# All but the last can be downloaded.
_HEADS = ("name", "images", "classes", "download", "licence", "remark")
_DATASETS = (
    ("bloodmnist", 17092, 8, "36 MB", "CC BY 4.0", "28 px, with train, val and test"),
    ("pbc", 17092, 8, "281 MB", "CC BY 4.0", "360 px originals of BloodMNIST, without a split"),
    ("synthetic", 800, 8, "-", "-", "64 px, drawn, with train, val and test, to try things out"),
)
Name = StrEnum("Name", [row[0] for row in _DATASETS[:-1]])


def list_datasets(*, as_json: bool = False):
    """List the datasets that have a name.

    Other commands take the name as DATA, and download the dataset; synthetic is drawn.
    """
    if as_json:
        _output.show([dict(zip(_HEADS, row, strict=True)) for row in _DATASETS])
        return
    for row in (_HEADS, *_DATASETS):
        _output.show("{:12}{:>6}{:>9}{:>10}  {:11}{}".format(*row))


def fetch(name: Name, *, folder: Path | None = None):
    """Download a public dataset, unless it is there.

    Parameters
    ----------
    name : NAME
        See `skblood datasets list`.
    folder : FOLDER
        By default, $SKBLOOD_DATA_HOME, or ~/skblood_data.

    Examples
    --------
    skblood datasets fetch pbc --folder data/
    """
    from skblood import datasets

    _output.show(getattr(datasets, f"fetch_{name.value}")(data_home=folder).DESCR.strip())


def describe(data: str, *, as_json: bool = False, table: _data.Table):
    """Count the images of each class, in each part.

    Examples
    --------
    skblood datasets describe cells/
    """
    _data.check_source(data)
    import numpy as np
    import pandas as pd

    cells = _data.read_cells(data, table)
    split = pd.Series("images" if cells.split is None else cells.split, range(len(cells.y)))
    counts = pd.crosstab(np.array(_output.as_utf8(cells.y.tolist())), split)[split.unique()]
    if as_json:
        _output.show({"n_images": len(cells.y), "counts": counts.T.to_dict("index")})
        return
    counts.loc["total"] = counts.sum()
    counts = counts.rename_axis(index=None, columns="class")
    _output.show(counts.map("{:,}".format).to_string())


app = typer.Typer(help="List, download and describe datasets.")
add_command(app, list_datasets, "list")
add_command(app, fetch)
add_command(app, describe)
