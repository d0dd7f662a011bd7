"""Store of backbone features and decoded image files."""

from __future__ import annotations

import hashlib
import os
import random
import warnings
from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np

from skblood._typing import Floats32, Ints, NDArray, StrPath, UInt8s

from ._folder import folder_rows
from ._memory import process_rows

# Images computed and stored at once; a process that is killed loses no more than these. Of few
# images fewer, but whole batches.
_CHUNK, _BATCH = 256, 64

# Default bounds: 1.3 million decoded images of 64 x 64 pixels fit the second.
_MAX_IN_MEMORY = 2**30
_MAX_IN_FOLDER = 2**34


class FeatureStore:
    """Cache of backbone features and decoded image files, shared by threads and processes.

    A search fits many models on overlapping folds of the same images. With a store, the frozen
    part of the network sees each image once for all of them; with a store in a folder, each image
    file is decoded once, too. Images are identified by their content and files by the content of
    the file, so a renamed file is found again and a changed one is decoded anew. Features belong
    to a key that the caller computes from everything they depend on. Decoded images belong to
    their crop, size, interpolation and channels, and to the versions of the packages that decoded
    them.

    Parameters
    ----------
    location : str or path-like, default=None
        Folder of the store, made when it is first needed; may be shared by several computers.
        Everything is in its subfolder ``rows``. None keeps features in the memory of this process:
        all such stores are one, worker processes do not share it, and decoded images, which a fit
        holds anyway, are not kept in it.
    max_bytes : int, default=None
        Size above which the oldest rows are removed. None is 2**30 (1 GiB) in memory and 2**34
        (16 GiB) in a folder: 1.3 million decoded images of 64 x 64 pixels, or 100,000 of
        224 x 224.

    Attributes
    ----------
    n_computed : int
        Rows that this process has computed for this location, including those removed since. A
        row holds the features of one image by one network, or one decoded image. :meth:`clear`
        sets it to 0.
    n_bytes : int
        Bytes in use now.

    Raises
    ------
    ValueError
        If `max_bytes` is not a positive integer.

    Notes
    -----
    Whenever the store is larger than `max_bytes`, the files that were written first are removed,
    used or not. A set of images larger than the bound is decoded again by each fit: raise
    `max_bytes`. A file larger than the bound is not written.

    A decoded image takes height x width x channels bytes, at the size of the network, or at its
    own if all images are smaller. Each process keeps the keys that it has looked through, about
    150 bytes a row.

    No process waits for another, and none holds a lock: each writes files of its own, of up to 256
    rows, under a temporary name that is changed when the file is whole. This works on network file
    systems, too; what another computer has stored may be seen some seconds later. Processes that
    start together may compute the same rows; both are stored. A process that is killed leaves an
    intact store without the rows that it was computing, and at most one temporary file, which is
    removed after an hour by the next process that stores something. Many small files are merged.

    The files are in the safetensors format: they hold numbers only, and nothing in them is
    executed when they are read. Each row has a digest: one that was changed on the disk is left
    out, with a warning, and computed again. A file whose list of rows is damaged is removed. Files
    of other names are left alone, also the ``features.sqlite`` of former versions.

    ``len(store)`` is the number of rows stored now; a row that two processes computed counts twice.

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

    def __init__(self, location: StrPath | None = None, *, max_bytes: int | None = None) -> None:
        if max_bytes is None:
            max_bytes = _MAX_IN_MEMORY if location is None else _MAX_IN_FOLDER
        _check_positive("max_bytes", max_bytes)
        self.location = None if location is None else os.fspath(location)
        self.max_bytes = int(max_bytes)

    def fetch(
        self,
        network_key: bytes,
        image_keys: NDArray[np.uint64],
        compute: Callable[[Ints], Floats32],
        *,
        batch_size: int = _BATCH,
    ) -> Floats32:
        """Return the features of images; compute and store those that are missing.

        Parameters
        ----------
        network_key : bytes
            Hash of everything that the features depend on besides the image: the network, its
            weights, the preprocessing and the image size.
        image_keys : ndarray of shape (n, 2), dtype uint64
            128-bit hash of each image's content. Equal keys mean the same image.
        compute : callable
            Takes an int array of at most 256 positions in `image_keys`, or `batch_size` if that is
            larger, and returns the features of these images, a float32 array of shape
            (len(rows), d).
        batch_size : int, default=64
            Images that `compute` handles at once: it is given a multiple, and the rest at the end.

        Returns
        -------
        features : ndarray of shape (n, d), dtype float32
            Bit for bit as `compute` returned them, in this process or another.

        Raises
        ------
        ValueError
            If `image_keys` or the result of `compute` has another dtype or shape, if d differs
            from the stored features of the other images, or if `batch_size` is not a positive
            integer.
        OSError
            If the location is not a folder, or cannot be read.

        Warns
        -----
        UserWarning
            If computed features cannot be stored, e.g. because the disk is full or write-protected;
            they are returned all the same. Also if stored ones are damaged: they are computed
            again.
        """
        _check_positive("batch_size", batch_size)
        image_keys = np.asarray(image_keys)
        if image_keys.dtype != np.uint64 or image_keys.shape[1:] != (2,) or image_keys.size == 0:
            raise ValueError(
                "image_keys must be uint64 of shape (n, 2) with n >= 1, a 128-bit hash of each "
                f"image, got {image_keys.dtype} of shape {image_keys.shape}."
            )
        keys = [key.tobytes() for key in image_keys.astype("<u8")]  # the same on every machine
        rows = self._fetch(network_key, keys, compute, _pack_features, batch_size)
        if len(widths := {len(row) // 4 for row in rows.values()}) > 1:
            raise ValueError(
                f"Rows of {sorted(widths)} features have the same network_key. Use a different "
                "one for each network, layer and image size, and clear the store."
            )
        # A bytearray makes the result writable without a copy.
        features = np.frombuffer(bytearray().join([rows[key] for key in keys]), "<f4")
        return features.reshape(len(keys), -1).astype(np.float32, copy=False)

    def fetch_images(
        self, settings: tuple[Any, ...], file_keys: list[bytes], decode: Callable[..., Any]
    ) -> list[UInt8s]:
        """Return decoded image files; decode and store those that are missing.

        Parameters
        ----------
        settings : tuple
            Everything that a decoded image depends on besides the file: crop, size,
            interpolation, channels, versions. Compared by ``repr``.
        file_keys : list of bytes
            128-bit hash of each file's content. Equal keys mean the same image.
        decode : callable
            Takes an int array of at most 256 positions in `file_keys` and returns a list of uint8
            arrays of shape (h, w, c), with None for files that cannot be decoded.

        Returns
        -------
        images : list of ndarray of shape (h, w, c), dtype uint8
            Read-only. None for files that cannot be decoded, which are not stored.

        Raises
        ------
        ValueError, OSError
            As in :meth:`fetch`.

        Warns
        -----
        UserWarning
            As in :meth:`fetch`.
        """
        group = b"images " + hashlib.blake2b(repr(settings).encode(), digest_size=16).digest()
        rows = self._fetch(group, file_keys, decode, _pack_images, _BATCH)
        return [_unpack_image(rows[key]) if key in rows else None for key in file_keys]

    def _fetch(self, group, keys, compute, pack, batch_size):
        """Return the rows of keys as a dict, without those that cannot be computed."""
        first, rows, missing, storing = {}, {}, [], True
        for position, key in enumerate(keys):
            first.setdefault(key, position)
        stored, distinct = self._rows(), list(first)
        # So few at once that processes which start together share the work.
        size = batch_size * max(1, min(_CHUNK, len(distinct) // 16) // batch_size)
        chunks = [distinct[start : start + size] for start in range(0, len(distinct), size)]
        # They take different chunks, and find those of the others.
        random.SystemRandom().shuffle(chunks)
        for chunk in [*chunks, []]:
            missing += chunk
            rows |= stored.find(group, missing)
            missing = [key for key in missing if key not in rows]
            if not missing or (chunk and len(missing) < size):
                continue
            new, missing = missing[:size], missing[size:]
            packed = pack(compute(np.array([first[key] for key in new])), len(new))
            computed = {key: row for key, row in zip(new, packed, strict=True) if row}
            rows |= computed
            try:
                if storing:
                    stored.add(group, computed, self.max_bytes)
            except OSError as error:
                storing = False
                warnings.warn(
                    f"Nothing more can be stored in {self.location!r} ({error}). Free disk space, "
                    "make it writable, or use another location.",
                    stacklevel=3,
                )
        return rows

    @property
    def n_computed(self) -> int:
        """Rows computed by this process."""
        return self._rows().figures()[1]

    @property
    def n_bytes(self) -> int:
        """Bytes in use now."""
        return self._rows().figures()[2]

    def __len__(self) -> int:
        return self._rows().figures()[0]

    def __repr__(self) -> str:
        location = "" if self.location is None else f"{self.location!r}, "
        return f"FeatureStore({location}max_bytes={self.max_bytes})"

    def clear(self) -> None:
        """Remove all rows, including those of other stores at the same location."""
        self._rows().clear()

    def _rows(self):
        return process_rows() if self.location is None else folder_rows(self.location)


def _check_positive(name, value):
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name}={value!r} must be a positive integer.")


def _pack_features(features, n):
    """Return features of n images as bytes."""
    features = np.asarray(features)
    shape = features.shape
    if features.dtype != np.float32 or len(shape) != 2 or n != shape[0] or 0 in shape:
        raise ValueError(
            f"compute must return float32 features of shape ({n}, d) for {n} rows, got "
            f"{features.dtype} of shape {shape}."
        )
    return [row.tobytes() for row in features.astype("<f4", copy=False)]


def _pack_images(images, _n):
    """Return images as bytes: height and width, then the pixels; False for None."""
    return [
        image is not None and np.array(image.shape[:2], "<u4").tobytes() + image.tobytes()
        for image in images
    ]


def _unpack_image(row):
    height, width = map(int, np.frombuffer(row, "<u4", count=2))
    return np.frombuffer(row, np.uint8, offset=8).reshape(height, width, -1)
