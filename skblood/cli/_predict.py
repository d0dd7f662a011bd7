"""`skblood predict`."""

from pathlib import Path

from skblood.cli import _classifier, _data, _output


def predict(
    words: list[str],
    *,
    out: Path | None = None,
    options: _classifier.Model,
    files: _data.Files,
    output: _output.Output,
):
    """Predict the class of each image, in the order of the images; print csv or write a table.

    The table has the columns path (from the folder of the table, if it is a file), label,
    probability (that of the label), and for each class its probability: p_ and the name of the
    class as it is spelled ("p_immature granulocyte"). --on-error skip adds the column error. The
    other columns of csv files, such as slide, follow; "given_" goes before their names where those
    are taken (given_label).

    Without a model file, the pretrained model of skblood is used, which knows the eight classes
    of PBC and BloodMNIST.

    Parameters
    ----------
    words : [MODEL] IMAGES
        A model file; by default, the pretrained model. Then image files, folders (with all
        subfolders), patterns such as 'new/**/*.png', csv files with the column path, or one npz
        file in the MedMNIST format.
    out : FILE
        A .csv or .parquet file to write.
    on_error : raise or skip
        raise: name unreadable images, and fail. skip: empty rows.

    Examples
    --------
    skblood predict new/
    skblood predict cells.skblood cell.png
    skblood predict cells.skblood slides.csv --out predictions.csv
    skblood predict new/ --frame auto
    skblood predict cells.skblood new/ 'old/**/*.tif' --out new.parquet --on-error skip
    """
    output.reserve_table(out)
    skip = options.on_error == _data.ErrorMode.SKIP
    classifier, cells = _classifier.open_words(words, options, files)
    labels, probabilities, errors = _classifier.predict_all(classifier, cells.X, skip=skip)
    _warn_of_other_cells(classifier, cells.X, probabilities)
    table = _classifier.prediction_table(cells, classifier.classes_, labels, probabilities)
    table["model"] = _classifier.name_model(_classifier.split_words(words)[0], classifier)
    if skip:
        table["error"] = _output.as_utf8(errors.get(i, "") for i in range(len(table)))
    table = _classifier.add_columns(table, cells.columns)
    if errors:
        _output.say(f"skblood: {len(errors)} of {len(table)} images cannot be read: see `error`.")
    output.write_table(out, table, f"{len(table) - len(errors)} images predicted.")
    counts = {"n_images": len(table), "n_unreadable": len(errors)}
    output.show({**counts, "predictions": table.to_dict("records")})


def _warn_of_other_cells(classifier, X, probabilities):
    """Say once if the cells are unlike those that the model was trained on or adapted to."""
    import numpy as np

    from skblood.uncertainty import find_other_batch

    rows = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    if check := find_other_batch(classifier, X[rows], probabilities[rows]):
        _output.say(
            "skblood: warning: these cells are unlike those that the model was trained on, the "
            f"predictions unsure and the shares of the classes unusual ({check}). Look at some of "
            "them; try --frame auto; adapt the model to some labelled cells."
        )
