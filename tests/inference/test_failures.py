"""What goes wrong: in compute, with the file, with the folder, with the disk."""

import os
import sqlite3
import warnings
from contextlib import closing

import numpy as np
import pytest

from skblood.inference import FeatureStore, _database

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def file(tmp_path):
    return tmp_path / "features.sqlite"


@pytest.fixture
def filled(tmp_path, make_network, make_keys):
    """A store in a folder, with the features of 100 of 600 keys."""
    network, keys = make_network(512), make_keys(600)
    store = FeatureStore(tmp_path)
    store.fetch(b"net", keys[:100], network.on(keys))
    return store


def execute(file, *statements):
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


class TestCompute:
    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, MemoryError])
    def test_stops(self, store, network, make_keys, error):
        keys = make_keys(600)

        def compute(rows):
            if len(network.seen) == 1:
                raise error("stop")
            return network.on(keys)(rows)

        with pytest.raises(error, match="stop"):
            store.fetch(b"net", keys, compute)
        assert len(store) == store.n_computed == 256
        features = store.fetch(b"net", keys, network.on(keys))
        assert network.made(features, keys)
        assert network.all_seen == list(range(600))

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
    def test_stops_at_the_first(self, store, network, make_keys, error):
        def compute(rows):
            raise error

        with pytest.raises(error):
            store.fetch(b"net", make_keys(3), compute)
        assert (len(store), store.n_computed) == (0, 0)
        assert network.made(
            store.fetch(b"net", make_keys(3), network.on(make_keys(3))), make_keys(3)
        )

    def test_interrupted_where_nothing_cleans_up(self, network, make_keys):
        """Ctrl-C can come between any two steps; a connection in memory outlives it."""
        store, keys = FeatureStore(), make_keys(3)
        with _database.open_database(None) as connection:
            connection.execute("BEGIN IMMEDIATE")
        assert network.made(store.fetch(b"net", keys, network.on(keys)), keys)
        assert len(store) == 3


def make_text(file):
    file.write_text("neutrophil, 12\n" * 9)


def make_noise(file):
    file.write_bytes(np.random.default_rng(0).bytes(10**5))


def cut(file):
    file.write_bytes(file.read_bytes()[:100_000])


def cut_header(file):
    file.write_bytes(file.read_bytes()[:50])


def scramble_pages(file):
    data = bytearray(file.read_bytes())
    data[65536:] = np.random.default_rng(0).bytes(len(data) - 65536)
    file.write_bytes(data)


def make_other_database(file):
    file.unlink()
    execute(file, "CREATE TABLE features (id, network, key, feature)")


def make_other_version(file):
    execute(file, "PRAGMA user_version = 2")


def make_other_application(file):
    execute(file, "PRAGMA application_id = 7")


def remove_table(file):
    execute(file, "DROP TABLE networks", "DROP TABLE features")


DAMAGES = [make_text, make_noise, cut, cut_header, scramble_pages, make_other_database]
DAMAGES += [make_other_version, make_other_application, remove_table]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
class TestNotOurs:
    def test_fetch(self, filled, file, make_keys, refuse, damage):
        damage(file)
        content = file.read_bytes()
        with pytest.raises(ValueError, match="not a feature store of this version") as error:
            filled.fetch(b"net", make_keys(600), refuse)
        assert repr(str(file)) in str(error.value)
        assert str(error.value).endswith("Delete it, or name another folder as location.")
        assert file.read_bytes() == content

    def test_advice_helps(self, filled, file, make_network, make_keys, damage):
        damage(file)
        file.unlink()
        network, keys = make_network(512), make_keys(3)
        assert network.made(filled.fetch(b"net", keys, network.on(keys)), keys)


@pytest.mark.parametrize("damage", [make_text, make_other_version, scramble_pages])
def test_figures_of_what_is_not_ours(filled, file, damage):
    damage(file)
    asked = [lambda: len(filled), lambda: filled.n_computed, filled.clear]
    for ask in asked:
        with pytest.raises(ValueError, match="Delete it, or name another folder"):
            ask()


def test_damage_that_is_found_late(filled, network, make_keys, monkeypatch):
    """It is no reason to go on without storing."""

    def find_damage(*args):
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    monkeypatch.setattr(_database, "add", find_damage)
    keys = make_keys(3)
    with pytest.raises(ValueError, match=r"image is malformed.*Delete it, or name another"):
        filled.fetch(b"other", keys, network.on(keys))


class TestLocation:
    ADVICE = r"must be a folder that can be made and written.*; name another one, or None"

    @pytest.mark.parametrize("below", ["", "further", "further/down"])
    def test_is_a_file(self, tmp_path, make_keys, refuse, below):
        (tmp_path / "cells.txt").write_text("neutrophil")
        store = FeatureStore(tmp_path / "cells.txt" / below)
        with pytest.raises(OSError, match=self.ADVICE) as error:
            store.fetch(b"net", make_keys(3), refuse)
        assert str(tmp_path / "cells.txt") in str(error.value)
        assert (tmp_path / "cells.txt").read_text() == "neutrophil"
        assert len(store) == 0

    def test_file_is_a_folder(self, tmp_path, file, make_keys, refuse):
        file.mkdir()
        with pytest.raises(OSError, match=self.ADVICE):
            FeatureStore(tmp_path).fetch(b"net", make_keys(3), refuse)

    @pytest.mark.skipif(IS_ROOT, reason="root may write everywhere")
    @pytest.mark.parametrize("below", ["", "further"])
    def test_may_not_be_written(self, tmp_path, make_keys, refuse, below):
        tmp_path.chmod(0o555)
        try:
            with pytest.raises(OSError, match=self.ADVICE):
                FeatureStore(tmp_path / below).fetch(b"net", make_keys(3), refuse)
        finally:
            tmp_path.chmod(0o755)

    @pytest.mark.skipif(IS_ROOT, reason="root may read all")
    def test_may_not_be_read(self, filled, file, make_keys, refuse):
        file.chmod(0)
        with pytest.raises(OSError, match=self.ADVICE):
            filled.fetch(b"net", make_keys(3), refuse)


