"""`skblood evaluate`."""

import typer

from skblood.cli import _options as option
from skblood.cli._data import name_images, read_cells
from skblood.cli._output import (
    check_new,
    print_json,
    say,
    to_json,
    write,
    write_picture,
    write_table,
)
from skblood.cli._predict import load_classifier, predict_all, prediction_table

_FILES = (
    "metrics.json",
    "classes.csv",
    "confusion_matrix.csv",
    "confusion_matrix.png",
    "predictions.csv",
    "wrong_cells.png",
)


def evaluate(
    words: option.ModelAndData,
    split: option.Split = None,
    out: option.Folder = None,
    crop: option.Crop = None,
    device: option.Device = "auto",
    as_json: option.AsJson = False,
    overwrite: option.Overwrite = False,
    path_column: option.PathColumn = "path",
    label_column: option.LabelColumn = "label",
    split_column: option.SplitColumn = "split",
    group_column: option.GroupColumn = None,
):
    """Score a model on images that it was not trained on, with confidence intervals.

    If DATA has the parts train, val and test, the test part is used. --out writes metrics.json,
    classes.csv, confusion_matrix.csv and .png, predictions.csv, and, if there are errors,
    wrong_cells.png. Without a model file, the pretrained model of skblood is scored.

    \b
    Examples:
      skblood evaluate cells.skblood cells/
      skblood evaluate cells/
      skblood evaluate cells.skblood other-lab.csv --group-column patient --out evaluation/
    """  # noqa: D301
    from skblood._labels import encode_labels
    from skblood._plotting import import_pyplot
    from skblood.evaluation import EvaluationReport

    if len(words) > 2:
        raise typer.BadParameter(f"name a model file, if any, and DATA, not {len(words)} things.")
    if out is not None:
        check_new([out / name for name in _FILES], overwrite)
        import_pyplot("--out")
    classifier = load_classifier(words[0] if len(words) == 2 else None, device, crop)
    cells = read_cells(words[-1], path_column, label_column, split_column, group_column)
    if split not in (None, "all") and not cells.parts:
        raise ValueError(f"{cells.source} has no parts; leave --split out.")
    if split != "all":
        cells = cells.part(split or "test")
    classes = classifier.classes_
    encode_labels(cells.y, classes, cells.source)  # raises now, not after the prediction
    probabilities, _ = predict_all(classifier, _warn_of_overlap(classifier, cells.X))
    predicted = classes[probabilities.argmax(axis=1)]
    report = EvaluationReport.from_predictions(
        cells.y, predicted, probabilities, classes=classes, groups=cells.groups
    )
    if out is not None:
        _write_evaluation(out, cells, report, classes, probabilities)
        say(f"{out}: tables and pictures are written.")
    print_json(report.to_dict()) if as_json else print(report)


def _warn_of_overlap(classifier, X):
    """Warn of images that pretrained weights were trained on; return X, read if it had to be."""
    from skblood.images import read_images
    from skblood.pretrained import starts_from_ready, warn_of_score

    if not starts_from_ready(classifier):
        return X
    images, spec = classifier.read_images(X), classifier.spec_
    given = images.pixels if spec.crop == 1 else read_images(X, size=spec.image_size)
    warn_of_score(given)
    return images


def _write_evaluation(folder, cells, report, classes, probabilities):
    """Write the tables and pictures of an evaluation into a folder."""
    import pandas as pd

    from skblood.evaluation import CellGridDisplay

    names = list(map(str, classes))
    confusions = pd.DataFrame(report.confusion_matrix, columns=names)
    confusions.insert(0, "true \\ predicted", names)
    predictions = prediction_table(name_images(cells.X, cells.source), classes, probabilities)
    predictions.insert(1, "true", cells.y)
    write(folder / "metrics.json", to_json(report.to_dict()) + "\n")
    write_table(folder / "classes.csv", report.to_frame().reset_index())
    write_table(folder / "confusion_matrix.csv", confusions)
    write_table(folder / "predictions.csv", predictions)
    write_picture(folder / "confusion_matrix.png", report.plot().figure_)
    wrong = folder / "wrong_cells.png"
    wrong.unlink(missing_ok=True)  # of an evaluation that this one replaces
    if (predictions["label"] != predictions["true"]).any():
        display = CellGridDisplay.from_predictions(
            cells.X, cells.y, predictions["label"], only_errors=True, random_state=0
        )
        write_picture(wrong, display.figure_)
