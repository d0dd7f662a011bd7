"""Rows of a feature store in the memory of the process."""

import os
import threading

# Bytes that a row takes besides its content: its key and its entry in the dictionary.
_OVERHEAD = 240


class MemoryRows:
    """Rows in a dictionary, oldest first, shared by all threads; see `FolderRows`."""

    def __init__(self):
        self._lock = threading.Lock()
        self.clear()

    def clear(self):
        with self._lock:
            self._rows, self._n_computed, self._n_bytes = {}, 0, 0

    def find(self, group, keys):
        with self._lock:
            return {key: self._rows[group, key] for key in keys if (group, key) in self._rows}

    def add(self, group, rows, max_bytes):
        with self._lock:
            for key, row in rows.items():
                if (group, key) not in self._rows:
                    self._rows[group, key] = row
                    self._n_bytes += len(row) + _OVERHEAD
                    self._n_computed += 1
            while self._n_bytes > max_bytes:
                oldest = self._rows.pop(next(iter(self._rows)))
                self._n_bytes -= len(oldest) + _OVERHEAD

    def figures(self):
        return len(self._rows), self._n_computed, self._n_bytes


# By process id: a forked process would inherit the lock in whatever state it was.
_by_process = {}


def process_rows():
    """Return the rows that all stores in the memory of this process share."""
    return _by_process.setdefault(os.getpid(), MemoryRows())
