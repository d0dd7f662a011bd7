"""`skblood audit`."""

from pathlib import Path
from typing import Annotated

import typer

from skblood.cli._data import Columns, read_cells
from skblood.cli._options import (
    AsJson,
    Data,
    GroupColumn,
    LabelColumn,
    Overwrite,
    PathColumn,
    SplitColumn,
)
from skblood.cli._output import check_new, check_table, print_json, say, write_table


def audit(
    data: Data,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A .csv or .parquet file for the table of findings."),
    ] = None,
    fail: Annotated[
        bool, typer.Option("--fail", help="Exit with 1 if copies or groups cross the split.")
    ] = False,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
    path_column: PathColumn = "path",
    label_column: LabelColumn = "label",
    split_column: SplitColumn = "split",
    group_column: GroupColumn = None,
):
    """Find what makes a score untrue: copies, leaks, contradictory labels, bad images.

    Examples
    --------
    skblood audit cells/ --out findings.csv
    skblood audit cells.csv --group-column patient --fail
    """
    import skblood

    check_table(out)
    check_new([out], overwrite)
    cells = read_cells(data, Columns(path_column, label_column, split_column, group_column))
    if fail and cells.split is None:
        raise ValueError(f"{data} has no parts, so that nothing can cross them; leave --fail out.")
    report = skblood.audit(cells.X, cells.y, split=cells.split, groups=cells.groups)
    frame = report.to_frame()
    if out is not None:
        write_table(out, _readable(frame))
        say(f"{out}: {len(frame)} findings.")
    if as_json:
        print_json({"n_images": len(cells.y), "findings": frame.to_dict("records")})
    else:
        print(report)
    if fail:
        report.raise_if_leaky()


def _readable(frame):
    """Return the table with a text in each field that holds several values, as csv needs it."""
    several = ["positions", "names", "labels", "splits"]
    return frame.assign(
        **{name: ["; ".join(map(str, values)) for values in frame[name]] for name in several}
    )
