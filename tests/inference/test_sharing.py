"""Threads and processes that use one store at the same time, and such as die in it."""

import _thread
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest

from skblood.inference import FeatureStore, _database

DISTINCT = 120


@pytest.fixture
def task(make_keys):
    """Return what one of several workers does: many small fetches of overlapping images.

    It travels to other processes by value: they cannot import these tests.
    """
    keys = make_keys(DISTINCT)

    def fetch_often(store, seed, meet):
        meet(seed)
        rng, seen, right = np.random.default_rng(seed), [], True
        for _ in range(25):
            part = keys[rng.choice(DISTINCT, 20, replace=False)]

            def compute(rows, part=part):
                time.sleep(0.003)
                seen.extend(map(tuple, part[rows].tolist()))
                return part[rows].astype(np.float32)

            right &= np.array_equal(store.fetch(b"net", part, compute), part.astype(np.float32))
        return seen, right

    return fetch_often


def check_each_once(results, store):
    seen = [key for part, _ in results for key in part]
    assert all(right for _, right in results)
    assert len(seen) == len(set(seen)) == store.n_computed == len(store)
    # Nearly all are seen, or too little was asked for.
    assert 0.9 * DISTINCT < len(seen) <= DISTINCT


class TestAtTheSameTime:
    def test_threads(self, store, task):
        barrier = threading.Barrier(4)
        with ThreadPoolExecutor(4) as pool:
            fetches = [pool.submit(task, store, i, lambda _: barrier.wait()) for i in range(4)]
            results = [fetch.result() for fetch in fetches]
        check_each_once(results, store)

    def test_processes(self, tmp_path, task):
        """Both make the folder and the file, too."""
        store = FeatureStore(tmp_path / "store")

        def meet(number):
            (tmp_path / f"{number}").touch()
            end = time.monotonic() + 60
            while not all((tmp_path / f"{i}").exists() for i in (0, 1)):
                assert time.monotonic() < end
                time.sleep(0.001)

        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            results = joblib.Parallel(n_jobs=2)(
                joblib.delayed(task)(store, seed, meet) for seed in (0, 1)
            )
        check_each_once(results, store)

    def test_many_stores_are_made_at_once(self, tmp_path, network, make_keys):
        """Half-made tables are never seen."""
        keys = make_keys(4)
        for i in range(20):
            store, barrier = FeatureStore(tmp_path / str(i)), threading.Barrier(4)

            def fetch(row, store=store, barrier=barrier):
                barrier.wait()
                key = keys[row : row + 1]
                return network.made(store.fetch(b"net", key, network.on(key)), key)

            with ThreadPoolExecutor(4) as pool:
                assert all(pool.map(fetch, range(4)))
        assert network.n_seen == 80


@pytest.fixture
def computing(tmp_path, network, make_keys):
    """Let another thread compute the features of keys 0..9 of 30, until it is told to go on."""
    keys, started, go_on = make_keys(30), threading.Event(), threading.Event()

    def compute(rows):
        started.set()
        assert go_on.wait(60)
        return network.on(keys)(rows)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(FeatureStore(tmp_path).fetch, b"net", keys[:10], compute)
        assert started.wait(60)
        yield go_on
        go_on.set()
        assert network.made(done.result(), keys[:10])


