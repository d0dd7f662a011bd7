"""`skblood predict`."""

from pathlib import Path

from skblood.cli import _batches, _classifier, _data, _output, _shards


def predict(
    words: list[str],
    *,
    out: Path | None = None,
    workers: _shards.Workers,
    options: _classifier.Model,
    files: _data.Files,
    output: _output.Output,
):
    """Predict the class of each image, in the order of the images; print csv or write a table.

    Rows are printed, and written to a file that is there at the end, as they are known: no more
    than some images are in memory, but with --json all rows.

    Of millions of images, write a folder of Parquet files: --out with a name without a suffix. The
    command may be stopped or killed at any time; the same command goes on where it was.

    The table has the columns path (from the folder of the table, if it is a file), label,
    probability (that of the label), and for each class its probability: p_ and the name of the
    class as it is spelled ("p_immature granulocyte"). --on-error skip adds the column error. The
    other columns of tables, such as slide, follow; "given_" goes before their names where those
    are taken (given_label).

    Without a model file, the pretrained model of skblood is used, which knows the eight classes
    of PBC and BloodMNIST.

    Parameters
    ----------
    words : [MODEL] IMAGES
        A model file; by default, the pretrained model. Then image files, folders (with all
        subfolders), patterns such as 'new/**/*.png', tables with the column path,
        tar files in the WebDataset form, or one npz file in the MedMNIST format.
    out : FILE or FOLDER
        A .csv or .parquet file to write, or a folder of Parquet files.
    on_error : raise or skip
        raise: name unreadable images, and fail. skip: empty rows.

    Examples
    --------
    skblood predict new/
    skblood predict cells.skblood cell.png
    skblood predict cells.skblood slides.csv --out predictions.csv
    skblood predict new/ --frame auto
    skblood predict cells.skblood new/ 'old/**/*.tif' --out new.parquet --on-error skip
    skblood predict cells.skblood 'shards/*.tar' --out predictions/ --workers 8
    """
    is_folder = workers.is_folder(out, (".csv", ".parquet"))
    if not is_folder:
        output.reserve_table(out)
    _data.check_words(words, options.on_error, files.list_columns())
    path, images = _classifier.split_words(words)
    model = _classifier.load_classifier(path, options)
    found = _batches.Images(images, files)
    if options.frame is not None:
        model = _classifier.take_frame(model, options.frame, found.survey.sample)
    name = _classifier.name_model(path, model)
    if is_folder:
        about = {"model_name": name, "on_error": options.on_error.value}
        _shards.write_folder(model, images, out, workers, files, output, **about)
        _warn_of_other_cells(model, _shards.read_sample(out, model))
        return
    rows, shown = _batches.Rows(model, found, options.on_error, model_name=name), []
    with output.table_writer(out) as add:
        for table in rows:
            add(table)
            shown += table.to_dict("records") if output.as_json else []
    _warn_of_other_cells(model, rows.sample)
    _data.tell_unreadable(rows.n_unreadable, rows.n_images, ": see `error`.")
    if out is not None:
        _output.say(f"{out}: {rows.n_images - rows.n_unreadable} images predicted.")
    counts = {"n_images": rows.n_images, "n_unreadable": rows.n_unreadable}
    output.show({**counts, "predictions": shown})


def _warn_of_other_cells(classifier, sample):
    """Say once if the cells are unlike those that the model was trained on or adapted to."""
    import numpy as np

    from skblood.uncertainty import find_other_batch

    X, probabilities = ([pair[i] for pair in sample.items] for i in (0, 1))
    if check := find_other_batch(classifier, X, np.array(probabilities)):
        _output.say(
            "skblood: warning: these cells are unlike those that the model was trained on, the "
            f"predictions uncertain and the shares of the classes unusual ({check}). Look at some "
            "of them; try --frame auto; adapt the model to some labeled cells."
        )
