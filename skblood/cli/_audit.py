"""`skblood audit`."""

from skblood.cli import _options as option
from skblood.cli._data import read_cells
from skblood.cli._output import check_new, check_table, print_json, say, write_table

# Columns with several values in each row.
_LISTS = ["positions", "names", "labels", "splits"]


def audit(
    data: option.Data,
    out: option.Table = None,
    fail: option.Fail = False,
    as_json: option.AsJson = False,
    overwrite: option.Overwrite = False,
    path_column: option.PathColumn = "path",
    label_column: option.LabelColumn = "label",
    split_column: option.SplitColumn = "split",
    group_column: option.GroupColumn = None,
):
    """Find copies, leaks between parts, contradictory labels and bad images.

    \b
    Examples:
      skblood audit cells/ --out findings.csv
      skblood audit cells.csv --group-column patient --fail
    """  # noqa: D301
    import skblood

    check_table(out)
    check_new([out], overwrite)
    cells = read_cells(data, path_column, label_column, split_column, group_column)
    if fail and cells.split is None:
        raise ValueError(f"{data} has no parts, so there is no split to check; leave --fail out.")
    report = skblood.audit(cells.X, cells.y, split=cells.split, groups=cells.groups)
    frame = report.to_frame()
    if out is not None:
        joined = {name: ["; ".join(map(str, each)) for each in frame[name]] for name in _LISTS}
        write_table(out, frame.assign(**joined))
        say(f"{out}: {len(frame)} findings.")
    if as_json:
        print_json({"n_images": len(cells.y), "findings": frame.to_dict("records")})
    else:
        print(report)
    if fail:
        report.raise_if_leaky()
