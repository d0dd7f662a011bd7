"""The store of features and decoded images: in a folder, or in the memory of the process."""

import hashlib
import os
import sqlite3
import warnings
from numbers import Integral

from . import _database as database
from ._answer import Features, Images

# Images computed and stored at once. Nobody else computes meanwhile, and who is killed meanwhile
# loses no more than these.
_CHUNK = 256

# The bounds by default: a small part of a computer's memory, and of its disk. The second holds
# 1.3 million images of 64 x 64 pixels, or 100,000 of 224 x 224.
_MAX_IN_MEMORY = 2**30
_MAX_IN_FOLDER = 2**34


class FeatureStore:
    """What is costly to make of images, each made once: features, and decoded image files.

    A search fits many models on many folds of the same images. With a store, all of them, in all
    threads and processes, run the frozen part of the network once for each image; with one in a
    folder, they decode each image file once, too. Images are known by their content, files by
    the content of the file, so that one that was renamed is found again and one that was changed
    is decoded anew. Networks are known by a key that the caller makes of all that their features
    depend on, and decoded images belong to the size, interpolation and channels that they were
    brought to, and to the versions of what decoded them.

    Parameters
    ----------
    location : str or path-like, default=None
        Folder of the store, made when it is first needed; all is in a file ``features.sqlite`` in
        it. None is the memory of this process, where all stores are one: worker processes do not
        share it, and decoded images, which a fit holds anyway, are not kept in it.
    max_bytes : int, default=None
        Size above which the oldest rows are removed. None is 2**30 (1 GiB) in memory, and 2**34
        (16 GiB) in a folder: 1.3 million decoded images of 64 x 64 pixels, or 100,000 of
        224 x 224. An empty store has about 400 kB.

    Attributes
    ----------
    n_computed : int
        Rows that were ever computed and stored, by all processes: the features of one image by
        one network, or one decoded image. Those removed since are counted, too; :meth:`clear`
        sets it to 0.
    n_bytes : int
        Bytes in use now.

    Raises
    ------
    ValueError
        If `max_bytes` is not a positive integer.

    Notes
    -----
    The store is bounded: whenever it is larger than `max_bytes`, the rows that came first are
    removed, used or not. Their room is used again; the file shrinks with :meth:`clear` only. So a
    set of images that is larger than the bound is decoded again by each fit: raise `max_bytes`.

    A decoded image takes height x width x channels bytes, as the fit needs it: at the size of the
    network, or its own if all are smaller.

    SQLite's locks let a single thread or process compute and write at a time, 256 images at most,
    and the others read meanwhile. Who is killed leaves a whole store, without the images that were
    just being computed. The locks work on a local disk, and on a network file system only if that
    has working ones.

    The file holds numbers only, nothing that runs when it is read.

    ``len(store)`` is the number of rows held now.

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

    def __init__(self, location=None, *, max_bytes=None):
        if max_bytes is None:
            max_bytes = _MAX_IN_MEMORY if location is None else _MAX_IN_FOLDER
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, Integral) or max_bytes < 1:
            raise ValueError(
                f"max_bytes={max_bytes!r} must be a positive integer, the size of the store in "
                "bytes (2**30 is 1 GiB), or None."
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
        return self._fetch(network_key, Features(image_keys), compute)

    def fetch_images(self, settings, file_keys, decode):
        """Return decoded image files, and decode those that are not stored.

        Parameters
        ----------
        settings : tuple
            All that the decoded image depends on besides the file: size, interpolation, channels,
            versions. What has the same ``repr`` is the same.
        file_keys : list of bytes
            A 128-bit hash of each file's content. Files with the same key are one image.
        decode : callable
            Gets an int array of positions in `file_keys`, of 256 at most, and returns a list of
            uint8 arrays of shape (h, w, c), with None for what cannot be decoded. It must not use
            the store.

        Returns
        -------
        images : list of ndarray of shape (h, w, c), dtype uint8
            Maybe read-only. None for what cannot be decoded.

        Raises
        ------
        ValueError, OSError
            As in :meth:`fetch`.

        Warns
        -----
        UserWarning
            As in :meth:`fetch`.
        """
        key = hashlib.blake2b(repr(settings).encode(), digest_size=16).digest()
        return self._fetch(b"images " + key, Images(file_keys), decode)

    def _fetch(self, network_key, answer, compute):
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
        """Rows ever computed and stored."""
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
        """Remove all rows, those of other stores at the same location included."""
        self._ask(database.clear)

    def _compute_and_store(self, connection, network_key, keys, answer, compute):
        with database.writing(connection):
            # Another process may have computed some of them while this one waited.
            answer.put(*database.find(connection, network_key, keys))
            if rows := answer.compute(keys, compute):
                database.add(connection, network_key, rows, answer.width, self.max_bytes)

    def _ask(self, question):
        # To ask does not make a store.
        if self.location is not None and not database.database_file(self.location).is_file():
            return 0
        with database.open_database(self.location) as connection:
            return question(connection)

    def _warn(self, error):
        where = "memory" if self.location is None else str(database.database_file(self.location))
        warnings.warn(
            f"What is computed of images cannot be stored in {where!r} any more ({error}). It is "
            "used, but will be computed again the next time. Make room on its disk, make the file "
            "and its folder writable, or name another folder as location.",
            UserWarning,
            stacklevel=4,
        )


def _chunks(keys):
    """Split keys into lists of a chunk each."""
    keys = list(keys)
    return [keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK)]
