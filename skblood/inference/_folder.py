"""Rows of a feature store in a folder: files that many processes write at once, without locks."""

import hashlib
import json
import os
import re
import secrets
import time
import warnings
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

import numpy as np
from safetensors.numpy import save

# Group, time, rows, bytes, and digest of all that stands before the rows: nothing has to be opened
# to count, to evict, or to know a file as one of these.
_NAME = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})-(\d+)-(\d+)-([0-9a-f]{32})\.safetensors", re.A)
_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp")

# Bytes of a key, of a digest, and of the number that tells where a row ends.
_KEY, _DIGEST, _END = 16, 16, 8

# A process merges its files of fewer rows when it has made so many: one image may be a file.
_FEW = 64

# Seconds after which a temporary file has lost its process.
_ABANDONED = 3600


class FolderRows:
    """Rows in files of a folder, shared by all threads, processes and hosts.

    A group of rows holds the features that one network computes, or the images decoded with the
    same settings. Each `add` makes one file, under a temporary name that is then changed: a file
    is there whole, or not at all, and never changes. It is a safetensors file of the keys, of
    digests, of where each row ends, and of the rows. A row that two processes computed is in two
    files. Nothing is flushed to the disk: what a power failure damages is computed again.

    The keys of the groups in use are held in memory, about 150 bytes a row, with the file of each.
    They may lag behind the folder; a row that is not found is computed.

    Parameters
    ----------
    location : str
        The files are in its subfolder ``rows``, made by `add`; others in it are left alone.

    Raises
    ------
    OSError
        By each method, if the folder cannot be listed; by `add`, if a file cannot be written.
    """

    def __init__(self, location):
        self.folder = Path(location) / "rows"
        self._forget()

    def _forget(self):
        self._known = defaultdict(set)  # by group: names of the files whose keys are known
        self._places = defaultdict(dict)  # by group: key -> name of the newest file
        self._small = defaultdict(list)  # by group: names of files of few rows, to be merged
        self._computed, self._is_damaged, self._is_told = [], False, False

    def find(self, group, keys):
        """Look rows up.

        Returns
        -------
        dict of bytes to bytes
            The stored rows, by key.
        """
        group, rows, gone = _hash(group).hex(), {}, True
        places = self._places[group]
        while gone:  # until nothing that was known to be there is gone, or damaged
            names, gone = defaultdict(set), set()
            if any(key not in places and key not in rows for key in keys):
                self._refresh(group)
            for key in keys:
                if key not in rows and (name := places.get(key)):
                    names[name].add(key)
            for name, wanted in names.items():
                rows |= (found := self._read(name, wanted)[1])
                for key in wanted - found.keys():
                    gone.add(places.pop(key, None))
        if self._is_damaged and not self._is_told:
            self._is_told = True
            warnings.warn(
                f"Rows in {str(self.folder)!r} are damaged. They are left out and computed again; "
                "check the disk.",
                stacklevel=4,
            )
        return rows

    def add(self, group, rows, max_bytes):
        """Store rows in a new file, then remove the oldest files until all fit."""
        group = _hash(group).hex()
        name = self._write(group, rows, max_bytes)
        if not self._computed:
            self._remove_abandoned(name)
        self._computed.append(len(rows))
        self._evict(max_bytes)
        if len(rows) < _FEW:
            self._small[group].append(name)
            if len(self._small[group]) >= _FEW:
                self._merge(group, max_bytes)

    def _write(self, group, rows, max_bytes):
        content, digest = _pack(group, rows)
        name = f"{group}-{time.time_ns():016x}-{len(rows)}-{len(content)}-{digest}.safetensors"
        temporary = self.folder / f".{secrets.token_hex(16)}.tmp"
        if rows and len(content) <= max_bytes:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                temporary.write_bytes(content)
                os.replace(temporary, self.folder / name)
            except BaseException:
                self._remove(temporary.name)
                raise
        return name

    def _merge(self, group, max_bytes):
        """Put the small files of this process into one: the folder stays quick to list."""
        rows, names, self._small[group] = {}, self._small[group], []
        for name in names:
            rows |= self._read(name, self._read(name)[0])[1]
        self._write(group, rows, max_bytes)
        for name in names:
            self._remove(name)

    def clear(self):
        """Remove all files of rows."""
        self._evict(0)
        self._forget()

    def figures(self):
        """Return the number of rows stored now, of rows computed here, and of bytes in use."""
        files = self._files()
        n_rows, n_bytes = (sum(int(file[column]) for file in files) for column in (3, 4))
        return n_rows, sum(self._computed), n_bytes

    def _list(self, pattern):
        """Return the matches of a pattern among the names in the folder."""
        try:
            return list(filter(None, map(pattern.fullmatch, os.listdir(self.folder))))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OSError(
                f"The feature store {str(self.folder)!r} cannot be used ({error}). Its location "
                "must be a folder that can be read."
            ) from error

    def _files(self):
        """Return the names of all files as matches, the oldest first."""
        return sorted(self._list(_NAME), key=lambda file: file[2])

    def _refresh(self, group):
        """Learn the keys of new files, and forget those of files that are gone."""
        known, places = self._known[group], self._places[group]
        names = [file[0] for file in self._files() if file[1] == group]
        if gone := known.difference(names):
            known -= gone
            for key in [key for key, name in list(places.items()) if name in gone]:
                places.pop(key, None)
        for name in names:
            if name not in known:
                known.add(name)
                places.update(dict.fromkeys(self._read(name)[0], name))

    def _read(self, name, wanted=()):
        """Return the keys in a file, and those of its rows that are wanted and undamaged."""
        keys, rows = [], {}
        try:
            # No memory map: where a file is removed or cut meanwhile, it kills the process.
            with open(self.folder / name, "rb") as file:
                keys, ends, digests = _read_head(file, name)
                for key, start, end, digest in zip(keys, ends[:-1], ends[1:], digests, strict=True):
                    if key in wanted:
                        file.seek(start)
                        row = file.read(end - start)
                        if _hash(name[:32].encode() + key + row) == digest:
                            rows[key] = row
        except OSError:  # another process removed it: ENOENT, or ESTALE of network file systems
            return keys, rows
        except ValueError:
            self._remove(name)  # or each process would read it again
        self._is_damaged |= not keys or len(rows) < len(wanted)
        return keys, rows

    def _evict(self, max_bytes):
        files = self._files()
        excess = sum(int(file[4]) for file in files) - max_bytes
        for file in files:
            if excess > 0:
                # Whoever removes it: two processes that evict at once remove the same files.
                self._remove(file[0])
                excess -= int(file[4])

    def _remove_abandoned(self, name):
        """Remove temporary files of killed processes, by the clock of the file system."""
        for file in self._list(_TEMPORARY):
            with suppress(OSError):
                now, then = (os.stat(self.folder / each).st_mtime for each in (name, file[0]))
                if now - then > _ABANDONED:
                    self._remove(file[0])

    def _remove(self, name):
        with suppress(OSError):  # removed by others, write-protected, or open on Windows
            os.unlink(self.folder / name)


