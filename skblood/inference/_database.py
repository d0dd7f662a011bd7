"""Rows of a feature store in an SQLite file: all of its SQL."""

import hashlib
import sqlite3
import warnings
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from skblood._writing import PATIENCE, warn_of_lock

# "skbf" and the version of the tables: both identify a file as a feature store.
_MARKS = (0x736B6266, 1)

# Small pages are half empty with rows of 2 KB, and slow with rows of 8 KB. The width is no longer
# used. By AUTOINCREMENT, ids are in the order of insertion, and
# SQLite keeps the last one given.
_SCHEMA = f"""
PRAGMA page_size = 65536; BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS networks
    (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, width INTEGER);
CREATE TABLE IF NOT EXISTS features
    (id INTEGER PRIMARY KEY AUTOINCREMENT, network INTEGER NOT NULL, key BLOB NOT NULL,
    feature BLOB NOT NULL, UNIQUE (network, key));
PRAGMA application_id = {_MARKS[0]}; PRAGMA user_version = {_MARKS[1]}; COMMIT;
"""
# As a blob: a flipped bit may turn a row into text.
_FIND = """
SELECT features.key, CAST(feature AS BLOB) FROM features JOIN networks ON networks.id = network
WHERE networks.key = ? AND features.key IN ({marks})
"""
# Not "OR IGNORE", which counts an id for each row that it ignores.
_INSERT = """
INSERT INTO features (network, key, feature) SELECT id, ?2, ?3 FROM networks
WHERE key = ?1 AND NOT EXISTS
    (SELECT 1 FROM features WHERE network = networks.id AND features.key = ?2)
"""
_REMOVE = """
DELETE FROM features WHERE key = ?2 AND network = (SELECT id FROM networks WHERE key = ?1)
"""
_EVICT = "DELETE FROM features WHERE id IN (SELECT id FROM features ORDER BY id LIMIT 32)"
_CLEAR = """
BEGIN IMMEDIATE; DELETE FROM features; DELETE FROM networks; DELETE FROM sqlite_sequence; COMMIT;
VACUUM;
"""
_N_BYTES = """
SELECT (page_count - freelist_count) * page_size
FROM pragma_page_count, pragma_freelist_count, pragma_page_size
"""
_FIGURES = f"""
SELECT (SELECT count(*) FROM features), (SELECT coalesce(max(seq), 0) FROM sqlite_sequence),
({_N_BYTES})
"""
_FOUND_MARKS = "SELECT * FROM pragma_application_id, pragma_user_version"
_DAMAGE = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR)

# Put before the key of a group whose rows end with a digest; those of older versions have none,
# and are removed as the oldest.
_CHECKED = b"digest "
_DIGEST_SIZE = 16

# Seconds to wait for a lock once that is told: others hold it while they read or insert some rows.
_WAIT = 30


class DatabaseRows:
    """Rows in the file ``features.sqlite`` of a folder, shared by all threads and processes.

    A group of rows holds the features that one network computes, or the images decoded with the
    same settings. Each method opens a connection of its own and closes it, so that no lock is
    held between calls.

    A row ends with a digest of its group, its key and itself: one that was changed on the disk is
    removed, with a warning, and counts as not stored.

    Parameters
    ----------
    location : str
        The folder; made, with the file, by `find` and `add`.

    Raises
    ------
    ValueError
        By each method, if the file is damaged or is not a feature store of this version.
    OSError
        By each method, if the file cannot be made, read or written.
    """

    def __init__(self, location):
        self.file = Path(location).expanduser() / "features.sqlite"
        self._warned = False

    def find(self, group, keys):
        """Look rows up.

        Returns
        -------
        dict of bytes to bytes
            The stored rows, by key.
        """
        group = _CHECKED + group
        sql = _FIND.format(marks=", ".join("?" * len(keys)))
        with self._connection() as connection:
            found = dict(connection.execute(sql, [group, *keys]))
        rows = {key: row[:-_DIGEST_SIZE] for key, row in found.items() if isinstance(row, bytes)}
        rows = {key: row for key, row in rows.items() if _sealed(group, key, row) == found[key]}
        if damaged := found.keys() - rows.keys():
            self._remove(group, damaged)
        return rows

    def add(self, group, rows, max_bytes):
        """Insert the rows that are not stored yet, then remove the oldest until all fit."""
        group = _CHECKED + group
        sealed = ((group, key, _sealed(group, key, row)) for key, row in rows.items())
        with self._connection() as connection, connection:  # which commits, or undoes all
            self._wait_for_lock(connection, "BEGIN IMMEDIATE")
            connection.execute("INSERT OR IGNORE INTO networks (key) VALUES (?)", [group])
            connection.executemany(_INSERT, sealed)
            while _row(connection, _N_BYTES)[0] > max_bytes:
                if connection.execute(_EVICT).rowcount == 0:
                    break

    def clear(self):
        """Remove all rows and shrink the file."""
        if self.file.is_file():
            with self._connection() as connection:
                connection.executescript(_CLEAR)

    def figures(self):
        """Return the number of rows stored now, of rows ever stored, and of bytes in use."""
        if not self.file.is_file():  # asking does not make the file
            return 0, 0, 0
        with self._connection() as connection:
            return _row(connection, _FIGURES)

    def _remove(self, group, keys):
        """Remove damaged rows and say so, once; where nothing can be written, they stay."""
        with suppress(OSError), self._connection() as connection, connection:
            connection.executemany(_REMOVE, [(group, key) for key in keys])
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"Rows in {str(self.file)!r} are damaged. They are left out and computed again; "
                "check the disk.",
                stacklevel=5,
            )

    @contextmanager
    def _connection(self):
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.file, isolation_level=None)
            with closing(connection):  # which undoes an open transaction
                self._prepare(connection)
                yield connection
        except UnicodeDecodeError as error:  # of damaged names, in sqlite3's own message
            raise ValueError(self._not_a_store("names that are no text")) from error
        except (sqlite3.Error, OSError) as error:
            # The low byte of the code: the others are details.
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE:
                raise ValueError(self._not_a_store(error)) from error
            raise OSError(
                f"The feature store {str(self.file)!r} cannot be used ({error}). Its location must "
                "be a writable folder on a file system with locks."
            ) from error

    def _prepare(self, connection):
        """Check that the file is a feature store; make the tables if it is empty."""
        if self._wait_for_lock(connection, "SELECT count(*) FROM sqlite_master") == (0,):
            connection.executescript(_SCHEMA)
        if (marks := _row(connection, _FOUND_MARKS)) != _MARKS:
            raise ValueError(self._not_a_store(f"its marks are {marks}, not {_MARKS}"))

    def _wait_for_lock(self, connection, sql):
        """Execute a statement that needs a lock; warn if another process holds it for long."""
        connection.execute(f"PRAGMA busy_timeout = {1000 * PATIENCE:.0f}")
        try:
            return _row(connection, sql)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            warn_of_lock(self.file)
        finally:
            connection.execute(f"PRAGMA busy_timeout = {1000 * _WAIT:.0f}")
        return _row(connection, sql)

    def _not_a_store(self, why):
        return (
            f"{str(self.file)!r} is not a feature store of this version of skblood, or it is "
            f"damaged ({why}). Delete it, or use another location."
        )


def _sealed(group, key, row):
    """Return a row with its digest."""
    return row + hashlib.blake2b(group + key + row, digest_size=_DIGEST_SIZE).digest()


def _row(connection, sql):
    return connection.execute(sql).fetchone()
