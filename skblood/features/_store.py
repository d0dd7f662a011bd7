"""The store of features: in a folder, or in the memory of the process."""

import os
import sqlite3
import warnings
from numbers import Integral

from . import _database as database
from ._answer import Answer

# Images computed and stored at once. Nobody else computes meanwhile, and who is killed meanwhile
# loses no more than these.
_CHUNK = 256


class FeatureStore:
    """Features that a frozen network gives for images, each image computed once.

    A search fits many models on many folds of the same images. With a store, all of them, in all
    threads and processes, run the frozen part of the network once for each image. Images are
    known by their content, and networks by a key that the caller makes of all that their features
    depend on.

    Parameters
    ----------
    location : str or path-like, default=None
        Folder of the store, made when it is first needed; the features are in a file
        ``features.sqlite`` in it. None is the memory of this process, where all stores are one:
        worker processes do not share it.
    max_bytes : int, default=2**30
        Size above which the oldest features are removed. An empty store has about 400 kB.

    Attributes
    ----------
    n_computed : int
        Features that were ever computed and stored, by all processes, one for each image and
        network; those removed since are counted, too. :meth:`clear` sets it to 0.
    n_bytes : int
        Bytes in use now.

    Raises
    ------
    ValueError
        If `max_bytes` is not a positive integer.

    Notes
    -----
    The store is bounded: whenever it is larger than `max_bytes`, the features that came first are
    removed, used or not. Their room is used again; the file shrinks with :meth:`clear` only.

    SQLite's locks let a single thread or process compute and write at a time, and the others read
    meanwhile. They work on a local disk, and on a network file system only if that has working
    locks.

    The file holds numbers only, nothing that runs when it is read.

    ``len(store)`` is the number of features held now.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skblood import FeatureStore
    >>> images = np.arange(12, dtype=np.float32).reshape(3, 4)
    >>> image_keys = np.array([[0, 1], [0, 2], [0, 3]], dtype=np.uint64)
    >>> def network(rows):
    ...     print("computing", rows)
    ...     return images[rows].mean(axis=1, keepdims=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = FeatureStore(folder)
    ...     one_fold = store.fetch(b"mean", image_keys[:2], network)
    ...     features = store.fetch(b"mean", image_keys, network)
    computing [0 1]
    computing [2]
    >>> features.shape
    (3, 1)
    """

    def __init__(self, location=None, *, max_bytes=2**30):
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, Integral) or max_bytes < 1:
            raise ValueError(
                f"max_bytes={max_bytes!r} must be a positive integer, the size of the store in "
                "bytes; 2**30 is 1 GiB."
            )
        self.location = None if location is None else os.fspath(location)
        self.max_bytes = int(max_bytes)

    def fetch(self, network_key, image_keys, compute):
        """Return the features of images, and compute those that are not stored.

        Parameters
        ----------
        network_key : bytes
            A hash of all that the features depend on besides the image: the network, its
            weights, the preprocessing and the image size.
        image_keys : ndarray of shape (n, 2), dtype uint64
            A 128-bit hash of each image's content. Images with the same key are one image.
        compute : callable
            Gets an int array of positions in `image_keys`, of 256 images at most, and returns
            their features as a float32 array of shape (len(rows), d). It must not use the store.

        Returns
        -------
        features : ndarray of shape (n, d), dtype float32
            To the bit as `compute` returned them, in whichever process.

        Raises
        ------
        TypeError
            If `network_key` is not bytes.
        ValueError
            If `image_keys` or what `compute` returns has another form, d is not that of the
            features stored under `network_key`, or the file is damaged or no feature store.
        OSError
            If the location is not a folder, or cannot be made, read or written.

        Warns
        -----
        UserWarning
            If computed features cannot be stored, because the disk is full for example; they
            are returned all the same.
        """
        if not isinstance(network_key, bytes):
            raise TypeError(f"network_key must be bytes, got {network_key!r}.")
        answer = Answer(image_keys)
        storing = True
        with database.open_database(self.location) as connection:
            for keys in _chunks(answer.missing):
                answer.put(*database.find(connection, network_key, keys))
            for keys in _chunks(answer.missing):
                try:
                    if storing:
                        self._compute_and_store(connection, network_key, keys, answer, compute)
                except sqlite3.Error as error:
                    if database.is_damage(error):
                        raise
                    storing = False
                    self._warn(error)
                # Nothing is left unless it cannot be stored.
                answer.compute(keys, compute)
        return answer.complete()

    @property
    def n_computed(self):
        """Features ever computed and stored."""
        return self._ask(database.n_computed)

    @property
    def n_bytes(self):
        """Bytes in use now."""
        return self._ask(database.n_bytes)

    def __len__(self):
        return self._ask(database.n_rows)

    def __repr__(self):
        location = "" if self.location is None else f"{self.location!r}, "
        return f"FeatureStore({location}max_bytes={self.max_bytes})"

    def clear(self):
        """Remove all features, those of other stores at the same location included."""
        self._ask(database.clear)

    def _compute_and_store(self, connection, network_key, keys, answer, compute):
        with database.writing(connection):
            # Another process may have computed some of them while this one waited.
            answer.put(*database.find(connection, network_key, keys))
            computed, features = answer.compute(keys, compute)
            if computed:
                database.add(connection, network_key, computed, features, self.max_bytes)

    def _ask(self, question):
        # To ask does not make a store.
        if self.location is not None and not database.database_file(self.location).is_file():
            return 0
        with database.open_database(self.location) as connection:
            return question(connection)

    def _warn(self, error):
        where = "memory" if self.location is None else str(database.database_file(self.location))
        warnings.warn(
            f"Features cannot be stored in {where!r} any more ({error}). They are computed, but "
            "will be computed again the next time. Make room on its disk, make the file and its "
            "folder writable, or name another folder as location.",
            UserWarning,
            stacklevel=3,
        )


def _chunks(keys):
    """Split keys into lists of a chunk each."""
    keys = list(keys)
    return [keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK)]
