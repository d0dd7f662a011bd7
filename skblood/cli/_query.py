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
    path_column: str = "path",
    label_column: str = "label",
    bit_depth: int | None = None,
    as_json: bool = False,
    overwrite: bool = False,
):
    """Choose the cells whose labels help most to adapt a model; print csv or write a table.

    Label them in this order, in the column label, by `skblood review` or in a spreadsheet, and give
    the table to `skblood adapt`. Cells of a csv file that have a label are not chosen.

    The table has the columns path (from the folder of the table, if it is a file), label (empty),
    predicted, probability (that of the predicted class), doubt (1 minus the difference of the two
    highest probabilities), coverage (of the cells without a label, by this one and those before)
    and n_random (random labels with the same coverage). The other columns of csv files follow;
    "given_" goes before their names where those are taken.

    Parameters
    ----------
    words : [MODEL] IMAGES
        A model file; by default, the pretrained model. Then image files, folders (with all
        subfolders), patterns such as 'new/**/*.png', csv files with the column path, or one npz
        file in the MedMNIST format.
    out : FILE
        A .csv or .parquet file to write.
    k : int
        Number of cells.
    no_labels : bool
        Take no labels from a csv file.

    Examples
    --------
    skblood query cells.skblood new/ --out chosen.csv
    skblood query blood8-2 slides.csv -k 20 --frame auto --out chosen.csv
    """
    _output.reserve_table(out, overwrite)
    load = _classifier.load_network
    classifier, *found = _classifier.open_words(words, options, bit_depth, path_column, load)
    names, X, columns, unreadable = _data.select_readable(*found, options.on_error)
    labels = None if no_labels else get_column(columns, label_column, "label")
    cells = classifier.read_images(X)
    from skblood import adaptation

    chosen = adaptation.query(classifier, cells, k, y=labels, random_state=seed)
    table = _tabulate(chosen, classifier, cells, [names[i] for i in chosen.indices], out)
    others = columns.iloc[chosen.indices].drop(columns=[] if labels is None else [label_column])
    table = _classifier.add_columns(table, others)
    if out is not None or not as_json:
        _output.write_table(out, table, overwrite)
    _output.say(chosen)
    if as_json:
        counts = {"n_images": len(X) + len(unreadable), "n_unreadable": len(unreadable)}
        _output.show({**counts, "chosen": table.to_dict("records")})


def _tabulate(chosen, classifier, cells, names, out):
    """Return the table of the chosen cells."""
    import numpy as np
    import pandas as pd

    probabilities = classifier.predict_proba(cells[chosen.indices])
    second, first = np.sort(probabilities, axis=1)[:, -2:].T
    if out is not None:
        names = [_output.path_from(name, out.parent) for name in names]
    predicted = classifier.classes_[probabilities.argmax(axis=1)].tolist()
    return pd.DataFrame(
        {
            "path": names,
            "label": "",
            "predicted": _output.as_utf8(predicted),
            "probability": first,
            "doubt": 1 - (first - second),
            "coverage": chosen.coverage,
            "n_random": chosen.n_random,
        }
    )
