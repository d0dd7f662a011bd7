"""The SQLite database of a feature store, in a file or in memory: all its SQL."""

import atexit
import os
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

# "skbf": by this mark, and the version of the tables, a file is known as ours.
_MARKS = (0x736B6266, 1)
_SCHEMA = (
    # Decoded images count as those of a network, whose rows differ in width: it is NULL.
    "CREATE TABLE networks (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, width INTEGER)",
    # AUTOINCREMENT: ids tell the age, and SQLite keeps the last one given, even of deleted rows.
    "CREATE TABLE features (id INTEGER PRIMARY KEY AUTOINCREMENT, network INTEGER NOT NULL, "
    "key BLOB NOT NULL, feature BLOB NOT NULL, UNIQUE (network, key))",
    f"PRAGMA application_id = {_MARKS[0]}",
    f"PRAGMA user_version = {_MARKS[1]}",
)
_SETTINGS = (
    # Small pages would be half empty with rows of 2 KB, and slow with rows of 8 KB.
    "PRAGMA page_size = 65536",
    # Others can read until the end of a transaction, and old rows need no zeros written over.
    "PRAGMA cache_spill = OFF",
    "PRAGMA secure_delete = OFF",
    "PRAGMA synchronous = NORMAL",
)
# How long to wait for a lock, in seconds. Another process that computes keeps one for as long
# as its chunk takes; all others are held for moments, or do not work on this file system.
_WAIT_FOR_COMPUTING = 24 * 3600
_WAIT = 60
_EVICTED_AT_ONCE = 32


def database_file(location):
    """Return the path of the file in the folder `location`, there or not."""
    return Path(location).expanduser() / "features.sqlite"


@contextmanager
def open_database(location):
    """Connect to the database for as long as the block runs; make it if there is none.

    Raises
    ------
    ValueError
        If the file is damaged, or holds something else.
    OSError
        If it cannot be made or used.
    """
    if location is None:
        memory = _memories.setdefault(os.getpid(), _Memory())
        with memory.lock:
            yield memory.connect()
        return
    file = database_file(location)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(_unusable(file, error)) from error
    try:
        connection = sqlite3.connect(file, timeout=1, isolation_level=None)
        try:
            _prepare(connection, file)
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        if is_damage(error):
            raise ValueError(_not_ours(file, error)) from error
        raise OSError(_unusable(file, error)) from error


class _Memory:
    """The database in memory of this process, for one thread at a time."""

    def __init__(self):
        self.lock = threading.Lock()
        self._connection = None

    def connect(self):
        if self._connection is None:
            connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            atexit.register(connection.close)
            _prepare(connection, "memory")
            self._connection = connection
        # Of a block that Ctrl-C left at a moment at which nothing could be cleaned up.
        self._connection.rollback()
        return self._connection


# By process id: a fork would find the lock as another thread of its parent held it.
_memories = {}


def _prepare(connection, file):
    """Check that the database is ours; make the tables if it is empty."""
    for setting in _SETTINGS:
        _run(connection, setting)
    if _is_empty(connection, file):
        with writing(connection):
            # Another process may have made them while this one waited.
            if _is_empty(connection, file):
                for statement in _SCHEMA:
                    _run(connection, statement)


def _is_empty(connection, file):
    (n_tables,) = _run(connection, "SELECT count(*) FROM sqlite_master").fetchone()
    if n_tables == 0:
        return True
    marks = tuple(_pragma(connection, name) for name in ("application_id", "user_version"))
    if marks != _MARKS:
        raise ValueError(_not_ours(file, f"its marks are {marks}, not {_MARKS}"))
    return False


@contextmanager
def writing(connection):
    """Let no other process or thread write; undo what the block wrote if it fails."""
    try:
        _run(connection, "BEGIN IMMEDIATE", wait=_WAIT_FOR_COMPUTING)
        # Changes nothing, but where nothing can be written it fails now, before the work.
        _run(connection, f"PRAGMA user_version = {_MARKS[1]}")
        yield
        _run(connection, "COMMIT")
    except BaseException:
        # What stopped the block matters more; closing the connection undoes it, too.
        with suppress(sqlite3.Error):
            connection.rollback()
        raise


def find(connection, network_key, keys):
    """Look rows up.

    Returns
    -------
    found : dict of bytes to bytes
        Those of `keys` that are stored, and their rows.
    width : int or None
        Numbers in each row of this network; None if it is not known, or not the same for all.
    """
    sql = "SELECT id, width FROM networks WHERE key = ?"
    network, width = _run(connection, sql, [network_key]).fetchone() or (None, None)
    if network is None:
        return {}, None
    marks = ", ".join("?" * len(keys))
    sql = f"SELECT key, feature FROM features WHERE network = ? AND key IN ({marks})"
    return dict(_run(connection, sql, [network, *keys]).fetchall()), width


def add(connection, network_key, rows, width, max_bytes):
    """Store rows that are not there yet, and let the oldest go until all fit."""
    sql = "INSERT OR IGNORE INTO networks (key, width) VALUES (?, ?)"
    _run(connection, sql, [network_key, width])
    sql = "SELECT id FROM networks WHERE key = ?"
    (network,) = _run(connection, sql, [network_key]).fetchone()
    connection.executemany(
        "INSERT INTO features (network, key, feature) VALUES (?, ?, ?)",
        ((network, key, row) for key, row in rows.items()),
    )
    oldest = f"SELECT id FROM features ORDER BY id LIMIT {_EVICTED_AT_ONCE}"
    while n_bytes(connection) > max_bytes:
        if _run(connection, f"DELETE FROM features WHERE id IN ({oldest})").rowcount == 0:
            break


def clear(connection):
    """Remove all, and give the room back."""
    with writing(connection):
        for table in ("features", "networks", "sqlite_sequence"):
            _run(connection, f"DELETE FROM {table}")
    _run(connection, "VACUUM", wait=_WAIT_FOR_COMPUTING)


def n_rows(connection):
    """Count the rows held now."""
    return _run(connection, "SELECT count(*) FROM features").fetchone()[0]


def n_computed(connection):
    """Count the rows ever stored."""
    return _run(connection, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence").fetchone()[0]


def n_bytes(connection):
    """Count the bytes in use; the file may have free ones besides."""
    n_pages = _pragma(connection, "page_count") - _pragma(connection, "freelist_count")
    return n_pages * _pragma(connection, "page_size")


def is_damage(error):
    """Tell errors of the file's content from those of its disk, its rights and its locks."""
    damage = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR)
    return _code(error) in damage


def _run(connection, sql, parameters=(), wait=None):
    """Execute a statement, waiting for locks in a way that Ctrl-C can end."""
    # SQLite itself waits a second, the connection's timeout, and hears no signals meanwhile.
    end = time.monotonic() + (_WAIT if wait is None else wait)
    while True:
        try:
            return connection.execute(sql, parameters)
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(0.001)


def _pragma(connection, name):
    return _run(connection, f"PRAGMA {name}").fetchone()[0]


def _code(error):
    # The low byte: the others tell details.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _not_ours(file, why):
    return (
        f"{str(file)!r} is not a feature store of this version of skblood, or it is damaged "
        f"({why}). Delete it, or name another folder as location."
    )


def _unusable(file, why):
    return (
        f"The feature store {str(file)!r} cannot be used ({why}). Its location must be a folder "
        "that can be made and written, on a file system where locks work; name another one, or "
        "None to keep features in memory."
    )
