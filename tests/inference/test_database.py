"""The file of a FeatureStore: location, damage, unwritable disks, locks and processes."""

import sqlite3
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import joblib
import numpy as np
import pytest

from skblood.inference import FeatureStore, _database


@pytest.fixture
def file(tmp_path):
    return tmp_path / "features.sqlite"


@pytest.fixture
def network(make_network):
    return make_network(512)


@pytest.fixture
def filled(tmp_path, network, make_keys):
    """A store in a folder, with the features of the first 100 of 600 keys."""
    store, keys = FeatureStore(tmp_path), make_keys(600)
    store.fetch(b"net", keys[:100], network.on(keys))
    network.seen.clear()
    return store


def execute(file, *statements):
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


class TestLocation:
    def test_folder_is_made_when_needed(self, tmp_path, monkeypatch, network, make_keys, refuse):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        store, keys = FeatureStore("~/not/there yet, 100% #1?"), make_keys(2)
        assert (len(store), store.n_computed, store.n_bytes) == (0, 0, 0)
        store.clear()
        assert list(tmp_path.iterdir()) == []
        store.fetch(b"net", keys, network.on(keys))
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert files == [tmp_path / "not" / "there yet, 100% #1?" / "features.sqlite"]
        assert store.n_bytes == files[0].stat().st_size
        same = FeatureStore(files[0].parent)
        assert network.made(same.fetch(b"net", keys, refuse), keys)
        assert len(FeatureStore(tmp_path)) == 0

    def test_clear_gives_the_disk_space_back(self, filled, file, make_keys, network):
        filled.fetch(b"net", make_keys(600), network.on(make_keys(600)))
        filled.clear()
        assert file.stat().st_size == filled.n_bytes < 500_000

    def test_is_a_file(self, tmp_path, make_keys, refuse):
        (tmp_path / "cells.txt").write_text("neutrophil")
        store = FeatureStore(tmp_path / "cells.txt" / "below")
        with pytest.raises(OSError, match=r"cannot be used .*must be a writable folder") as error:
            store.fetch(b"net", make_keys(3), refuse)
        assert str(tmp_path / "cells.txt") in str(error.value)


def scramble_pages(file):
    data = bytearray(file.read_bytes())
    data[65536:] = np.random.default_rng(0).bytes(len(data) - 65536)
    file.write_bytes(data)


def make_other_database(file):
    file.unlink()
    execute(file, "CREATE TABLE features (id, network, key, feature)")


