"""`skblood review`."""

import os
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path

from skblood.cli import _classifier, _data, _output

Order = StrEnum("Order", ["DOUBT", "NEIGHBORS", "QUERY", "GIVEN", "RANDOM"])

# Columns of a model that other commands write, which are not carried over.
_OF_MODEL = ["given_label", "predicted", "true", "probability", "doubt", "coverage", "n_random"]


def review(
    words: list[str],
    *,
    model: str | None = None,
    out: Path = Path("review.html"),
    order: Order | None = None,
    blind: bool = False,
    reference: str | None = None,
    max_cells: int = 2000,
    no_labels: bool = False,
    root: Path | None = None,
    seed: int = 0,
    options: _classifier.Model,
    files: _data.Files,
    label_column: str = "label",
    group_column: str | None = None,
    output: _output.Output,
):
    """Write an HTML page on which people confirm or correct labels, key by key.

    The page is one file that opens in a browser without a network. It saves the answers as
    corrections.csv, which the other commands take as DATA; other columns of tables are in it,
    too. The labels to check are those of the csv file, or the names of the folders of the images if
    all are classes of the model; without labels, the predictions of the model are checked.

    Parameters
    ----------
    words : [MODEL] IMAGES
        A model file; by default, the pretrained model. Then image files, folders (with all
        subfolders), patterns such as 'new/**/*.png', or tables with the column path.
    model : MODEL
        The model, if it is not the first word.
    out : FILE
        The page to write.
    order : doubt, neighbors, query, given or random
        doubt: improbable labels first. neighbors: first what differs from the most similar cells.
        query: the cells whose labels help an adaptation most. given: that of the table or files,
        the default for tables of `query` and of `audit --suspects`. random: the default of --blind.
    blind : bool
        Show neither predictions, given labels nor file names, as for the readers of a validation.
    reference : DATA
        Labeled cells, such as those of the training: the most similar ones are shown beside each
        cell.
    max_cells : NUMBER
        Cells of the page, the first of the order.
    no_labels : bool
        Take no labels: neither names of folders nor a column are labels.
    root : FOLDER
        Folder that the paths in corrections.csv are relative to, and that it is put into; by
        default they are absolute, and it can be put anywhere.
    label_column : NAME
        Column of a table: labels, if present.

    Examples
    --------
    skblood review new/ --out review.html
    skblood review new/ --order query --max-cells 40 --no-labels
    skblood review cells.skblood cells.csv --group-column slide --reference cells/
    """
    output.reserve_table(out, suffixes=(".html", ".htm"))
    table = _data.Table(**asdict(files), label_column=label_column, group_column=group_column)
    _data.check_words(words, options.on_error, table.list_columns())
    if reference is not None:
        _data.check_source(reference, _data.Table())
    if model is None:
        model, words = _classifier.split_words(words)
    classifier = _classifier.load_network(model, options)
    cells = _data.find_images(words, files)
    cells, unreadable = _data.leave_out_unreadable(cells, options.on_error)
    classifier = _classifier.take_frame(classifier, options.frame, cells.X)
    from skblood import reviewing

    labels = None if no_labels else _given_labels(cells, label_column, classifier.classes_)
    if order is None and not blind and {"n_random", "suggested"} & {*cells.columns}:
        order = Order.GIVEN
    left_out = [label_column, group_column, *_OF_MODEL, *(f"p_{x}" for x in classifier.classes_)]
    given = {"root": root, "random_state": seed, "out": out}
    given |= {"order": order and str(order), "blind": blind}
    given["columns"] = cells.columns.drop(columns=left_out, errors="ignore")
    if group_column is not None:
        given["groups"] = cells.columns[group_column]
    if reference is not None:
        known = _data.read_cells(reference, _data.Table())
        given["reference"] = known.X, known.y
    reviewing.review(classifier, cells.X, labels, max_cells=max_cells, **given)
    _output.say(f"{out}: open it in a browser.")
    output.show({"path": str(out), "n_images": len(cells.X), "unreadable": unreadable})


def _given_labels(cells, label_column, classes):
    """Return the labels of tables, or names of folders if all are classes, or None."""
    if label_column in cells.columns:
        return cells.columns[label_column].tolist()
    if cells.X.ndim > 1:  # of an npz file, which `review` refuses
        return None
    from skblood._labels import list_few

    folders = [os.path.basename(os.path.dirname(os.path.abspath(path))) for path in cells.X]
    others = sorted({*folders} - {*map(str, classes)})
    if others and len(others) < len({*folders}):
        _output.say(
            "skblood: warning: names of folders are not taken for labels, since the model has no "
            f"class {list_few([*map(repr, others)])}. Rename them, or list labels in a table."
        )
    return None if others else folders
