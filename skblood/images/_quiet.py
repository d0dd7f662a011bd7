"""Warnings of other packages that say nothing to the user, left out in all threads."""

import threading
import warnings
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0  # threads
_former = None


@contextmanager
def quiet():
    """Ignore what Pillow warns of in damaged files, and torch of arrays that are read-only.

    A damaged file is read or named as unreadable, whatever the filters of warnings are; and nothing
    here writes to an array. `warnings.catch_warnings` alone would not do: threads that enter and
    leave by turns would leave each other's filters behind.
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
