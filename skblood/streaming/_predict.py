"""Predictions and features of any number of images, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from skblood._typing import DataFrame, Files, OnError, Result, StrPath, Task
from skblood._writing import track

from ._compute import predict_partition
from ._results import PredictionFolder
from ._rows import RowSettings, for_stream, make_rows
from ._sources import open_source
from ._workers import run_partitions


def predict_shards(
    model: Any,
    source: Files,
    out: StrPath,
    *,
    task: Task = "predict",
    n_workers: int = 1,
    on_error: OnError = "raise",
    overwrite: bool = False,
    model_name: str | None = None,
    path_column: str = "path",
    bit_depth: int | None = None,
    partition_size: int = 10_000,
    verbose: bool = False,
) -> Result:
    """Predict any number of images into a folder of Parquet files, which can be resumed.

    Parameters
    ----------
    model : fitted estimator
        A classifier or embedder of skblood, or a Pipeline or ensemble of them.
    source : str, path-like, or list of these
        Folders, image files, patterns, tables of paths, tar shards or URLs: see
        :func:`open_source`.
    out : str or path-like
        A new folder, or one that this function has begun to write for the same model, source and
        settings: what is done there is not computed again.
    task : {"predict", "embed"}, default="predict"
        "predict": columns label, probability (that of the label) and ``p_`` and the name of each
        class. "embed": columns ``feature_0``, ... of float32: what the head of a classifier is
        given, or the features of an embedder.
    n_workers : int, default=1
        Worker processes. Each computes by one thread, and on a GPU of its own. 1 computes in this
        process. A script that starts several must be guarded by ``if __name__ == "__main__":``.
    on_error : {"raise", "skip"}, default="raise"
        "raise" stops at images that cannot be read, and names them; shards that are done stay.
        "skip" writes rows without numbers, whose reason is in the column error, which is "" of all
        others. It also goes on where "raise" has stopped.
    overwrite : bool, default=False
        Remove other predictions in the folder first. Other files are never removed.
    model_name : str, default=None
        Text of the column model; None leaves it out.
    path_column : str, default="path"
        Column of tables with the image files.
    bit_depth : int in 8..16, default=None
        Bits of the values in files of more than 8 bits; see
        :func:`skblood.datasets.load_image_folder`.
    partition_size : int, default=10_000
        Images of a shard; of a tar shard, all of its images.
    verbose : bool, default=False
        Show the progress.

    Returns
    -------
    result : Bunch
        With n_images, n_unreadable and n_shards in the folder; n_resumed, the number of shards that
        were there before; and folder, a pathlib.Path.

    Raises
    ------
    ValueError
        If images cannot be read; the folder belongs to another model, source or settings; or a
        local table or tar shard has changed since the start. The message names what differs.
    FileExistsError
        If the folder holds other files only.
    BlockingIOError
        If another process is writing the folder.
    OSError
        If the folder cannot be written, for example as the disk is full.
    ImportError
        If pyarrow is missing.

    Warns
    -----
    UserWarning
        If a shard has no readable end (only that is looked at), so that it is computed again; a
        worker has died; a folder or pattern holds another number of images than at the start; or
        later images have columns that the first ones do not have.

    See Also
    --------
    read_predictions : Read the folder as one table.
    iter_predictions : The same rows, part by part, without files.
    skblood.distributed.predict : Workers on other machines.

    Notes
    -----
    The files are ``_manifest.json`` and one ``part-*.parquet`` of each partition of the source, of
    10,000 images or one tar shard. A file is written under a temporary name, flushed to the disk
    and renamed: it is whole or absent, whenever the process or the machine stops. Its columns are
    path (of files from the folder, unless the source names them in full), those of the task, model,
    error, then those of the source as text; ``given_`` goes before names that are taken.

    Rows do not depend on the number of workers, or on where a run was interrupted. A worker that
    is killed costs the partitions that were being computed, which are tried once more.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skblood import load_pretrained
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.streaming import predict_shards, read_predictions
    >>> X, _ = make_blood_cells(6, image_size=64, random_state=0)
    >>> temporary = tempfile.TemporaryDirectory()
    >>> folder = Path(temporary.name)
    >>> (folder / "cells").mkdir()
    >>> for i, pixels in enumerate(X):
    ...     Image.fromarray(pixels).save(folder / "cells" / f"{i}.png")
    >>> model = load_pretrained("blood8-2")
    >>> result = predict_shards(model, folder / "cells", folder / "predictions")
    >>> result.n_images, result.n_shards
    (6, 1)
    >>> predict_shards(model, folder / "cells", folder / "predictions").n_resumed
    1
    >>> read_predictions(result.folder)["label"].size
    6
    >>> temporary.cleanup()
    """
    _check_count("n_workers", n_workers)
    options = {"task": task, "on_error": on_error, "model_name": model_name}
    options |= {"path_column": path_column, "bit_depth": bit_depth, "overwrite": overwrite}
    options |= {"partition_size": partition_size}
    with PredictionFolder(model, source, out, **options) as folder:
        pending = folder.pending()
        shown = track(folder.expect, task, shown=verbose)
        with shown as update:
            for done in _compute(model, pending, folder, n_workers, update):
                folder.add(done)
        return folder.finish()


def _check_count(name, value):
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}={value!r} must be a positive integer.")


def _compute(model, partitions, folder, n_workers, update):
    if min(n_workers, len(partitions)) > 1:
        yield from run_partitions(model, partitions, folder, n_workers, update)
        return
    for partition in partitions:
        yield predict_partition(model, partition, folder.folder, folder.settings, update=update)


def iter_predictions(
    model: Any,
    source: Files,
    *,
    batch_size: int = 1024,
    on_error: OnError = "raise",
    task: Task = "predict",
    path_column: str = "path",
    bit_depth: int | None = None,
) -> Iterator[DataFrame]:
    """Yield the predictions of any number of images, a DataFrame of some of them at a time.

    Parameters
    ----------
    model, source, on_error, task, path_column, bit_depth
        As of :func:`predict_shards`.
    batch_size : int, default=1024
        Most images of a DataFrame, and in memory.

    Yields
    ------
    rows : DataFrame
        Columns as of :func:`predict_shards` (error of "skip" only), a row of each image in the
        order of the source. The columns of the source are those of these images.

    Raises
    ------
    ValueError
        If images cannot be read; the first ten are named.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skblood import load_pretrained
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.streaming import iter_predictions
    >>> X, _ = make_blood_cells(5, image_size=64, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i, pixels in enumerate(X):
    ...         Image.fromarray(pixels).save(Path(folder, f"{i}.png"))
    ...     tables = iter_predictions(load_pretrained("blood8-2"), folder, batch_size=3)
    ...     [len(table) for table in tables]
    [3, 2]
    """
    _check_count("batch_size", batch_size)
    options, settings = {"task": task, "on_error": on_error}, {}
    for partition in open_source(source, path_column=path_column, bit_depth=bit_depth).partitions():
        for batch in partition.batches(batch_size):
            given = () if batch.columns is None else tuple(map(str, batch.columns))
            settings[given] = settings.get(given) or RowSettings.of(model, given, **options)
            with for_stream(model):
                rows, unreadable = make_rows(model, batch, settings[given])
            settings[given].check(unreadable, len(rows))
            yield rows
