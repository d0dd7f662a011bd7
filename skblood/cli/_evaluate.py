"""`skblood evaluate`."""

from pathlib import Path

import typer

from skblood.cli import _classifier, _data, _output, _settings

_TABLES = ("metrics.json", "classes.csv", "confusion_matrix.csv", "predictions.csv")
_MOST_SHOWN = 24  # wrong predictions in a picture
_PICTURES = ("confusion_matrix.png", "wrong_cells.png")


def evaluate(
    words: list[str],
    *,
    split: str | None = None,
    leave_out: str | None = None,
    out: Path | None = None,
    shares: str | None = None,
    options: _classifier.Model,
    output: _output.Output,
    table: _data.Table,
):
    """Score a model on images that it was not trained on, with confidence intervals.

    If DATA has the parts train, val and test, the test part is used. --out writes metrics.json,
    classes.csv, confusion_matrix.csv and .png, predictions.csv (with the other columns of a
    table), and, if there are errors, wrong_cells.png. Without a model file, the pretrained model of
    skblood is scored.

    Parameters
    ----------
    words : [MODEL] DATA
        A model file; by default, the pretrained model. Then the data: a folder with one subfolder
        per class, optionally within train, val and test; a table with the columns path, label
        and optionally split; an npz file in the MedMNIST format; or the name of a dataset.
    split : NAME
        Part to evaluate on, or all; by default, test.
    shares : SHARES
        Report the accuracy at these class shares, too, written as those of --prior; by default, at
        those of the prior.
    out : FOLDER
        Write tables, metrics and pictures here.

    Examples
    --------
    skblood evaluate cells.skblood cells/
    skblood evaluate cells/
    skblood evaluate cells/ --leave-out blast,smudge
    skblood evaluate cells.skblood other-lab.csv --group-column patient --out evaluation/
    """
    model, data = split_words(words, "evaluate", table)
    output.reserve_folder(out, _TABLES + _PICTURES)
    classifier = _classifier.load_classifier(model, options)
    cells = select_cells(_data.read_cells(data, table), split, leave_out, options.on_error)
    classifier = _classifier.take_frame(classifier, options.frame, cells.X)
    report = score(classifier, cells, shares)
    if out is not None:
        table = report.cells.drop(columns="group", errors="ignore")
        table["model"] = _classifier.name_model(model, classifier)
        predictions = _classifier.add_columns(table, cells.columns)
        _write_evaluation(
            out, report, predictions, lambda rows: _read_some(classifier, cells.X, rows), output
        )
        _output.say(f"{out}: tables and pictures are written.")
    output.show(report.to_dict(), report)


def split_words(words, command, table):
    """Return the model's file or name, or None for the default, and DATA; both are checked."""
    *model, data = words
    if len(model) > 1:
        raise typer.BadParameter(f"give DATA, or a model file and DATA, not {len(words)} things.")
    if data.endswith(".skblood"):
        example = f"skblood {command} {data} {model[0] if model else 'cells/'}"
        raise typer.BadParameter(f"{data!r} is a model file; name images after it: {example}")
    for name in model:
        if _data.find_pretrained(name) is None:
            _data.existing(name)
    _data.check_source(data, table)
    return (model or [None])[0], data


def select_cells(cells, split, leave_out, on_error):
    """Return the readable images of a part, without some classes; None is the test part, if any."""
    if split not in (None, "all") and cells.split is None:
        raise ValueError(f"{cells.source} has no parts; leave --split out.")
    cells = cells if split == "all" else _data.select_part(cells, split or "test")
    if leave_out is None:
        return _data.leave_out_unreadable(cells, on_error)[0]
    from skblood._labels import leave_out_labels

    rows, sentence = leave_out_labels(cells.y, _settings.split_names(leave_out))
    _output.say(sentence)
    cells = type(cells)(**_data.select_rows(cells, rows) | {"left_out": sentence})
    return _data.leave_out_unreadable(cells, on_error)[0]


