"""`skblood predict`."""

from pathlib import Path

from skblood._writing import list_some, shorten, track
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
    other columns of csv files, such as slide, follow; "given_" goes before their names where those
    are taken (given_label).

    Without a model file, the pretrained model of skblood is used, which knows the eight classes
    of PBC and BloodMNIST.

    Parameters
    ----------
    words : [MODEL] IMAGES
        A model file; by default, the pretrained model. Then image files, folders (with all
        subfolders), patterns such as 'new/**/*.png', csv and Parquet files with the column path,
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
    if workers.is_folder(out, (".csv", ".parquet")):
        return _predict_folder(words, out, workers, options, files, output)
    output.reserve_table(out)
    _data.check_words(words, options.on_error, files.list_columns())
    path, images = _classifier.split_words(words)
    classifier = _classifier.load_classifier(path, options)
    batches = _batches.Batches(images, files)
    classifier = _classifier.take_frame(classifier, options.frame, batches.sample.items)
    run = _Run(classifier, _classifier.name_model(path, classifier), options.on_error)
    shown = []
    with output.table_writer(out) as add:
        for table in run.predict(batches):
            add(table)
            shown += table.to_dict("records") if output.as_json else []
    _warn_of_other_cells(classifier, *run.sample)
    if run.n_unreadable:
        _output.say(
            f"skblood: {run.n_unreadable} of {run.n_images} images cannot be read: see `error`."
        )
    if out is not None:
        _output.say(f"{out}: {run.n_images - run.n_unreadable} images predicted.")
    counts = {"n_images": run.n_images, "n_unreadable": run.n_unreadable}
    output.show({**counts, "predictions": shown})


class _Run:
    """Predictions of images in batches, and what is told of all of them."""

    def __init__(self, classifier, name, on_error):
        self.classifier, self._name = classifier, name
        self._skip = on_error == _data.ErrorMode.SKIP
        self.n_images = self.n_unreadable = 0
        self._sample, self._named = _batches.Sample(), []

    @property
    def sample(self):
        """Some readable images, as a list, and their probabilities."""
        import numpy as np

        return [image for image, _ in self._sample.items], np.array(
            [row for _, row in self._sample.items]
        )

    def predict(self, batches):
        """Yield the table of each batch; raise ValueError at the end if images are unreadable."""
        with track(batches.n, "predict") as update:
            for cells in batches:
                table = self._predict_batch(cells)
                if table is not None:
                    yield table
                update(len(cells.names))
        if not self.n_images:
            raise ValueError("There are no images in what is named.")
        if self._named:
            more = self.n_unreadable - len(self._named)
            rest = f"\n  ... and {more:,} more" if more else ""
            what = f"{self.n_unreadable} of {self.n_images}", list_some(self._named) + rest
            raise ValueError(_classifier.describe_unreadable(*what))

    def _predict_batch(self, cells):
        """Return the table of a batch, None after images that must not be unreadable."""
        import numpy as np

        from skblood.datasets import find_unreadable

        self.n_images += len(cells.names)
        if self._named:
            self._note(cells, find_unreadable(cells.X) if len(cells.X) else {})
            return None
        model, n_errors = self.classifier, len(cells.errors)
        labels, probabilities, reasons = _classifier.predict_all(model, cells.X, skip=True)
        readable = [i for i in range(len(cells.X)) if i not in reasons]
        # Copies: a view would keep the probabilities of its batch.
        self._sample.add((cells.X[i], probabilities[i].copy()) for i in readable)
        reasons = self._note(cells, reasons)
        if self._named or not cells.names:
            return None
        labels = [*labels, *[""] * n_errors]
        unknown = np.full((n_errors, probabilities.shape[1]), np.nan)
        probabilities = np.vstack([probabilities, unknown])
        table = _classifier.prediction_table(cells.names, model.classes_, labels, probabilities)
        table["model"] = self._name
        if self._skip:
            texts = (reasons.get(i, "") for i in range(len(table)))
            table["error"] = _output.as_utf8(texts)
        return _classifier.add_columns(table, cells.columns)

    def _note(self, cells, reasons):
        """Note which images are unreadable, and return the reasons."""
        reasons = {**reasons, **cells.errors}
        self.n_unreadable += len(reasons)
        if not self._skip:
            lines = [f"{shorten(cells.names[i])}: {why}" for i, why in reasons.items()]
            self._named += lines[: 10 - len(self._named)]
        return reasons


def _predict_folder(words, out, workers, options, files, output):
    """Write a folder of predictions."""
    path, images = _classifier.split_words(words)
    model = _classifier.load_classifier(path, options)
    if options.frame is not None:
        sample = _batches.Batches(images, files).sample
        model = _classifier.take_frame(model, options.frame, sample.items)
    about = {
        "model_name": _classifier.name_model(path, model),
        "on_error": options.on_error.value,
    }
    _shards.write_folder(model, images, out, workers, files, output, **about)
    _warn_of_other_cells(model, *_shards.read_sample(out, model))


def _warn_of_other_cells(classifier, X, probabilities):
    """Say once if the cells are unlike those that the model was trained on or adapted to."""
    from skblood.uncertainty import find_other_batch

    if check := find_other_batch(classifier, X, probabilities):
        _output.say(
            "skblood: warning: these cells are unlike those that the model was trained on, the "
            f"predictions unsure and the shares of the classes unusual ({check}). Look at some of "
            "them; try --frame auto; adapt the model to some labelled cells."
        )
