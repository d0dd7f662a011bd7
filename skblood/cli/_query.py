"""`skblood query`."""

from pathlib import Path

from skblood.cli import _classifier, _data, _output
from skblood.cli._adapt import get_column


def query(
    words: list[str],
    *,
    out: Path | None = None,
    k: int = 40,
    no_labels: bool = False,
    seed: int = 0,
    options: _classifier.Model,
    files: _data.Files,
    label_column: str = "label",
    output: _output.Output,
):
    """Choose the cells whose labels help most to adapt a model; print csv or write a table.

    Label them in this order, in the column label, by `skblood review` or in a spreadsheet, and give
    the table to `skblood adapt`. Cells of a table that have a label are not chosen.

    The table has the columns path (from the folder of the table, if it is a file), label (empty),
    predicted, probability (that of the predicted class), doubt (1 minus the difference of the two
    highest probabilities), coverage (of the cells without a label, by this one and those before)
    and n_random (random labels with the same coverage). The other columns of tables follow;
    "given_" goes before their names where those are taken.

    Parameters
    ----------
    words : [MODEL] IMAGES
        A model file; by default, the pretrained model. Then image files, folders (with all
        subfolders), patterns such as 'new/**/*.png', tables with the column path, or one npz
        file in the MedMNIST format.
    out : FILE
        A .csv or .parquet file to write.
    k : int
        Number of cells.
    no_labels : bool
        Take no labels from a table.

    Examples
    --------
    skblood query cells.skblood new/ --out chosen.csv
    skblood query blood8-2 slides.csv -k 20 --frame auto --out chosen.csv
    """
    output.reserve_table(out)
    column = None if no_labels else label_column
    given = {"is_network": True, "label_column": column}
    classifier, cells, unreadable = _classifier.open_words(words, options, files, **given)
    labels = get_column(cells.columns, column)
    from skblood import adaptation

    chosen = adaptation.query(classifier, cells.X, k, y=labels, random_state=seed)
    found = _data.select_rows(cells, chosen.indices)
    table = _tabulate(chosen, classifier.predict_proba(found.X), classifier.classes_)
    table.insert(0, "path", _data.name_images(found))
    others = found.columns.drop(columns=[] if labels is None else [label_column])
    table = _classifier.add_columns(table, others)
    output.write_table(out, table)
    _output.say(chosen)
    counts = {"n_images": len(cells.X) + len(unreadable), "n_unreadable": len(unreadable)}
    output.show({**counts, "chosen": table.to_dict("records")})


def _tabulate(chosen, probabilities, classes):
    """Return the table of the chosen cells."""
    import numpy as np
    import pandas as pd

    second, first = np.sort(probabilities, axis=1)[:, -2:].T
    predicted = _output.as_utf8(classes[probabilities.argmax(axis=1)].tolist())
    table = pd.DataFrame({"label": "", "predicted": predicted})
    table = table.assign(probability=first, doubt=1 - (first - second))
    return table.assign(coverage=chosen.coverage, n_random=chosen.n_random)