def score(classifier, cells, shares=None):
    """Return the report of a model.

    Parameters
    ----------
    classifier : fitted classifier
    cells : Bunch
    shares : str, default=None
        Value of --shares.
    """
    import numpy as np

    from skblood._labels import describe_unknown, match_labels
    from skblood.estimators import assumed_prior, describe_prior
    from skblood.evaluation import EvaluationReport

    classes = classifier.classes_
    # Raises now, not after the prediction; a table may write 2 where a class is "2".
    labels = match_labels(cells.y, classes, cells.source)
    if unknown := describe_unknown(labels, classes, cells.source):
        raise ValueError(f"{unknown} Rename these labels, or leave their images out: --leave-out.")
    cells.y = np.array(labels, classes.dtype)
    shares = _settings.parse_shares(shares, "--shares") or assumed_prior(classifier)
    predicted, probabilities = _predict(classifier, cells.X)
    note = f"{describe_prior(classifier)} {cells.get('left_out', '')}".strip()
    about = {"classes": classes, "groups": cells.groups, "shares": shares, "note": note}
    about |= {"names": _data.name_images(cells), "images": cells.X, "model": classifier}
    return EvaluationReport.from_predictions(cells.y, predicted, probabilities, **about)


def _predict(classifier, X):
    """Return labels and probabilities; warn of images that pretrained weights were trained on."""
    from skblood._sklearn import unwrap_model
    from skblood.estimators import CellClassifier, predict_to_score
    from skblood.streaming import find_reader, predict_images

    reader, _ = unwrap_model(find_reader(classifier)[1], None)
    if not isinstance(reader, CellClassifier):  # a CellEmbedder, or an ensemble
        return predict_images(classifier, X)
    probabilities, warning = predict_to_score(reader, X)
    if warning:
        _output.say(f"skblood: warning: {warning}")
    return classifier.classes_[probabilities.argmax(axis=1)], probabilities


def _read_some(classifier, X, rows):
    """Return some images, as the model reads them if it does so itself."""
    from skblood._plotting import read_some
    from skblood.streaming import find_reader

    _, reader = find_reader(classifier)
    return read_some(X, rows) if reader is None else [*reader.read_images(X[rows]).pixels]


def _write_evaluation(folder, report, predictions, read, output):
    """Write the tables and pictures of an evaluation into a folder."""
    import pandas as pd

    from skblood._plotting import wrap
    from skblood.evaluation import CellGridDisplay

    names = _output.as_utf8(map(str, report.classes))
    confusions = pd.DataFrame(report.confusion_matrix, columns=names)
    confusions.insert(0, "true \\ predicted", names)
    metrics = _output.to_json(report.to_dict()) + "\n"
    output.write_content(folder / "metrics.json", metrics)
    output.write_table(folder / "classes.csv", report.to_frame().reset_index())
    output.write_table(folder / "confusion_matrix.csv", confusions)
    output.write_table(folder / "predictions.csv", predictions)
    output.write_picture(folder / "confusion_matrix.png", report.plot().figure_)
    wrong = folder / "wrong_cells.png"
    if output.overwrite:
        wrong.unlink(missing_ok=True)  # of an evaluation that this one replaces
    errors = predictions[predictions["label"] != predictions["true"]]
    if len(errors):
        shown = errors.sort_values("probability", ascending=False, kind="stable")[:_MOST_SHOWN]
        images = read(shown.index.to_numpy())
        display = CellGridDisplay(images, shown["true"].tolist(), shown["label"].tolist()).plot()
        captions = zip(shown["probability"], shown["path"], strict=True)
        for ax, (probability, path) in zip(display.axes_.flat, captions, strict=False):
            ax.set_xlabel(f"{probability:.2f}, {wrap(Path(path).name, 20, 2)}", fontsize=7)
        title = f"{len(shown)} of {len(errors):,} wrong predictions, surest first"
        display.figure_.suptitle(title, fontsize=9)
        output.write_picture(wrong, display.figure_)
