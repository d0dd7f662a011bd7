"""Prediction of any number of images by a Dask cluster."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import CancelledError
from contextlib import contextmanager
from itertools import islice
from tempfile import NamedTemporaryFile
from typing import Any

from skblood._typing import Files, Result, StrPath, Task
from skblood._writing import track
from skblood.streaming import PredictionFolder

# Partitions that the scheduler knows of at a time, at least; one may have a megabyte of paths.
_IN_FLIGHT = 64
# Images of the first partition among which one is sought that all workers must see.
_FEW = 64


def predict(
    model: Any,
    source: Files,
    out: StrPath,
    *,
    client: Any = None,
    task: Task = "predict",
    verbose: bool = False,
    **options: Any,
) -> Result:
    """Predict any number of images by a Dask cluster, into a folder that can be resumed.

    The workers read the images and write the rows; the model is sent to each of them once, and
    nothing else passes through the scheduler. So the images and `out` must be on a file system
    that the client and all workers share, under the same names.

    Parameters
    ----------
    model : fitted estimator
        A classifier or embedder of skblood, or a Pipeline or ensemble of them.
    source : str, path-like, or list of these
        Folders, image files, patterns, tables of paths, tar shards or URLs: see
        :func:`skblood.streaming.open_source`.
    out : str or path-like
        A new folder, or one that was begun for the same model, source and settings, by a cluster
        or by :func:`skblood.streaming.predict_shards`: what is done there is not computed again.
    client : distributed.Client, cluster, str or None, default=None
        Of the scheduler, or its address, such as ``"tcp://host:8786"``. None is the client that
        the program has. A cluster is never started here: for the cores of one machine,
        ``predict_shards(n_workers=...)`` needs none.
    task : {"predict", "embed"}, default="predict"
        As of :func:`skblood.streaming.predict_shards`.
    verbose : bool, default=False
        Show the progress.
    **options : dict
        Further ones of :func:`skblood.streaming.predict_shards`: `on_error`, `overwrite`,
        `model_name`, `path_column` and `bit_depth`.

    Returns
    -------
    result : Bunch
        As of :func:`skblood.streaming.predict_shards`, whose files and rows are the same.

    Raises
    ------
    ConnectionError
        If the scheduler is lost, or cancels the work.
    ChildProcessError
        If workers die again and again at the same partition.
    FileNotFoundError
        If a worker does not see the images or the folder.
    ImportError
        If distributed is missing, or a worker has another version of skblood.
    ValueError, FileExistsError, BlockingIOError, OSError
        As of :func:`skblood.streaming.predict_shards`; ValueError also if there is no client, or
        more workers on a host than GPUs.

    Warns
    -----
    UserWarning
        If the cluster has no workers yet; they are waited for.

    See Also
    --------
    skblood.streaming.predict_shards : The same by processes of one machine.

    Notes
    -----
    After an error or the end of this program, the same call resumes: shards that are done are not
    computed again. A worker that dies loses the partition that it was computing, which another one
    computes. A worker computes one partition at a time, by one thread, and on a GPU of its own:
    start one for each core or GPU (``dask worker ADDRESS --nworkers 8 --nthreads 1``).

    Examples
    --------
    >>> from skblood import load_pretrained
    >>> from skblood.distributed import predict
    >>> model = load_pretrained()
    >>> predict(model, "cells/", "rows/", client="tcp://host:8786")  # doctest: +SKIP
    """
    with (
        _connect(client) as connected,
        PredictionFolder(model, source, out, task=task, **options) as folder,
    ):
        with track(folder.expect, task, shown=verbose) as update:
            for done in _compute(connected, model, folder):
                folder.add(done)
                update(done.n_images)
        return folder.finish()


@contextmanager
def _connect(client):
    """Give a client, which is closed afterwards if it was opened here."""
    try:
        from distributed import Client, get_client
    except ImportError as error:
        raise ImportError('Clusters need Dask: pip install "skblood[dask,shards]".') from error
    if isinstance(client, Client):
        yield client
    elif client is None:
        try:
            found = get_client()
        except ValueError as error:
            raise ValueError(
                "There is no Dask client. Pass client= a Client or the address of a scheduler, or "
                "use skblood.streaming.predict_shards for the cores of this machine."
            ) from error
        yield found
    else:
        with Client(client, set_as_default=False) as opened:
            yield opened


def _compute(client, model, folder):
    """Yield what is done, in any order."""
    from distributed.comm import CommClosedError
    from distributed.scheduler import KilledWorker

    from ._job import Job, give_job

    here = folder.folder.absolute()
    try:
        with NamedTemporaryFile(dir=here, prefix=".skblood-") as token:
            visible = [token.name, *_find_image(folder.partitions)]
            job = Job(model, here, folder.settings, visible, name=os.path.basename(token.name))
            with give_job(client, job):
                yield from _run(client, job.name, iter(folder.pending()))
    except (CancelledError, CommClosedError) as error:
        raise ConnectionError(
            "The Dask scheduler was lost, or has cancelled the work. Start it again, and then this "
            "call, which resumes: what is done is not computed again."
        ) from error
    except KilledWorker as error:
        raise ChildProcessError(
            f"Dask workers have died {error.allowed_failures + 1} times at the same partition: "
            "killed, or out of memory. Start fewer on a host; the same call resumes."
        ) from error


def _run(client, name, partitions):
    """Yield what the workers have done; the scheduler is given more as it finishes some."""
    from distributed import as_completed

    from ._job import compute

    n_threads = sum(client.nthreads().values())
    if not n_threads:
        warnings.warn("The cluster has no workers. They are waited for.", stacklevel=5)
    running = as_completed(loop=client.loop)

    def submit(n):
        for partition in islice(partitions, n):
            if client.status != "running":  # what is submitted now would be waited for forever
                raise CancelledError
            running.add(client.submit(compute, name, partition, pure=False))

    submit(max(_IN_FLIGHT, 2 * n_threads))
    try:
        for future in running:
            yield future.result()
            submit(1)
    finally:
        if client.status == "running":
            client.cancel([*running.futures])


def _find_image(partitions):
    """Return the first of the first images that is a file here, if any, in a list."""
    items = next((b.items for each in partitions[:1] for b in each.batches(_FEW)), [])
    return [item for item in items if isinstance(item, str) and os.path.exists(item)][:1]
