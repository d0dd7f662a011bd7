"""`skblood audit`."""

from enum import StrEnum
from pathlib import Path

import typer

from skblood.cli import _classifier, _data, _output
from skblood.cli._adapt import read_partly_labelled

# Columns with several values in each row.
_LISTS = ["positions", "names", "labels", "splits"]

Probabilities = StrEnum("Probabilities", {"OUT_OF_FOLD": "out-of-fold", "MODEL": "model"})


def audit(
    words: list[str],
    *,
    out: Path | None = None,
    fail: bool = False,
    model: str | None = None,
    label_errors: Probabilities | None = None,
    suspects: Path | None = None,
    output: _output.Output,
    table: _data.Table,
):
    """Find copies, leaks between parts, contradictory labels, bad images and frames.

    Parameters
    ----------
    words : [MODEL] DATA
        A model file, or a pretrained model: report it if the cells do not have the size that it
        expects. Then a folder with one subfolder per class, a table with the columns path and
        label, an npz file in the MedMNIST format, or the name of a data set.
    out : FILE
        A .csv or .parquet file to write, or an .html page with pictures.
    fail : bool
        Exit with 1 if copies or groups cross the split.
    model : MODEL
        The model, if it is not the first word.
    label_errors : out-of-fold or model
        Look for wrong labels. out-of-fold: by a cross-validated logistic regression on the features
        of the model (by default, the pretrained one). model: by the probabilities of the model,
        which should not have been trained on these cells.
    suspects : FILE
        With --label-errors: a table to write, for `skblood review`. It has the suspected cells,
        the most doubtful first: path, label, suggested (class), and the other columns of DATA.

    Examples
    --------
    skblood audit cells/ --out findings.csv
    skblood audit cells/ --out audit.html
    skblood audit cells.csv --group-column patient --fail
    skblood audit blood8-2 cells/
    skblood audit cells/ --label-errors out-of-fold --suspects suspects.csv
    """
    model, data = _classifier.split_data(words, model)
    if suspects is not None and label_errors is None:
        raise typer.BadParameter("--suspects takes --label-errors out-of-fold or model.")
    output.reserve_table(suspects)
    output.reserve_table(out, suffixes=(".csv", ".parquet", ".html"))
    _data.check_source(data)
    is_labelled = _data.has_labels(data, table)
    if is_labelled:
        _data.check_source(data, table)
    elif label_errors is not None:
        raise ValueError(f"{data!r} has no labels: leave --label-errors out.")
    else:
        _data.check_columns([data], table.list_columns())
        _output.say(f"{data}: no labels, so neither rare classes nor wrong labels can be found.")
    if model is not None or label_errors is not None:
        from skblood.streaming import find_reader

        model = _classifier.load_classifier(model, _classifier.Model(device="cpu"))
        model = find_reader(model)[1] or model
    cells = (
        _data.read_cells(data, table) if is_labelled else read_partly_labelled([data], table, False)
    )
    from skblood import auditing

    if fail and cells.split is None:
        raise ValueError(f"{data} has no parts, so there is no split to check; leave --fail out.")
    options = {"model": model, "probabilities": label_errors and str(label_errors)}
    report = auditing.audit(cells.X, cells.y, split=cells.split, groups=cells.groups, **options)
    frame = report.to_frame()
    if out is not None and out.suffix.lower() == ".html":
        page = report.to_html(title=f"Audit of {data}")
        output.write_content(out, page, f"{len(frame)} finding{'s' * (len(frame) != 1)}.")
    elif out is not None:
        lists = {name: ["; ".join(map(str, each)) for each in frame[name]] for name in _LISTS}
        joined = {name: _output.as_utf8(texts) for name, texts in lists.items()}
        output.write_table(
            out, frame.assign(**joined), f"{len(frame)} finding{'s' * (len(frame) != 1)}."
        )
    if suspects is not None:
        output.write_table(suspects, _tabulate_suspects(report, cells))
    output.show({"n_images": len(cells.X), "findings": frame.to_dict("records")}, report)
    if fail:
        report.raise_if_leaky()


def _tabulate_suspects(report, cells):
    """Return the table of the cells whose label is probably wrong."""
    import pandas as pd

    if cells.X.ndim > 1:
        raise ValueError(f"--suspects lists files; {cells.source} holds images in memory.")
    found = _data.select_rows(cells, [each.positions[0] for each in report.label_errors])
    suggested = [each.suggested for each in report.label_errors]
    table = {"path": _data.name_images(found), "label": found.y, "suggested": suggested}
    return _classifier.add_columns(pd.DataFrame(table), found.columns)
