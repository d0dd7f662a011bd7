"""Settings of the process that all threads share, changed while any thread needs it."""

import threading
import warnings
from contextlib import contextmanager


class SharedContext:
    """A context of the whole process: the first thread enters it, the last one to leave exits it.

    Threads that enter and leave in turns would otherwise leave each other's settings behind.

    Parameters
    ----------
    make : callable
        Returns the context manager.

    Attributes
    ----------
    threads : list of int
        Threads that are inside, once for each block.
    """

    def __init__(self, make):
        self.make = make
        self.threads = []
        self.lock = threading.Lock()

    @contextmanager
    def __call__(self):
        """Return the context manager of a block."""
        with self.lock:
            if not self.threads:
                self._context = self.make()
                self._context.__enter__()
            self.threads.append(threading.get_ident())
        try:
            yield
        finally:
            with self.lock:
                self.threads.remove(threading.get_ident())
                if not self.threads:
                    self._context.__exit__(None, None, None)


@contextmanager
def _ignore_warnings():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        yield


# Ignores Pillow's warnings about damaged files, and torch's about read-only arrays, in all threads:
# a damaged file is read or reported as unreadable, and nothing here writes to an array.
quiet = SharedContext(_ignore_warnings)