def _hash(content):
    return hashlib.blake2b(content, digest_size=_DIGEST).digest()


def _pack(group, rows):
    """Return a safetensors file of rows, and the digest of what stands before them."""
    digests = [_hash(group.encode() + key + row) for key, row in rows.items()]
    content = save(
        {
            # In the order of the file, which safetensors makes: by size of numbers, then by name.
            "ends": np.cumsum([len(row) for row in rows.values()], dtype=np.uint64),
            "digests": np.frombuffer(b"".join(digests), np.uint8).reshape(-1, _DIGEST),
            "keys": np.frombuffer(b"".join(rows), np.uint8).reshape(-1, _KEY),
            "rows": np.frombuffer(b"".join(rows.values()), np.uint8),
        }
    )
    return content, _hash(content[: len(content) - sum(map(len, rows.values()))]).hex()


def _read_head(file, name):
    """Return the keys in an open file, n + 1 positions between which its rows are, and digests."""
    n, digest = _NAME.fullmatch(name).group(3, 5)
    length = file.read(8)
    n_json = int.from_bytes(length, "little")
    size = n_json + int(n) * (_KEY + _DIGEST + _END)
    head = length + file.read(min(size, os.fstat(file.fileno()).st_size))  # it may be damaged
    if _hash(head).hex() != digest:
        raise ValueError(f"{name} is damaged")
    header, base = json.loads(head[8 : 8 + n_json]), 8 + n_json

    def values(key, dtype):
        start, end = header[key]["data_offsets"]
        return np.frombuffer(head[base + start : base + end], dtype).tolist()

    first = base + header["rows"]["data_offsets"][0]
    ends = [first, *(first + end for end in values("ends", "<u8"))]
    return values("keys", f"V{_KEY}"), ends, values("digests", f"V{_DIGEST}")


# By folder: what this process knows of each. A forked process may use what it inherits.
_by_folder = {}


def folder_rows(location):
    """Return the rows that all stores of this process in one folder share."""
    location = os.path.abspath(os.path.expanduser(location))
    return _by_folder.setdefault(location, FolderRows(location))