class TestWaiting:
    @pytest.fixture
    def stored(self, tmp_path, network, make_keys):
        """Keys 20..29, stored before the other thread starts."""
        keys = make_keys(30)[20:]
        FeatureStore(tmp_path).fetch(b"net", keys, network.on(keys))
        return keys

    def test_what_is_stored_can_be_read_meanwhile(
        self, stored, computing, tmp_path, network, refuse
    ):
        store = FeatureStore(tmp_path)
        assert network.made(store.fetch(b"net", stored, refuse), stored)
        assert (len(store), store.n_computed) == (10, 10)
        assert not computing.is_set()

    def test_for_the_same_images(self, computing, tmp_path, network, make_keys, refuse):
        keys = make_keys(30)[:10]
        threading.Timer(0.2, computing.set).start()
        assert network.made(FeatureStore(tmp_path).fetch(b"net", keys, refuse), keys)
        assert network.n_seen == 10

    def test_for_others(self, computing, tmp_path, network, make_keys):
        keys = make_keys(30)[5:15]
        threading.Timer(0.2, computing.set).start()
        assert network.made(FeatureStore(tmp_path).fetch(b"net", keys, network.on(keys)), keys)
        assert network.seen == [[*range(10)], [5, 6, 7, 8, 9]]

    def test_as_long_as_it_takes(
        self, computing, tmp_path, network, make_keys, refuse, monkeypatch
    ):
        """Longer than for locks of other kinds, and than SQLite waits by itself."""
        monkeypatch.setattr(_database, "_WAIT", 0)
        keys = make_keys(30)[:10]
        threading.Timer(1.5, computing.set).start()
        assert network.made(FeatureStore(tmp_path).fetch(b"net", keys, refuse), keys)

    def test_other_width(self, computing, tmp_path, make_network, make_keys):
        """When this one looked, nothing was known of the network."""
        keys, other = make_keys(30)[10:], make_network(8)
        threading.Timer(0.2, computing.set).start()
        with pytest.raises(ValueError, match="gives 8 features for an image, but 5 are stored"):
            FeatureStore(tmp_path).fetch(b"net", keys, other.on(keys))
        assert len(FeatureStore(tmp_path)) == 10

    def test_ctrl_c_ends_it(self, computing, tmp_path, make_keys, refuse):
        # A shell ignores it on behalf of what it starts in the background.
        handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        start = time.monotonic()
        threading.Timer(0.2, _thread.interrupt_main).start()
        try:
            with pytest.raises(KeyboardInterrupt):
                FeatureStore(tmp_path).fetch(b"net", make_keys(30), refuse)
        finally:
            signal.signal(signal.SIGINT, handler)
        assert time.monotonic() - start < 10

    def test_clear_waits(self, computing, tmp_path):
        threading.Timer(0.2, computing.set).start()
        FeatureStore(tmp_path).clear()
        assert len(FeatureStore(tmp_path)) == 0

    def test_lock_that_never_comes_free(self, stored, tmp_path, network, make_keys, monkeypatch):
        monkeypatch.setattr(_database, "_WAIT_FOR_COMPUTING", 0.1)
        keys = make_keys(30)
        other = sqlite3.connect(tmp_path / "features.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.warns(UserWarning, match=r"cannot be stored in .* \(database is locked\)"):
            features = FeatureStore(tmp_path).fetch(b"net", keys, network.on(keys))
        other.close()
        assert network.made(features, keys)
        assert len(FeatureStore(tmp_path)) == 10

    def test_not_even_for_readers(self, stored, tmp_path, monkeypatch, refuse):
        monkeypatch.setattr(_database, "_WAIT", 0.1)
        other = sqlite3.connect(tmp_path / "features.sqlite", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OSError, match=r"database is locked.*where locks work; name another"):
            FeatureStore(tmp_path).fetch(b"net", stored, refuse)
        other.close()


KILLED = """
import sys, time
import numpy as np
from skblood.inference import FeatureStore

def compute(rows):
    if rows[0] > 0:
        print("second chunk", flush=True)
        time.sleep(600)
    return np.ones((len(rows), 5), np.float32)

keys = np.stack([np.arange(300), np.zeros(300)], axis=1).astype(np.uint64)
FeatureStore(sys.argv[1]).fetch(b"net", keys, compute)
"""


class TestDeath:
    def test_killed_while_computing(self, tmp_path, monkeypatch):
        # Else a lock that stayed would be waited for.
        monkeypatch.setattr(_database, "_WAIT_FOR_COMPUTING", 10)
        command = [sys.executable, "-c", KILLED, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "second chunk\n"
            process.kill()
        store, seen = FeatureStore(tmp_path), []
        assert (len(store), store.n_computed) == (256, 256)

        def compute(rows):
            seen.extend(rows.tolist())
            return np.full((len(rows), 5), 2, np.float32)

        keys = np.stack([np.arange(300), np.zeros(300)], axis=1).astype(np.uint64)
        features = store.fetch(b"net", keys, compute)
        assert seen == list(range(256, 300))
        assert (features[:256] == 1).all()
        assert (features[256:] == 2).all()
        assert [path.name for path in tmp_path.iterdir()] == ["features.sqlite"]


class TestMemoryOfAProcess:
    def test_ends_without_a_word(self):
        code = (
            "import numpy as np; from skblood.inference import FeatureStore; "
            "keys = np.zeros((1, 2), np.uint64); "
            "FeatureStore().fetch(b'', keys, lambda rows: np.zeros((1, 2), np.float32))"
        )
        command = [sys.executable, "-X", "dev", "-c", code]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "")
        # From 3.13 on, Python complains of connections that were not closed.
        assert "database" not in done.stderr

    @pytest.mark.skipif(
        "fork" not in multiprocessing.get_all_start_methods(), reason="no fork here"
    )
    @pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
    def test_fork_starts_anew(self, make_keys):
        """With a lock of its own: that of the parent is held by a thread that it has not."""
        keys = make_keys(3)
        ones = np.ones((3, 2), np.float32)

        def in_child(rows):
            child = multiprocessing.get_context("fork").Process(target=fetch_zeros)
            child.start()
            child.join(20)
            codes.append(child.exitcode)
            child.kill()
            return ones

        def fetch_zeros():
            store = FeatureStore()
            features = store.fetch(b"net", keys, lambda rows: 0 * ones)
            os._exit(7 if (features == 0).all() and len(store) == 3 else 8)

        codes = []
        assert (FeatureStore().fetch(b"net", keys, in_child) == 1).all()
        assert codes == [7]
        assert FeatureStore().n_computed == 3
