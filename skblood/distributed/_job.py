"""What each worker of a cluster holds: the model, and where the rows go."""

import os
import pickle
import socket
import threading
from contextlib import contextmanager, suppress
from importlib.metadata import version

from distributed import WorkerPlugin, get_worker

from skblood.streaming import predict_partition


class Job(WorkerPlugin):
    """The model and the folder of one prediction, which the scheduler gives each worker once.

    Workers that join or are restarted get it, too.

    Parameters
    ----------
    model : fitted estimator
    folder : path-like
        Absolute.
    settings : RowSettings
    visible : list of str
        Files that the client sees, and each worker must: one in the folder, one of the images.
    name : str
    """

    def __init__(self, model, folder, settings, visible, name):
        self.name = name
        self._content = pickle.dumps(model)
        self._folder, self._settings, self._visible = folder, settings, visible
        self._version = version("skblood")

    def setup(self, worker):
        """Begin without the model: where it goes is known in a task only."""
        self._model, self._mutex = None, threading.Lock()

    def compute(self, partition):
        """Predict a partition into its shard; one at a time, by whichever thread."""
        with self._mutex:
            if self._model is None:
                self._check_worker()
                self._model = pickle.loads(self._content)
            return predict_partition(self._model, partition, self._folder, self._settings)

    def _check_worker(self):
        """Raise an error if the worker has another version, or does not see the files."""
        here = f"The Dask worker {get_worker().address} on {socket.gethostname()}"
        if (installed := version("skblood")) != self._version:
            raise ImportError(
                f"{here} has skblood {installed}, and the client {self._version}. Install the same "
                "version on all of them."
            )
        for path in self._visible:
            if not os.path.exists(path):
                raise FileNotFoundError(
                    f"{here} does not see {path!r}, which the client sees. Images and predictions "
                    "must be in folders of the same name for the client and all workers, on a file "
                    "system that they share."
                )


def compute(name, partition):
    """Compute a partition by the worker's `Job` of a name: what is sent for each partition."""
    return get_worker().plugins[name].compute(partition)


@contextmanager
def give_job(client, job):
    """Give the workers a job for as long as the block lasts."""
    for last in (False, False, False, True):
        try:
            client.register_plugin(job, name=job.name)
            break
        except OSError:  # a worker has died; its successor gets the job as it starts
            if last or client.status != "running":
                raise
    try:
        yield
    finally:
        if client.status == "running":  # not if the scheduler is lost
            with suppress(OSError):
                client.unregister_worker_plugin(job.name)
