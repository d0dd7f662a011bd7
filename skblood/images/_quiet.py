"""Suppression of irrelevant warnings of Pillow and torch, in all threads."""

import threading
import warnings
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0  # threads
_former = None


@contextmanager
def quiet():
    """Ignore Pillow's warnings about damaged files, and torch's about read-only arrays.

    A damaged file is read or reported as unreadable, whatever the warning filters are, and nothing
    here writes to an array. `warnings.catch_warnings` alone is not thread-safe: threads that enter
    and leave in turns would leave each other's filters behind.
    """
    global _inside, _former
    with _lock:
        _inside += 1
        if _inside == 1:
            _former = warnings.catch_warnings()
            _former.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _former.__exit__(None, None, None)
