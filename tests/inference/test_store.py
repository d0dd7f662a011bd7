"""FeatureStore: what it returns, computes, counts and removes, in a folder and in memory."""

import copy
import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.base import clone

from skblood.inference import FeatureStore

ROW = 2048  # bytes of 512 features


class TestFetch:
    def test_each_image_is_computed_once(self, store, network, make_keys, refuse):
        keys = make_keys(7)
        assert network.made(
            store.fetch(b"net", keys[[5, 1]], network.on(keys[[5, 1]])), keys[[5, 1]]
        )
        repeated = keys[[0, 1, 0, 5, 3, 3]]
        assert network.made(store.fetch(b"net", repeated, network.on(repeated)), repeated)
        assert network.seen == [[0, 1], [0, 4]]  # the first of equal keys
        assert network.made(store.fetch(b"net", repeated[::-1], refuse), repeated[::-1])

    def test_networks_are_apart(self, store, make_network, make_keys, refuse):
        keys, networks = make_keys(4), {b"": make_network(3), b"a\0b": make_network(8)}
        for name, network in networks.items():
            assert network.made(store.fetch(name, keys, network.on(keys)), keys)
        for name, network in networks.items():
            assert network.made(store.fetch(name, keys, refuse), keys)

    def test_many_images_are_computed_in_chunks(self, store, network, make_keys, refuse):
        keys = make_keys(600)
        assert network.made(store.fetch(b"net", keys, network.on(keys)), keys)
        assert network.all_seen == list(range(600))
        assert sorted(map(len, network.seen)) == [24, *[64] * 9]
        assert network.made(store.fetch(b"net", keys[::-1], refuse), keys[::-1])

    def test_memory_layout(self, store, network, make_keys, refuse):
        keys = np.asfortranarray(make_keys(12))[::-2]
        keys.setflags(write=False)
        features = np.asfortranarray(network.features(keys))
        features.setflags(write=False)
        for compute in (lambda rows: features[rows], refuse):
            result = store.fetch(b"net", keys, compute)
            assert network.made(result, keys)
            result[:] = 0  # belongs to the caller
        assert network.made(features, keys)

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_finished_chunks_are_kept_when_compute_fails(self, store, network, make_keys, error):
        keys = make_keys(600)

        def compute(rows):
            if len(network.seen) == 1:
                raise error("stop")
            return network.on(keys)(rows)

        with pytest.raises(error, match="stop"):
            store.fetch(b"net", keys, compute)
        assert len(store) == store.n_computed == len(network.seen[0])
        assert network.made(store.fetch(b"net", keys, network.on(keys)), keys)
        assert network.all_seen == list(range(600))

    def test_other_width_than_stored(self, store, network, make_network, make_keys):
        keys = make_keys(4)
        store.fetch(b"net", keys[:2], network.on(keys))
        with pytest.raises(
            ValueError, match=r"Rows of \[5, 8\] features have the same network_key"
        ):
            store.fetch(b"net", keys, make_network(8).on(keys))

    def test_invalid_keys(self, store, refuse):
        for shape, dtype in (((3, 2), float), ((3, 1), np.uint64), ((0, 2), np.uint64)):
            with pytest.raises(ValueError, match="must be uint64 of shape"):
                store.fetch(b"net", np.zeros(shape, dtype), refuse)

    @pytest.mark.parametrize(
        ("n", "batch_size", "size"), [(99, 7, 7), (600, 16, 32), (600, 500, 500)]
    )
    def test_whole_batches(self, store, network, make_keys, n, batch_size, size):
        keys = make_keys(n)
        store.fetch(b"net", keys, network.on(keys), batch_size=batch_size)
        assert list(map(len, network.seen)) == [size] * (n // size) + [n % size] * (n % size > 0)

    def test_whole_batches_of_what_is_missing(self, store, network, make_keys):
        keys = make_keys(400)
        for _ in range(2):
            store.fetch(b"net", keys[::3], network.on(keys[::3]))
        network.seen.clear()
        store.fetch(b"net", keys, network.on(keys))
        assert list(map(len, network.seen)) == [64] * 4 + [400 - 134 - 256]

    def test_invalid_batch_size(self, store, make_keys, refuse):
        for batch_size in (0, 1.5, True, None):
            with pytest.raises(ValueError, match=f"batch_size={batch_size!r} must be a positive"):
                store.fetch(b"net", make_keys(3), refuse, batch_size=batch_size)

    def test_invalid_features(self, store, make_keys):
        shapes = [(3, 5, 1), (3,), (2, 5), (3, 0)]
        for computed in (*(np.zeros(shape, np.float32) for shape in shapes), np.zeros((3, 5))):
            with pytest.raises(ValueError, match=r"float32 features of shape \(3, d\) for 3 rows"):
                store.fetch(b"net", make_keys(3), lambda rows, computed=computed: computed)
        assert len(store) == 0


class TestFetchImages:
    SETTINGS = ((8, 8), "bilinear", 3)

    @pytest.fixture
    def keys(self, make_keys):
        return [key.tobytes() for key in make_keys(20)]

    @pytest.fixture
    def images(self):
        """Images of several shapes; the last cannot be decoded."""
        rng = np.random.default_rng(0)
        shapes = [(8 + i % 3, 7, (1, 3)[i % 2]) for i in range(19)]
        return [*(rng.integers(256, size=s, dtype=np.uint8)[::-1] for s in shapes), None]

    def test_decoded_once(self, store, images, keys, make_keys, network, refuse):
        decoded = []

        def decode(rows):
            decoded.extend(rows)
            return [images[row] for row in rows]

        order = [*range(20), 3, 19]
        for _ in range(2):
            found = store.fetch_images(self.SETTINGS, [keys[i] for i in order], decode)
            assert [found[i] for i in (19, 21)] == [None, None]
            for image, i in zip(found[:19] + found[20:21], [*range(19), 3], strict=True):
                np.testing.assert_array_equal(image, images[i])
        assert decoded == [*range(20), 19]  # what cannot be decoded is not stored
        assert len(store) == 19
        store.fetch_images((), keys, decode)  # other settings
        store.fetch(b"net", make_keys(20), network.on(make_keys(20)))
        assert len(store) == 2 * 19 + 20


class TestBound:
    def test_oldest_rows_go_first(self, location, make_network, make_keys, refuse):
        network, keys = make_network(512), make_keys(3000)
        store = FeatureStore(location, max_bytes=4 * 2**20)
        for start in range(0, 3000, 250):
            part = np.concatenate([keys[:1], keys[start : start + 250]])  # use keeps no row
            assert network.made(store.fetch(b"net", part, network.on(part)), part)
            assert store.n_bytes <= store.max_bytes
        n = len(store)
        assert 0.75 * store.max_bytes < n * ROW < store.max_bytes
        assert store.n_computed > 3000
        # One fetch of 250 may be stored in part, in any order.
        assert network.made(store.fetch(b"net", keys[300 - n :], refuse), keys[300 - n :])
        network.seen.clear()
        FeatureStore(location).fetch(b"net", keys[1 : -n - 300], network.on(keys[1:]))
        assert len(network.all_seen) == 2999 - n - 300

    @pytest.mark.parametrize("max_bytes", [1, 500_000])
    def test_result_is_complete_whatever_fits(self, location, make_network, make_keys, max_bytes):
        network, keys = make_network(512), make_keys(1000)[np.arange(1001) % 1000]
        store = FeatureStore(location, max_bytes=max_bytes)
        assert network.made(store.fetch(b"net", keys, network.on(keys)), keys)
        assert len(store) * ROW < max_bytes
        assert store.n_computed == 1000
        # Ids go on where they were.
        FeatureStore(location).fetch(b"net", keys[:300], network.on(keys))
        assert store.n_computed > 1000

    def test_invalid(self):
        for max_bytes in (0, 1e9, "1 GB", True):
            with pytest.raises(ValueError, match=f"max_bytes={max_bytes!r} must be a positive"):
                FeatureStore(max_bytes=max_bytes)


class TestFigures:
    def test_counts_bytes_and_clear(self, store, make_network, make_keys):
        network, keys = make_network(512), make_keys(2000)
        assert (len(store), store.n_computed) == (0, 0)
        store.fetch(b"one", keys[:1], network.on(keys))
        before = store.n_bytes
        store.fetch(b"one", keys, network.on(keys))
        assert 1 < (store.n_bytes - before) / (1999 * ROW) < 1.2
        store.fetch(b"two", keys[:10], network.on(keys))
        assert (len(store), store.n_computed) == (2010, 2010)
        store.clear()
        assert (len(store), store.n_computed) == (0, 0)
        assert store.n_bytes < 500_000
        other = make_network(4)  # the width is forgotten, too
        assert other.made(store.fetch(b"one", keys, other.on(keys)), keys)

    def test_copies_share_the_rows(self, store, network, make_keys, refuse):
        keys, pickled = make_keys(50), pickle.dumps(store)
        store.fetch(b"net", keys, network.on(keys))
        assert pickle.dumps(store) == pickled  # holds no rows
        for other in (copy.deepcopy(store), pickle.loads(pickled), clone(store, safe=False)):
            assert other is not store and repr(other) == repr(store)
            assert network.made(other.fetch(b"net", keys, refuse), keys)
        assert repr(FeatureStore("folder")) == "FeatureStore('folder', max_bytes=17179869184)"


class TestThreadsAndForks:
    def test_threads(self, store, network, make_keys):
        """Many small fetches of overlapping images."""
        keys, barrier = make_keys(120), threading.Barrier(4)

        def fetch(seed):
            rng = np.random.default_rng(seed)
            barrier.wait()
            for _ in range(15):
                part = keys[rng.choice(120, 20, replace=False)]
                assert network.made(store.fetch(b"net", part, network.on(part)), part)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(fetch, range(4)))
        assert 100 < len(store) <= store.n_computed

    def test_nothing_is_locked_while_computing(self, store, network, make_keys):
        keys = make_keys(10)

        def compute(rows):
            with ThreadPoolExecutor(1) as pool:
                other = pool.submit(store.fetch, b"net", keys[:5], network.on(keys))
                assert network.made(other.result(timeout=20), keys[:5])
            return network.features(keys[rows])

        assert network.made(store.fetch(b"net", keys, compute), keys)
        # In memory, the first one to finish stores a row; in a folder, both do.
        assert len(store) == store.n_computed == (10 if store.location is None else 15)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
    @pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
    def test_fork_starts_with_an_empty_memory(self, network, make_keys):
        keys = make_keys(3)
        FeatureStore().fetch(b"net", keys, network.on(keys))

        def fetch():
            store = FeatureStore()
            made = network.made(store.fetch(b"net", keys[:2], network.on(keys)), keys[:2])
            os._exit(7 if made and len(store) == 2 else 8)

        child = multiprocessing.get_context("fork").Process(target=fetch)
        child.start()
        child.join(20)
        assert child.exitcode == 7
        assert len(FeatureStore()) == 3
