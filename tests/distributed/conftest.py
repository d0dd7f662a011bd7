"""Real Dask clusters of two processes, on free ports, that end with their tests."""

import io
import logging
import subprocess
import sys
import tarfile
import time

import pytest
from PIL import Image

from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells


@pytest.fixture(scope="module")
def cluster():
    from distributed import LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    options |= {"dashboard_address": None, "host": "127.0.0.1", "silence_logs": logging.CRITICAL}
    with LocalCluster(**options) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(cluster):
    with cluster.get_client() as client:
        client.wait_for_workers(2, timeout=120)
        yield client


class Commands:
    """A scheduler and two workers, as `dask scheduler` and `dask worker` start them."""

    def __init__(self, folder):
        self.file = folder / "scheduler.json"
        where = ["--scheduler-file", self.file, "--no-dashboard"]
        self.scheduler = self._start("scheduler", *where, "--host", "127.0.0.1", "--port", "0")
        options = [*where, "--nthreads", "1", "--local-directory", folder]
        self.workers = [self._start("worker", *options) for _ in range(2)]

    def _start(self, name, *options):
        command = [sys.executable, "-m", f"distributed.cli.dask_{name}", *map(str, options)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, **quiet)

    def connect(self):
        from distributed import Client

        end = time.monotonic() + 120
        while not self.file.exists() and time.monotonic() < end:
            time.sleep(0.1)
        client = Client(scheduler_file=str(self.file), set_as_default=False)
        client.wait_for_workers(2, timeout=120)
        return client

    def end(self):
        """End all of them, if they have not ended yet."""
        for process in (*self.workers, self.scheduler):
            process.terminate()
        for process in (*self.workers, self.scheduler):
            process.wait(timeout=60)


@pytest.fixture
def commands(tmp_path):
    """Return a function that starts a scheduler and two workers."""
    started = []

    def start():
        folder = tmp_path / f"cluster{len(started)}"
        folder.mkdir()
        started.append(Commands(folder))
        return started[-1]

    yield start
    for each in started:
        each.end()


@pytest.fixture(scope="session")
def shards(tmp_path_factory):
    """Return the pattern of 24 tar shards of 6 cells of 16 x 16 pixels."""
    folder = tmp_path_factory.mktemp("shards")
    X, _ = make_blood_cells(144, image_size=16, random_state=0)
    for number in range(24):
        with tarfile.open(folder / f"{number:04}.tar", "w") as tar:
            for i, pixels in enumerate(X[number::24]):
                content = io.BytesIO()
                Image.fromarray(pixels).save(content, "PNG")
                member = tarfile.TarInfo(f"{i}.png")
                member.size = content.tell()
                content.seek(0)
                tar.addfile(member, content)
    return str(folder / "*.tar")


@pytest.fixture(scope="session")
def model():
    X, y = make_blood_cells(48, image_size=16, random_state=0)
    options = {"max_epochs": 1, "batch_size": 16, "random_state": 0, "device": "cpu"}
    return TransferCellClassifier("cellnet_t", **options).fit(X, y)
