"""Worker processes of this machine, each with the model, that compute partitions."""

import multiprocessing
import os
import pickle
import signal
import threading
import warnings
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from ._compute import predict_partition

# How often a partition is begun whose worker dies.
_MOST_DEATHS = 2
# Seconds between two looks at the progress.
_INTERVAL = 1

_worker = {}


def run_partitions(model, partitions, folder, n_workers, update):
    """Compute partitions by worker processes, and yield what is done, in any order.

    Standard processes, which are spawned: CUDA does not survive a fork, and the pool says if one of
    them dies. They end with this process, however that ends.

    Parameters
    ----------
    model : fitted estimator
    partitions : list of Partition
    folder : PredictionFolder
    n_workers : int
    update : callable
        Called with numbers of images.

    Yields
    ------
    done : Done

    Raises
    ------
    ChildProcessError
        If workers have died twice at the same partition.

    Warns
    -----
    UserWarning
        If a worker has died.
    """
    content = pickle.dumps(model)
    left, deaths = {each.name: each for each in partitions}, Counter()
    while left:
        running = {}
        try:
            with _open_pool(content, folder, min(n_workers, len(left))) as (executor, n_images):
                shown = 0
                for done in _run_all(executor, n_workers, [*left.values()], running):
                    update(n_images.value - shown)
                    shown = n_images.value
                    if done is not None:
                        del left[done.name]
                        yield done
        except BrokenProcessPool as error:
            lost = [*running.values()]
            deaths.update(lost)
            message = f"A worker process has died, killed or out of memory, at {' or '.join(lost)}"
            if any(deaths[name] >= _MOST_DEATHS for name in lost):
                raise ChildProcessError(
                    f"{message}, for the second time. Start fewer workers; what is done is not "
                    "computed again."
                ) from error
            warnings.warn(f"{message}, which is tried once more.", stacklevel=2)


def _run_all(executor, n_workers, partitions, running):
    """Yield what is done, and None now and then; `running` is the names of what is not."""
    waiting = partitions[::-1]
    while running or waiting:
        while waiting and len(running) < n_workers:
            with _without_interrupts():
                running[executor.submit(_run, waiting[-1])] = waiting[-1].name
            waiting.pop()
        finished, _ = wait(running, _INTERVAL, FIRST_COMPLETED)
        # Those that are done first: the others may be broken.
        for future in sorted(finished, key=lambda each: each.exception() is not None):
            done = future.result()
            del running[future]
            yield done
        yield None


@contextmanager
def _open_pool(content, folder, n_workers):
    """Give an executor, whose workers end with it, and the number of images that they have done."""
    context = multiprocessing.get_context("spawn")
    # The workers wait for the end of a pipe that nothing is sent through: it ends when this process
    # does, also by kill -9.
    theirs, ours = context.Pipe(duplex=False)
    n_images = context.Value("Q", 0)
    about = (content, folder.folder, folder.settings, n_images, theirs)
    options = {"mp_context": context, "initializer": _start_worker, "initargs": about}
    executor = ProcessPoolExecutor(n_workers, **options)
    try:
        yield executor, n_images
    finally:
        ours.close()
        executor.shutdown(cancel_futures=True)
        theirs.close()


@contextmanager
def _without_interrupts():
    """Block Ctrl-C, for processes that are started inside: this process tells them to end."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(content, folder, settings, n_images, end):
    """Remember what a worker needs, and end with the process that has started it."""

    def wait_for_end():
        end.poll(None)
        os._exit(1)

    threading.Thread(target=wait_for_end, daemon=True).start()
    _worker.update(content=content, folder=folder, settings=settings, n_images=n_images)


def _run(partition):
    """Compute a partition in a worker."""
    if "content" in _worker:  # here, where an error reaches the user
        _worker["model"] = pickle.loads(_worker.pop("content"))

    def count(n):
        with _worker["n_images"].get_lock():
            _worker["n_images"].value += n

    return predict_partition(
        _worker["model"], partition, _worker["folder"], _worker["settings"], update=count
    )
