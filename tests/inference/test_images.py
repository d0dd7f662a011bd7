"""Decoded images in a store: uint8, each of a shape of its own, beside the features."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest

from skblood.inference import FeatureStore, _database

SETTINGS = ((8, 8), "bilinear", 3)


def image_of(key, side=8):
    """Return an image that depends on the key, which its first pixels are; of several shapes."""
    seed = int.from_bytes(key[:4], "little")
    height, channels = side + seed % 3, (1, 3)[seed % 2]
    image = np.random.default_rng(seed).integers(256, size=(height, side, channels), dtype=np.uint8)
    image.reshape(-1)[:16] = np.frombuffer(key, np.uint8)
    return image


class Decoder:
    """Decodes keys, and remembers which."""

    def __init__(self, bad=(), side=8):
        self.seen, self.bad, self.side = [], set(bad), side

    def on(self, keys):
        def decode(rows):
            self.seen += rows.tolist()
            chosen = [keys[row] for row in rows]
            return [None if key in self.bad else image_of(key, self.side) for key in chosen]

        return decode


@pytest.fixture
def make_file_keys(make_keys):
    def make(n, seed=0):
        return [key.tobytes() for key in make_keys(n, seed)]

    return make


@pytest.fixture
def decoder():
    return Decoder()


def check(images, keys, side=8):
    assert len(images) == len(keys)
    for image, key in zip(images, keys, strict=True):
        expected = image_of(key, side)
        assert image.dtype == np.uint8
        assert image.shape == expected.shape
        np.testing.assert_array_equal(image, expected)


class TestFetchImages:
    def test_decoded_once(self, store, decoder, make_file_keys, refuse):
        keys = make_file_keys(20)
        check(store.fetch_images(SETTINGS, keys, decoder.on(keys)), keys)
        check(store.fetch_images(SETTINGS, keys, refuse), keys)
        assert decoder.seen == list(range(20))
        assert len(store) == store.n_computed == 20

    def test_what_is_missing_is_decoded(self, store, decoder, make_file_keys):
        keys = make_file_keys(600)
        store.fetch_images(SETTINGS, keys[10:300], decoder.on(keys[10:300]))
        decoder.seen.clear()
        check(store.fetch_images(SETTINGS, keys, decoder.on(keys)), keys)
        assert decoder.seen == [*range(10), *range(300, 600)]

    def test_equal_keys_are_one_image(self, store, decoder, make_file_keys, refuse):
        keys = make_file_keys(3)
        repeated = [keys[i] for i in (2, 0, 2, 1, 0)]
        check(store.fetch_images(SETTINGS, repeated, decoder.on(repeated)), repeated)
        check(store.fetch_images(SETTINGS, repeated[::-1], refuse), repeated[::-1])
        assert decoder.seen == [0, 1, 3]

    @pytest.mark.parametrize("other", [((8, 9), "bilinear", 3), ((8, 8), "nearest", 3), ()])
    def test_settings_are_apart(self, store, decoder, make_file_keys, other):
        keys = make_file_keys(4)
        store.fetch_images(SETTINGS, keys, decoder.on(keys))
        store.fetch_images(other, keys, decoder.on(keys))
        assert decoder.seen == [0, 1, 2, 3] * 2

    def test_features_and_images_are_apart(self, store, network, decoder, make_keys, refuse):
        keys = make_keys(30)
        files = [key.tobytes() for key in keys]
        check(store.fetch_images(SETTINGS, files, decoder.on(files)), files)
        assert network.made(store.fetch(b"net", keys, network.on(keys)), keys)
        check(store.fetch_images(SETTINGS, files, refuse), files)
        assert network.made(store.fetch(b"net", keys, refuse), keys)
        assert len(store) == 60
        store.clear()
        assert len(store) == 0

    def test_what_cannot_be_decoded_is_none_and_is_not_stored(self, store, make_file_keys):
        keys = make_file_keys(5)
        for _ in range(2):
            decoder = Decoder(bad=[keys[1], keys[4]])
            images = store.fetch_images(SETTINGS, keys, decoder.on(keys))
            assert images[1] is None and images[4] is None
            check([images[i] for i in (0, 2, 3)], [keys[i] for i in (0, 2, 3)])
        assert decoder.seen == [1, 4]
        assert len(store) == 3

    def test_any_layout(self, store, make_file_keys, refuse):
        keys = make_file_keys(1)
        image = np.arange(120, dtype=np.uint8).reshape(5, 8, 3)[::-1, ::2]
        store.fetch_images(SETTINGS, keys, lambda rows: [image])
        np.testing.assert_array_equal(store.fetch_images(SETTINGS, keys, refuse)[0], image)

    def test_error_of_decode(self, store, make_file_keys, decoder):
        keys = make_file_keys(300)

        def decode(rows):
            if rows[0] > 0:
                raise KeyboardInterrupt
            return decoder.on(keys)(rows)

        with pytest.raises(KeyboardInterrupt):
            store.fetch_images(SETTINGS, keys, decode)
        assert len(store) == 256


class TestBound:
    def test_oldest_go_first(self, location, make_file_keys):
        store, decoder = FeatureStore(location, max_bytes=3 * 2**20), Decoder(side=64)
        keys = make_file_keys(600)
        check(store.fetch_images(SETTINGS, keys, decoder.on(keys)), keys, side=64)
        assert store.n_bytes <= store.max_bytes
        n_held = len(store)
        assert 100 < n_held < 400
        decoder.seen.clear()
        store.fetch_images(SETTINGS, keys[-n_held:], decoder.on(keys))
        assert decoder.seen == []

    def test_default_is_larger_in_a_folder(self, tmp_path):
        assert FeatureStore().max_bytes == 2**30
        assert FeatureStore(tmp_path).max_bytes == 2**34
        # 100,000 images of 64 px fit.
        assert FeatureStore(tmp_path).max_bytes > 1.1 * 100_000 * 64 * 64 * 3


class TestDamage:
    def test_broken_file(self, tmp_path, decoder, make_file_keys):
        keys = make_file_keys(300)
        store = FeatureStore(tmp_path)
        store.fetch_images(SETTINGS, keys, decoder.on(keys))
        file = tmp_path / "features.sqlite"
        data = bytearray(file.read_bytes())
        data[:200] = bytes(200)
        file.write_bytes(data)
        with pytest.raises(ValueError, match=r"or it is damaged .*Delete it, or name another"):
            store.fetch_images(SETTINGS, keys, decoder.on(keys))

    def test_full(self, decoder, make_file_keys):
        store, keys = FeatureStore(), make_file_keys(2000)
        with _database.open_database(None) as connection:
            connection.execute("PRAGMA max_page_count = 1")
        try:
            with pytest.warns(UserWarning, match="What is computed of images cannot be stored"):
                check(store.fetch_images(SETTINGS, keys, decoder.on(keys)), keys)
        finally:
            with _database.open_database(None) as connection:
                connection.execute("PRAGMA max_page_count = 1073741823")
        assert decoder.seen == list(range(2000))


class TestSharing:
    def test_two_threads_fill_one_store(self, store, make_file_keys):
        keys, decoder = make_file_keys(1000), Decoder()
        barrier = threading.Barrier(2)

        def fetch(step):
            some = keys[::step]
            barrier.wait()
            check(store.fetch_images(SETTINGS, some, decoder.on(some)), some)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(fetch, (1, -1)))
        assert len(decoder.seen) == store.n_computed == len(store) == 1000

    def test_two_processes_fill_one_store(self, tmp_path, make_file_keys):
        """The same files at once, from either end: each is decoded by one of the two."""
        keys = make_file_keys(600)

        def fetch(number):
            (tmp_path / f"{number}").touch()
            end = time.monotonic() + 60
            while not all((tmp_path / f"{i}").exists() for i in (0, 1)):
                assert time.monotonic() < end
                time.sleep(0.001)
            some = keys[:: 1 - 2 * number]

            def decode(rows):
                time.sleep(0.05)
                return [np.full((4, 4, 3), some[row][0], np.uint8) for row in rows]

            store, n = FeatureStore(tmp_path / "store"), 0
            for start in range(0, 600, 100):
                part, offset = some[start : start + 100], start
                decoded = []

                def counted(rows, offset=offset, decoded=decoded):
                    decoded.extend(rows)
                    return decode(rows + offset)

                images = store.fetch_images(SETTINGS, part, counted)
                assert all((im == key[0]).all() for im, key in zip(images, part, strict=True))
                n += len(decoded)
            return n

        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            counts = joblib.Parallel(n_jobs=2)(joblib.delayed(fetch)(i) for i in (0, 1))
        assert sum(counts) == 600
        assert FeatureStore(tmp_path / "store").n_computed == 600

    KILLED = """
import sys, time
import numpy as np
from skblood.inference import FeatureStore

def decode(rows):
    if rows[0] >= 256:
        print("second chunk", flush=True)
        time.sleep(600)
    return [np.ones((30, 30, 3), np.uint8)] * len(rows)

keys = [i.to_bytes(16, "little") for i in range(600)]
FeatureStore(sys.argv[1]).fetch_images((), keys, decode)
"""

    def test_killed_in_the_middle_of_a_fill(self, tmp_path, monkeypatch):
        # Else a lock that stayed would be waited for.
        monkeypatch.setattr(_database, "_WAIT_FOR_COMPUTING", 10)
        command = [sys.executable, "-c", self.KILLED, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "second chunk\n"
            process.kill()
        store, seen = FeatureStore(tmp_path), []
        assert len(store) == 256

        def decode(rows):
            seen.extend(rows.tolist())
            return [np.full((30, 30, 3), 2, np.uint8)] * len(rows)

        keys = [i.to_bytes(16, "little") for i in range(600)]
        images = np.stack(store.fetch_images((), keys, decode))
        assert seen == list(range(256, 600))
        assert (images[:256] == 1).all() and (images[256:] == 2).all()
        assert [path.name for path in tmp_path.iterdir()] == ["features.sqlite"]
