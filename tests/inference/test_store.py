"""What a store gives back: each image's features, computed once."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from skblood.inference import FeatureStore


class TestFetch:
    def test_computed_once(self, store, network, make_keys, refuse):
        keys = make_keys(7)
        first = store.fetch(b"net", keys, network.on(keys))
        assert network.seen == [[0, 1, 2, 3, 4, 5, 6]]
        again = store.fetch(b"net", keys, refuse)
        assert network.made(first, keys)
        assert network.made(again, keys)

    def test_what_is_missing_is_computed(self, store, network, make_keys):
        keys = make_keys(7)
        store.fetch(b"net", keys[[1, 2, 5]], network.on(keys[[1, 2, 5]]))
        features = store.fetch(b"net", keys, network.on(keys))
        assert network.seen == [[0, 1, 2], [0, 3, 4, 6]]
        assert network.made(features, keys)

    def test_features_hold_any_bits(self, network, make_keys):
        """Else the comparisons of bits would prove little."""
        features = network.features(make_keys(5000))
        assert np.isnan(features).any()
        assert (np.abs(features[features != 0]) < np.finfo(np.float32).tiny).any()

    def test_special_numbers(self, store, make_keys, refuse):
        bits = np.array([[0x80000000, 0x7FC00001, 0xFFC12345, 1, 0xFF800000]], dtype=np.uint32)
        store.fetch(b"net", make_keys(1), lambda rows: bits.view(np.float32))
        assert np.array_equal(store.fetch(b"net", make_keys(1), refuse).view(np.uint32), bits)

    def test_any_order_and_repeats(self, store, network, make_keys, refuse):
        keys = make_keys(6)
        store.fetch(b"net", keys, network.on(keys))
        rows = [5, 0, 0, 3, 5, 2]
        assert network.made(store.fetch(b"net", keys[rows], refuse), keys[rows])

    @pytest.mark.parametrize("stored", [[], [2], [0, 1, 2]])
    def test_equal_keys_are_one_image(self, store, network, make_keys, stored):
        keys = make_keys(3)
        if stored:
            store.fetch(b"net", keys[stored], network.on(keys[stored]))
        repeated = keys[[0, 1, 0, 2, 2, 1]]
        features = store.fetch(b"net", repeated, network.on(repeated))
        assert network.made(features, repeated)
        assert network.n_seen == store.n_computed == 3

    def test_first_of_equal_keys_is_computed(self, store, network, make_keys):
        keys = make_keys(3)[[1, 1, 0, 2, 0]]
        store.fetch(b"net", keys, network.on(keys))
        assert network.seen == [[0, 2, 3]]

    def test_both_halves_of_a_key_count(self, store, network):
        keys = np.array([[0, 0], [0, 1], [1, 0], [1, 1], [2**64 - 1, 0]], dtype=np.uint64)
        features = store.fetch(b"net", keys, network.on(keys))
        assert network.n_seen == len(store) == 5
        assert network.made(features, keys)

    def test_networks_are_apart(self, store, make_network, make_keys, refuse):
        keys, networks = make_keys(4), {b"": make_network(3), b"a\0b": make_network(8)}
        for name, network in networks.items():
            assert network.made(store.fetch(name, keys, network.on(keys)), keys)
        for name, network in networks.items():
            assert network.made(store.fetch(name, keys, refuse), keys)
        assert store.n_computed == 8

    @pytest.mark.parametrize("n", [255, 256, 257, 600])
    def test_many_images_come_in_chunks(self, store, network, make_keys, refuse, n):
        keys = make_keys(n)
        assert network.made(store.fetch(b"net", keys, network.on(keys)), keys)
        assert network.all_seen == list(range(n))
        assert max(map(len, network.seen)) == min(n, 256)
        assert network.made(store.fetch(b"net", keys[::-1], refuse), keys[::-1])

    def test_rows_are_integers_in_an_array(self, store, network, make_keys):
        given = []
        keys = make_keys(3)
        store.fetch(b"net", keys, lambda rows: given.append(rows) or network.features(keys[rows]))
        assert given[0].dtype.kind == "i"
        assert given[0].shape == (3,)

    def test_layout_of_keys_and_features(self, store, network, make_keys, refuse):
        keys = np.asfortranarray(make_keys(12))[::-2]
        keys.setflags(write=False)
        original = keys.copy()

        def compute(rows):
            features = np.asfortranarray(network.features(keys[rows]))
            features.setflags(write=False)
            return features

        assert network.made(store.fetch(b"net", keys, compute), keys)
        assert network.made(store.fetch(b"net", original, refuse), keys)
        assert np.array_equal(keys, original)

    @pytest.mark.parametrize("repeated", [False, True])
    def test_answer_belongs_to_the_caller(self, store, network, make_keys, refuse, repeated):
        keys = make_keys(3)[[0, 1, 1] if repeated else [0, 1, 2]]
        for compute in (network.on(keys), refuse, refuse):
            features = store.fetch(b"net", keys, compute)
            assert network.made(features, keys)
            features[:] = 0

    def test_computed_array_is_left_alone(self, store, make_keys):
        computed = np.ones((2, 3), np.float32)
        store.fetch(b"net", make_keys(2), lambda rows: computed)[:] = 5
        assert (computed == 1).all()


class TestFigures:
    def test_empty(self, store):
        assert (len(store), store.n_computed) == (0, 0)

    def test_counts(self, store, make_network, make_keys):
        network, keys = make_network(512), make_keys(100)
        store.fetch(b"one", keys[:60], network.on(keys[:60]))
        store.fetch(b"one", keys, network.on(keys))
        store.fetch(b"two", keys[:10], network.on(keys[:10]))
        assert (len(store), store.n_computed) == (110, 110)

    def test_bytes(self, store, make_network, make_keys):
        network, keys = make_network(512), make_keys(2000)
        store.fetch(b"net", keys[:1], network.on(keys))
        before = store.n_bytes
        assert before < 500_000
        store.fetch(b"net", keys, network.on(keys))
        assert 1 < (store.n_bytes - before) / (1999 * 512 * 4) < 1.2

    def test_clear(self, store, make_network, make_keys):
        network, keys = make_network(512), make_keys(500)
        store.fetch(b"net", keys, network.on(keys))
        full = store.n_bytes
        store.clear()
        assert (len(store), store.n_computed) == (0, 0)
        assert store.n_bytes < 500_000 < full
        # The widths are forgotten, too.
        other = make_network(4)
        assert other.made(store.fetch(b"net", keys, other.on(keys)), keys)
        assert (len(store), store.n_computed, other.n_seen) == (500, 500, 500)

    def test_clear_gives_the_disk_its_room_back(self, tmp_path, make_network, make_keys):
        store, network, keys = FeatureStore(tmp_path), make_network(512), make_keys(500)
        store.fetch(b"net", keys, network.on(keys))
        store.clear()
        assert (tmp_path / "features.sqlite").stat().st_size == store.n_bytes < 500_000

    def test_clear_an_empty_one(self, store):
        store.clear()
        assert len(store) == 0


class TestLocation:
    def test_memory_is_one(self, network, make_keys, refuse):
        keys = make_keys(3)
        FeatureStore().fetch(b"net", keys, network.on(keys))
        assert network.made(FeatureStore(max_bytes=10**6).fetch(b"net", keys, refuse), keys)
        FeatureStore(None).clear()
        assert len(FeatureStore()) == 0

    def test_one_folder_is_one(self, tmp_path, network, make_keys, refuse):
        keys = make_keys(3)
        FeatureStore(tmp_path).fetch(b"net", keys, network.on(keys))
        assert network.made(FeatureStore(f"{tmp_path}/").fetch(b"net", keys, refuse), keys)

    def test_folders_and_memory_are_apart(self, tmp_path, network, make_keys):
        keys = make_keys(3)
        for location in (tmp_path / "a", tmp_path / "b", None):
            FeatureStore(location).fetch(b"net", keys, network.on(keys))
        assert network.n_seen == 9

    def test_folder_is_made_when_needed(self, tmp_path, network, make_keys):
        store = FeatureStore(tmp_path / "not" / "there yet, 100% #1?")
        assert (len(store), store.n_computed, store.n_bytes) == (0, 0, 0)
        store.clear()
        assert list(tmp_path.iterdir()) == []
        store.fetch(b"net", make_keys(2), network.on(make_keys(2)))
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert files == [tmp_path / "not" / "there yet, 100% #1?" / "features.sqlite"]
        assert store.n_bytes == files[0].stat().st_size

    def test_home(self, tmp_path, monkeypatch, network, make_keys):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        FeatureStore("~/cells").fetch(b"net", make_keys(2), network.on(make_keys(2)))
        assert (tmp_path / "cells" / "features.sqlite").is_file()

    def test_empty_file_is_an_empty_store(self, tmp_path, network, make_keys):
        (tmp_path / "features.sqlite").touch()
        FeatureStore(tmp_path).fetch(b"net", make_keys(2), network.on(make_keys(2)))
        assert len(FeatureStore(tmp_path)) == 2


class TestObject:
    @pytest.mark.parametrize("make_copy", [copy.deepcopy, copy.copy, "pickle", "clone"])
    def test_copies_share_the_features(self, store, network, make_keys, refuse, make_copy):
        keys = make_keys(3)
        store.fetch(b"net", keys, network.on(keys))
        if make_copy == "pickle":
            other = pickle.loads(pickle.dumps(store))
        elif make_copy == "clone":
            other = clone(store, safe=False)
        else:
            other = make_copy(store)
        assert other is not store
        max_bytes = 2**30 if store.location is None else 2**34
        assert vars(other) == vars(store) == {"location": store.location, "max_bytes": max_bytes}
        assert network.made(other.fetch(b"net", keys, refuse), keys)

    def test_pickle_holds_no_features(self, store, make_network, make_keys):
        network, keys = make_network(512), make_keys(50)
        before = pickle.dumps(store)
        store.fetch(b"net", keys, network.on(keys))
        assert pickle.dumps(store) == before

    @pytest.mark.parametrize(
        ("store", "text"),
        [
            (FeatureStore(), "FeatureStore(max_bytes=1073741824)"),
            (FeatureStore("folder"), "FeatureStore('folder', max_bytes=17179869184)"),
            (FeatureStore("folder", max_bytes=9), "FeatureStore('folder', max_bytes=9)"),
            (FeatureStore(max_bytes=np.int64(9)), "FeatureStore(max_bytes=9)"),
        ],
    )
    def test_repr(self, store, text):
        assert repr(store) == text
        assert vars(eval(text)) == vars(store)

    @pytest.mark.parametrize("max_bytes", [0, -1, 1e9, "1 GB", False, True])
    def test_bad_max_bytes(self, max_bytes):
        with pytest.raises(ValueError, match="must be a positive integer") as error:
            FeatureStore(max_bytes=max_bytes)
        assert f"max_bytes={max_bytes!r}" in str(error.value)

    def test_bad_location(self):
        with pytest.raises(TypeError, match="int"):
            FeatureStore(3)


class TestBadInput:
    @pytest.mark.parametrize(
        ("image_keys", "got"),
        [
            (np.zeros((3, 2)), "float64 of shape (3, 2)"),
            (np.zeros((3, 2), np.int64), "int64 of shape (3, 2)"),
            (np.zeros((3, 1), np.uint64), "uint64 of shape (3, 1)"),
            (np.zeros(3, np.uint64), "uint64 of shape (3,)"),
            (np.uint64(3), "uint64 of shape ()"),
            (["a", "b"], "<U1 of shape (2,)"),
        ],
    )
    def test_keys(self, store, refuse, image_keys, got):
        with pytest.raises(ValueError, match="must be uint64 of shape") as error:
            store.fetch(b"net", image_keys, refuse)
        assert str(error.value).endswith(f"got {got}.")

    def test_no_keys(self, store, refuse, make_keys):
        with pytest.raises(ValueError, match="image_keys is empty; give the key of one image"):
            store.fetch(b"net", make_keys(0), refuse)

    @pytest.mark.parametrize("network_key", ["resnet18", None, 3])
    def test_network_key(self, store, refuse, make_keys, network_key):
        with pytest.raises(TypeError, match=f"must be bytes, got {network_key!r}"):
            store.fetch(network_key, make_keys(1), refuse)

    @pytest.mark.parametrize(
        "computed",
        [
            np.zeros((3, 5)),
            np.zeros((3, 5), np.float16),
            np.zeros((3, 5, 1), np.float32),
            np.zeros(3, np.float32),
            np.zeros((2, 5), np.float32),
            np.zeros((3, 0), np.float32),
            None,
        ],
        ids=["float64", "float16", "3-D", "1-D", "too few", "no features", "None"],
    )
    def test_computed(self, store, make_keys, network, computed):
        keys = make_keys(3)
        with pytest.raises(ValueError, match=r"float32 features of shape \(3, d\) for 3 rows"):
            store.fetch(b"net", keys, lambda rows: computed)
        assert len(store) == 0
        assert network.made(store.fetch(b"net", keys, network.on(keys)), keys)


class TestWidth:
    """Features of other widths under one key of a network: it says too little of the network."""

    MESSAGE = "The network gives 8 features for an image, but 5 are stored"

    @pytest.mark.parametrize("rows", [[0, 1, 2, 3], [2, 3]], ids=["some stored", "none stored"])
    def test_other_than_stored(self, store, network, make_network, make_keys, refuse, rows):
        keys = make_keys(4)
        store.fetch(b"net", keys[:2], network.on(keys))
        other = make_network(8)
        with pytest.raises(ValueError, match=self.MESSAGE):
            store.fetch(b"net", keys[rows], other.on(keys[rows]))
        assert len(store) == 2
        assert network.made(store.fetch(b"net", keys[:2], refuse), keys[:2])

    def test_changes_between_chunks(self, store, make_network, make_keys):
        keys, networks = make_keys(300), [make_network(5), make_network(8)]
        with pytest.raises(ValueError, match=self.MESSAGE):
            store.fetch(b"net", keys, lambda rows: networks.pop(0).features(keys[rows]))
        assert len(store) == 256