@pytest.fixture
def pragma(monkeypatch):
    """Let every connection begin with a statement, until the end of the test or `undo`."""
    connect = sqlite3.connect

    def use(statement):
        def connect_and_execute(*args, **options):
            connection = connect(*args, **options)
            connection.execute(statement)
            return connection

        monkeypatch.setattr(sqlite3, "connect", connect_and_execute)
        return monkeypatch.undo

    return use


# SQLite then fails as on a full disk, and as with a file that is read-only.
CANNOT_WRITE = {
    "PRAGMA max_page_count = 1": "database or disk is full",
    "PRAGMA query_only = ON": "attempt to write a readonly database",
}


@pytest.mark.parametrize("statement", CANNOT_WRITE)
class TestCannotBeStored:
    def test_features_come_all_the_same(
        self, filled, file, make_network, make_keys, pragma, statement
    ):
        network, keys = make_network(512), make_keys(600)
        undo = pragma(statement)
        with pytest.warns(UserWarning) as caught:
            features = filled.fetch(b"net", keys, network.on(keys))
        assert network.made(features, keys)
        # Each image was computed once, even those whose writing failed.
        assert network.all_seen == list(range(100, 600))
        assert len(caught) == 1
        text = str(caught[0].message)
        assert text.startswith(
            f"What is computed of images cannot be stored in {str(file)!r} any more ("
        )
        assert f"({CANNOT_WRITE[statement]})" in text
        assert "Make room on its disk, make the file" in text
        assert caught[0].filename == __file__
        assert (len(filled), filled.n_computed) == (100, 100)
        undo()
        self.check_it_goes_on(filled, network, keys)

    def check_it_goes_on(self, store, network, keys):
        network.seen.clear()
        assert network.made(store.fetch(b"net", keys, network.on(keys)), keys)
        assert network.n_seen == 500
        assert (len(store), store.n_computed) == (600, 600)

    def test_what_is_stored_is_read_without_a_word(
        self, filled, make_network, make_keys, pragma, refuse, statement
    ):
        pragma(statement)
        keys = make_keys(600)[:100]
        assert make_network(512).made(filled.fetch(b"net", keys, refuse), keys)
        assert len(filled) == 100

    def test_other_width_is_found_all_the_same(
        self, filled, make_network, make_keys, pragma, statement
    ):
        pragma(statement)
        keys, networks = make_keys(600, seed=1), [make_network(512), make_network(8)]
        with (
            pytest.warns(UserWarning, match="cannot be stored"),
            pytest.raises(ValueError, match="gives 8 features for an image, but 512"),
        ):
            filled.fetch(b"net", keys, lambda rows: networks.pop(0).features(keys[rows]))

    def test_compute_that_fails(self, filled, make_keys, pragma, statement):
        def compute(rows):
            raise RuntimeError("out of memory")

        pragma(statement)
        with warnings.catch_warnings(record=True), pytest.raises(RuntimeError, match="of memory"):
            warnings.simplefilter("always")
            filled.fetch(b"net", make_keys(600), compute)


def test_nothing_is_computed_under_a_lock_where_nothing_can_be_written(
    filled, make_network, make_keys, monkeypatch
):
    """Who may only read would else keep those waiting who may write."""
    network, keys = make_network(512), make_keys(600)
    connect = sqlite3.connect

    def connect_to_read(file, **options):
        return connect(f"{file.as_uri()}?mode=ro", uri=True, **options)

    def compute(rows):
        monkeypatch.setattr(sqlite3, "connect", connect)
        other = make_keys(10, seed=1)
        filled.fetch(b"net", other, network.on(other))
        return network.features(keys[rows])

    monkeypatch.setattr(_database, "_WAIT", 0.1)
    monkeypatch.setattr(sqlite3, "connect", connect_to_read)
    with pytest.warns(UserWarning, match="readonly"):
        assert network.made(filled.fetch(b"net", keys, compute), keys)
    assert len(filled) == 110


def test_full_in_memory(network, make_keys):
    store, keys = FeatureStore(), make_keys(3000)
    with _database.open_database(None) as connection:
        connection.execute("PRAGMA max_page_count = 1")
    try:
        with pytest.warns(UserWarning, match=r"in 'memory' any more \(database or disk is full\)"):
            features = store.fetch(b"net", keys, network.on(keys))
    finally:
        with _database.open_database(None) as connection:
            connection.execute("PRAGMA max_page_count = 1073741823")
    assert network.made(features, keys)
    assert network.all_seen == list(range(3000))


@pytest.mark.skipif(IS_ROOT, reason="root may write everywhere")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_really_read_only(filled, file, make_network, make_keys, what):
    network, keys = make_network(512), make_keys(600)
    path = file if what == "file" else file.parent
    path.chmod(0o444 if what == "file" else 0o555)
    try:
        assert network.made(filled.fetch(b"net", keys[:100], None), keys[:100])
        with pytest.warns(UserWarning, match="make the file and its folder writable"):
            features = filled.fetch(b"net", keys, network.on(keys))
    finally:
        path.chmod(0o755)
    assert network.made(features, keys)
    assert network.n_seen == 500
    assert len(filled) == 100