DAMAGES = {
    "text": lambda file: file.write_text("neutrophil, 12\n" * 9),
    "scrambled": scramble_pages,
    "other database": make_other_database,
    "other version": lambda file: execute(file, "PRAGMA user_version = 2"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_and_foreign_files_are_refused(filled, file, make_keys, refuse, damage):
    DAMAGES[damage](file)
    content = file.read_bytes()
    with pytest.raises(ValueError, match="not a feature store of this version") as error:
        filled.fetch(b"net", make_keys(600), refuse)
    assert str(file) in str(error.value)
    assert str(error.value).endswith("Delete it, or use another location.")
    assert file.read_bytes() == content


def test_rows_without_digest_are_computed_again(tmp_path, file, make_network, make_keys, refuse):
    """The tables as the first version made them; it goes on finding its rows."""
    network, keys = make_network(5), make_keys(2)
    execute(
        file,
        "CREATE TABLE networks (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, width INTEGER)",
        "CREATE TABLE features (id INTEGER PRIMARY KEY AUTOINCREMENT, network INTEGER NOT NULL, "
        "key BLOB NOT NULL, feature BLOB NOT NULL, UNIQUE (network, key))",
        "PRAGMA application_id = 1936417382",
        "PRAGMA user_version = 1",
        "INSERT INTO networks VALUES (1, x'6e6574', 5)",
        *(
            f"INSERT INTO features (network, key, feature) VALUES (1, x'{key.tobytes().hex()}', "
            f"x'{'7f' * 20}')"
            for key in keys
        ),
    )
    assert network.made(FeatureStore(tmp_path).fetch(b"net", keys, network.on(keys)), keys)
    assert network.made(FeatureStore(tmp_path).fetch(b"net", keys, refuse), keys)
    assert len(FeatureStore(tmp_path)) == 4


CHANGES = {
    "a bit": "feature = CAST(x'07' || substr(feature, 2) AS BLOB)",
    "shorter": "feature = substr(feature, 1, 9)",
    "empty": "feature = x''",
    "longer": "feature = CAST(feature || x'0000' AS BLOB)",
    "text": "feature = 'cell'",
    "number": "feature = 1.5",
    "row of another image": "feature = (SELECT feature FROM features ORDER BY id LIMIT 1)",
}


@pytest.mark.parametrize("change", CHANGES)
def test_damaged_rows_are_computed_again(filled, file, network, make_keys, refuse, change):
    keys = make_keys(600)[:100]
    execute(file, f"UPDATE features SET {CHANGES[change]} WHERE id IN (3, 50, 51)")
    with pytest.warns(UserWarning, match=r"Rows in .* are damaged.*computed again") as caught:
        assert network.made(filled.fetch(b"net", keys, network.on(keys)), keys)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert network.all_seen == [2, 49, 50]
    assert network.made(filled.fetch(b"net", keys, refuse), keys)  # they are whole again
    assert len(filled) == 100


def test_damaged_images_are_decoded_again(tmp_path, file, make_keys):
    """A row of one channel would turn an image gray."""
    store, keys = FeatureStore(tmp_path), [key.tobytes() for key in make_keys(3)]
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    store.fetch_images((), keys, lambda rows: list(images[rows]))
    execute(file, "UPDATE features SET feature = substr(feature, 1, 28) WHERE id > 1")
    with pytest.warns(UserWarning, match="are damaged"):
        found = store.fetch_images((), keys, lambda rows: list(images[rows]))
    assert np.array_equal(found, images)


def test_flipped_bits(filled, file, network, make_keys):
    """Wherever they are in the file: the right features, or an error that names the file."""
    content, keys, rng = file.read_bytes(), make_keys(600)[:100], np.random.default_rng(0)
    outcomes = set()
    for _ in range(25):
        damaged = np.frombuffer(content, np.uint8).copy()
        places = rng.integers(0, len(content), 50)
        damaged[places] ^= (1 << rng.integers(0, 8, 50)).astype(np.uint8)
        file.write_bytes(damaged.tobytes())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                assert network.made(filled.fetch(b"net", keys, network.on(keys)), keys)
                outcomes.add("right")
            except (ValueError, OSError) as error:
                assert str(file) in str(error)
                outcomes.add("refused")
    assert "right" in outcomes


def test_names_that_are_no_text(filled, file, network, make_keys, monkeypatch):
    """sqlite3 then fails to decode its own message."""

    def fail(*args):
        raise UnicodeDecodeError("utf-8", b"\xec", 0, 1, "invalid")

    monkeypatch.setattr("skblood.inference._database._row", fail)
    keys = make_keys(600)[:100]
    with pytest.raises(ValueError, match=r"features.sqlite.*not a feature store"):
        filled.fetch(b"net", keys, network.on(keys))


# SQLite then fails as on a full disk, and as with a read-only file.
CANNOT_WRITE = {
    "PRAGMA max_page_count = 1": "database or disk is full",
    "PRAGMA query_only = ON": "attempt to write a readonly database",
}


@pytest.mark.parametrize("statement", CANNOT_WRITE)
class TestUnwritable:
    @pytest.fixture(autouse=True)
    def connect(self, filled, monkeypatch, statement):
        """Let each connection begin with the statement."""
        connect = sqlite3.connect

        def connect_and_execute(*args, **options):
            connection = connect(*args, **options)
            connection.execute(statement)
            return connection

        monkeypatch.setattr(sqlite3, "connect", connect_and_execute)

    def test_computed_with_one_warning(self, filled, file, network, make_keys, statement):
        keys = make_keys(600)
        with pytest.warns(UserWarning) as caught:
            assert network.made(filled.fetch(b"net", keys, network.on(keys)), keys)
        assert network.all_seen == list(range(100, 600))
        assert len(caught) == 1 and caught[0].filename == __file__
        text = str(caught[0].message)
        assert f"be stored in {str(file)!r} ({CANNOT_WRITE[statement]})" in text
        assert "Free disk space, make it writable" in text
        assert (len(filled), filled.n_computed) == (100, 100)

    def test_damaged_rows_are_computed(self, filled, file, network, make_keys):
        keys = make_keys(600)[:100]
        data = bytearray(file.read_bytes())
        place = data.index(network.features(keys[:1]).tobytes())
        data[place] ^= 1
        file.write_bytes(data)
        with pytest.warns(UserWarning) as caught:
            assert network.made(filled.fetch(b"net", keys, network.on(keys)), keys)
        assert network.all_seen == [0]
        assert "are damaged" in str(caught[0].message)

    def test_stored_rows_are_read_without_warning(self, filled, network, make_keys, refuse):
        keys = make_keys(600)[:100]
        assert network.made(filled.fetch(b"net", keys, refuse), keys)


class TestLocks:
    @pytest.fixture(autouse=True)
    def wait(self, filled, monkeypatch):
        monkeypatch.setattr(_database, "_WAIT", 0.1)
        monkeypatch.setattr(_database, "PATIENCE", 0.1)

    def test_writers_do_without(self, filled, file, network, make_keys):
        keys = make_keys(110)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.warns(UserWarning) as caught:
                assert network.made(filled.fetch(b"net", keys, network.on(keys)), keys)
        waiting, not_stored = (str(each.message) for each in caught)
        assert f"holds a lock on {str(file)!r}" in waiting
        assert "be stored in" in not_stored and "(database is locked)" in not_stored

    def test_readers_give_up(self, filled, file, make_keys, refuse):
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with (
                pytest.warns(UserWarning, match="holds a lock"),
                pytest.raises(OSError, match=r"database is locked.*on a file system with locks"),
            ):
                filled.fetch(b"net", make_keys(100), refuse)

    def test_waiting_is_told_and_goes_on(self, filled, monkeypatch, file, make_keys, refuse):
        monkeypatch.setattr(_database, "_WAIT", 30)
        other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN EXCLUSIVE")
        # Released by the warning, so that nothing depends on time.
        monkeypatch.setattr(_database, "warn_of_lock", lambda file: other.close())
        assert len(filled.fetch(b"net", make_keys(100), refuse)) == 100


def test_many_stores_are_made_at_once(tmp_path, network, make_keys):
    """Half-made tables are never seen."""
    keys = make_keys(4)
    for i in range(8):
        store = FeatureStore(tmp_path / str(i))

        def fetch(row, store=store):
            key = keys[row : row + 1]
            return network.made(store.fetch(b"net", key, network.on(key)), key)

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(fetch, range(4)))
        assert len(store) == 4


@pytest.mark.slow
def test_processes_share_a_store(tmp_path, make_keys):
    keys, store = make_keys(900), FeatureStore(tmp_path)

    def fetch(_):
        features = store.fetch(b"net", keys, lambda rows: keys[rows].astype(np.float32))
        return np.array_equal(features, keys.astype(np.float32))

    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        assert all(joblib.Parallel(n_jobs=2)(joblib.delayed(fetch)(i) for i in (0, 1)))
    assert len(store) == store.n_computed == 900


KILLED = """
import sys, time
import numpy as np
from skblood.inference import FeatureStore

calls = []

def compute(rows):
    calls.append(rows)
    if len(calls) == 2:
        print("second chunk", flush=True)
        time.sleep(600)
    return np.ones((len(rows), 5), np.float32)

keys = np.stack([np.arange(512), np.zeros(512)], axis=1).astype(np.uint64)
FeatureStore(sys.argv[1]).fetch(b"net", keys, compute)
"""


def test_killed_process_leaves_an_intact_store(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "second chunk\n"
        process.kill()
    store, seen = FeatureStore(tmp_path), []
    assert (len(store), store.n_computed) == (256, 256)

    def compute(rows):
        seen.extend(rows.tolist())
        return np.full((len(rows), 5), 2, np.float32)

    keys = np.stack([np.arange(512), np.zeros(512)], axis=1).astype(np.uint64)
    features = store.fetch(b"net", keys, compute)
    assert len(seen) == 256 and (features[seen] == 2).all()
    assert features.mean() == 1.5
    assert [path.name for path in tmp_path.iterdir()] == ["features.sqlite"]
