"""`skblood evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from skblood.cli._data import Columns, read_cells
from skblood.cli._options import (
    AsJson,
    Crop,
    Device,
    GroupColumn,
    LabelColumn,
    ModelAndData,
    Overwrite,
    PathColumn,
    SplitColumn,
)
from skblood.cli._output import (
    as_json,
    check_new,
    check_pictures,
    print_json,
    say,
    write,
    write_picture,
    write_table,
)
from skblood.cli._predict import as_frame, load_classifier, predict_all

_FILES = (
    "metrics.json",
    "classes.csv",
    "confusion_matrix.csv",
    "confusion_matrix.png",
    "predictions.csv",
)
_WRONG = "wrong_cells.png"


def evaluate(
    words: ModelAndData,
    split: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The part to evaluate on, or all; by default, test."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to write tables, metrics and pictures."),
    ] = None,
    crop: Crop = None,
    device: Device = "auto",
    as_json: AsJson = False,
    overwrite: Overwrite = False,
    path_column: PathColumn = "path",
    label_column: LabelColumn = "label",
    split_column: SplitColumn = "split",
    group_column: GroupColumn = None,
):
    """Score a model on images that it has not seen, with confidence intervals.

    If DATA has the parts train, val and test, the test part is taken. With --out, the folder gets
    metrics.json, classes.csv, confusion_matrix.csv and .png, predictions.csv, and wrong_cells.png
    if there are any. Without a model file, the ready model is scored, which comes with skblood.

    Examples
    --------
    skblood evaluate cells.skblood cells/
    skblood evaluate cells/
    skblood evaluate cells.skblood other-lab.csv --group-column patient --out evaluation/
    """
    if len(words) > 2:
        raise typer.BadParameter(f"name a model file, if any, and DATA, not {len(words)} things.")
    if out is not None:
        check_new([out / name for name in (*_FILES, _WRONG)], overwrite)
        check_pictures(out)
    classifier = load_classifier(words[0] if len(words) == 2 else None, device, crop)
    cells = read_cells(words[-1], Columns(path_column, label_column, split_column, group_column))
    cells = choose(cells, split)
    report, probabilities = score(classifier, cells)
    if out is not None:
        write_evaluation(out, cells, report, classifier.classes_, probabilities)
        say(f"{out}: tables and pictures are written.")
    print_json(report.to_dict()) if as_json else print(report)


def choose(cells, split=None):
    """Return the part of that name; by default the test part, or all if there are no parts."""
    if split == "all":
        return cells
    if split is not None and not cells.parts:
        raise ValueError(f"{cells.source} has no parts; leave --split out.")
    return cells.part(split or "test")


def score(classifier, cells):
    """Return the report on labelled images, and the probabilities that it is of."""
    from skblood.estimators import CellClassifier
    from skblood.evaluation import EvaluationReport
    from skblood.evaluation._report_input import code_labels

    classes = classifier.classes_
    # Before the prediction, which may take long.
    code_labels(cells.y, classes.tolist(), cells.source)
    if isinstance(classifier, CellClassifier):
        classifier._read_to_score(cells.X)  # which warns of images that it was trained on
    probabilities, _ = predict_all(classifier, cells.X)
    report = EvaluationReport.from_predictions(
        cells.y,
        classes[probabilities.argmax(axis=1)],
        probabilities,
        classes=classes,
        groups=cells.groups,
    )
    return report, probabilities


def write_evaluation(folder, cells, report, classes, probabilities):
    """Write all about an evaluation into a folder."""
    import pandas as pd

    from skblood.evaluation import CellGridDisplay

    names = list(map(str, classes))
    confusions = pd.DataFrame(report.confusion_matrix, columns=names)
    confusions.insert(0, "true \\ predicted", names)
    predictions = as_frame(cells.names(), classes, probabilities)
    predictions.insert(1, "true", cells.y)
    write(folder / "metrics.json", as_json(report.to_dict()) + "\n")
    write_table(folder / "classes.csv", report.to_frame().reset_index())
    write_table(folder / "confusion_matrix.csv", confusions)
    write_table(folder / "predictions.csv", predictions)
    write_picture(folder / "confusion_matrix.png", report.plot().figure_)
    wrong = folder / _WRONG
    if (predictions["label"] != predictions["true"]).any():
        display = CellGridDisplay.from_predictions(
            cells.X, cells.y, predictions["label"], only_errors=True, random_state=0
        )
        write_picture(wrong, display.figure_)
    else:
        wrong.unlink(missing_ok=True)  # of an evaluation that this one replaces
