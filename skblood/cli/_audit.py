"""`skblood audit`."""

from enum import StrEnum
from pathlib import Path

from skblood.cli import _classifier, _data, _output
from skblood.cli._adapt import read_partly_labelled

# Columns with several values in each row.
_LISTS = ["positions", "names", "labels", "splits"]

Probabilities = StrEnum("Probabilities", {"OUT_OF_FOLD": "out-of-fold", "MODEL": "model"})


def audit(
    data: str,
    *,
    out: Path | None = None,
    fail: bool = False,
    model: str | None = None,
    label_errors: Probabilities | None = None,
    output: _output.Output,
    table: _data.Table,
):
    """Find copies, leaks between parts, contradictory labels, bad images and frames.

    Parameters
    ----------
    out : FILE
        A .csv or .parquet file to write, or an .html page with pictures.
    fail : bool
        Exit with 1 if copies or groups cross the split.
    model : FILE
        A model file, or a pretrained model: report it if the cells do not have the size that it
        expects.
    label_errors : out-of-fold or model
        Look for wrong labels. out-of-fold: by a cross-validated logistic regression on the features
        of the model (by default, the pretrained one). model: by the probabilities of the model,
        which should not have been trained on these cells.

    Examples
    --------
    skblood audit cells/ --out findings.csv
    skblood audit cells/ --out audit.html
    skblood audit cells.csv --group-column patient --fail
    skblood audit cells/ --model blood8-2
    skblood audit cells/ --label-errors out-of-fold
    """
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
        model = _classifier.load_classifier(model, _classifier.Model(device="cpu"))
        model = _classifier.find_reader(model)[1] or model
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
        output.write_content(out, page, f"{len(frame)} findings.")
    elif out is not None:
        lists = {name: ["; ".join(map(str, each)) for each in frame[name]] for name in _LISTS}
        joined = {name: _output.as_utf8(texts) for name, texts in lists.items()}
        output.write_table(out, frame.assign(**joined), f"{len(frame)} findings.")
    output.show({"n_images": len(cells.X), "findings": frame.to_dict("records")}, report)
    if fail:
        report.raise_if_leaky()
