"""The bound: the oldest features go, and the file does not grow."""

import numpy as np
import pytest

from skblood.inference import FeatureStore

WIDTH = 512
ROW = WIDTH * 4
CHUNK = 256 * ROW
PAGE = 65536


def held(store, keys):
    """Return the positions of the keys whose features are stored; the others then are, too."""
    missing = []

    def compute(rows):
        missing.extend(rows.tolist())
        return np.zeros((len(rows), WIDTH), np.float32)

    store.fetch(b"net", keys, compute)
    return sorted(set(range(len(keys))) - set(missing))


@pytest.fixture
def network(make_network):
    return make_network(WIDTH)


def test_below_the_bound_all_stay(location, network, make_keys, refuse):
    store = FeatureStore(location, max_bytes=4 * 2**20)
    keys = make_keys(1500)
    store.fetch(b"net", keys, network.on(keys))
    assert len(store) == 1500
    assert network.made(store.fetch(b"net", keys, refuse), keys)


def test_oldest_go_first(location, network, make_keys):
    store = FeatureStore(location, max_bytes=4 * 2**20)
    keys = make_keys(3000)
    for start in range(0, 3000, 100):
        part = keys[start : start + 100]
        store.fetch(b"net", part, network.on(part))
    n = len(store)
    # As many as fit, but for the index and the steps in which rows go.
    assert 0.75 * store.max_bytes < n * ROW < store.max_bytes
    assert store.n_computed == 3000
    assert held(FeatureStore(location), keys) == list(range(3000 - n, 3000))


def test_use_does_not_keep(location, network, make_keys):
    """It would have to be written down each time."""
    store = FeatureStore(location, max_bytes=2 * 2**20)
    keys = make_keys(1500)
    for start in range(0, 1500, 250):
        part = np.concatenate([keys[:1], keys[start : start + 250]])
        store.fetch(b"net", part, network.on(part))
    # The first image was computed, dropped, and computed again.
    assert network.n_seen == store.n_computed == 1501


def test_bytes_and_file_stay_bounded(location, network, make_keys):
    store = FeatureStore(location, max_bytes=3 * 2**20)
    sizes = []
    for seed in range(30):
        keys = make_keys(256, seed)
        assert network.made(store.fetch(b"net", keys, network.on(keys)), keys)
        assert store.n_bytes <= store.max_bytes
        if location is not None:
            sizes.append((location / "features.sqlite").stat().st_size)
            assert sizes[-1] <= store.max_bytes + 1.2 * CHUNK
    assert store.n_computed == 30 * 256
    # It does not creep, either.
    assert location is None or sizes[-1] <= sizes[9] + 2 * PAGE


@pytest.mark.parametrize("max_bytes", [1, 500_000, 10**6])
def test_answer_is_complete_whatever_fits(location, network, make_keys, max_bytes):
    store = FeatureStore(location, max_bytes=max_bytes)
    keys = make_keys(1000)
    for repeat in (1, 2):
        features = store.fetch(b"net", keys, network.on(keys))
        assert network.made(features, keys)
        assert network.n_seen == store.n_computed > 600 * repeat
    assert len(store) * ROW < max_bytes


def test_what_was_removed_is_computed_again(location, network, make_keys, refuse):
    keys = make_keys(1000)
    FeatureStore(location, max_bytes=10**6).fetch(b"net", keys, network.on(keys))
    store = FeatureStore(location)
    n_removed = 1000 - len(store)
    network.seen.clear()
    assert network.made(store.fetch(b"net", keys, network.on(keys)), keys)
    assert network.all_seen == list(range(n_removed))
    assert n_removed > 500
    assert store.n_computed == 1000 + n_removed
    assert network.made(store.fetch(b"net", keys, refuse), keys)


def test_smaller_bound_of_another_object(location, network, make_keys):
    keys = make_keys(1001)
    FeatureStore(location).fetch(b"net", keys[:1000], network.on(keys))
    small = FeatureStore(location, max_bytes=10**6)
    assert len(small) == 1000
    small.fetch(b"net", keys[1000:], network.on(keys[1000:]))
    assert small.n_bytes <= 10**6
    assert 100 < len(small) < 500
    assert held(FeatureStore(location), keys)[-1] == 1000


def test_networks_share_the_bound(location, make_network, make_keys):
    store = FeatureStore(location, max_bytes=2 * 2**20)
    wide, narrow, keys = make_network(2048), make_network(64), make_keys(500)
    store.fetch(b"wide", keys[:100], wide.on(keys))
    assert len(store) == 100
    store.fetch(b"narrow", keys, narrow.on(keys))
    assert len(store) == 600
    store.fetch(b"wide", keys[100:], wide.on(keys[100:]))
    # Those of the narrow network are older than the last of the wide one.
    assert len(store) < 256
    assert store.n_bytes <= store.max_bytes


def test_ages_go_on_in_an_emptied_store(location, network, make_keys):
    keys = make_keys(20)
    FeatureStore(location, max_bytes=1).fetch(b"net", keys[:10], network.on(keys))
    store = FeatureStore(location)
    assert len(store) == 0
    store.fetch(b"net", keys, network.on(keys))
    assert (len(store), store.n_computed) == (20, 30)
