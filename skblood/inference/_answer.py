"""The answer to one fetch, filled piece by piece: features, or decoded images."""

import numpy as np


class _Answer:
    """What equal keys share, and what is still missing.

    Parameters
    ----------
    keys : list of bytes

    Attributes
    ----------
    missing : dict of bytes to int
        The distinct keys that have no row yet, and the first position of each.
    width : int or None
        Numbers in a row; None if it is not known, or not the same for all.
    """

    def __init__(self, keys):
        self.missing = {}
        for position, key in enumerate(keys):
            self.missing.setdefault(key, position)
        self.width = None
        self._source = np.array([self.missing[key] for key in keys])

    def put(self, found, width):
        """Take rows that are stored: a dict of key to bytes, and the width that all have."""
        raise NotImplementedError

    def compute(self, keys, compute):
        """Compute and take the rows of those among some keys that are missing.

        Returns
        -------
        rows : dict of bytes to bytes-like
            What is to be stored.
        """
        keys = [key for key in keys if key in self.missing]
        if not keys:
            return {}
        return self._take(keys, compute(np.array([self.missing[key] for key in keys])))

    def _take(self, keys, computed):
        raise NotImplementedError


class Features(_Answer):
    """Features in the order of the image keys.

    Parameters
    ----------
    image_keys : ndarray of shape (n, 2), dtype uint64
    """

    def __init__(self, image_keys):
        super().__init__(_split(image_keys))
        self._features = None

    def put(self, found, width):
        """Take stored features; without any, the width still tells what is stored."""
        if width is not None:
            features = np.frombuffer(b"".join(found.values()), "<f4")
            self._put(list(found), features.reshape(len(found), width))

    def _take(self, keys, computed):
        features = np.asarray(computed)
        if (
            features.dtype != np.float32
            or features.ndim != 2
            or len(features) != len(keys)
            or features.size == 0
        ):
            raise ValueError(
                f"compute must return float32 features of shape ({len(keys)}, d) for {len(keys)} "
                f"rows, got {features.dtype} of shape {features.shape}."
            )
        self._put(keys, features)
        return dict(zip(keys, np.ascontiguousarray(features, "<f4"), strict=True))

    def _put(self, keys, features):
        width = features.shape[1]
        if self._features is None:
            self._features, self.width = np.empty((len(self._source), width), np.float32), width
        if width != self.width:
            raise ValueError(
                f"The network gives {width} features for an image, but {self.width} "
                "are stored under its network_key. Give each network, and each layer or image "
                "size of it, a network_key of its own, or clear the store."
            )
        self._features[[self.missing.pop(key) for key in keys]] = features

    def complete(self):
        """Return all features, those of repeated keys included."""
        copies = np.flatnonzero(self._source != np.arange(len(self._source)))
        self._features[copies] = self._features[self._source[copies]]
        return self._features


class Images(_Answer):
    """Images in the order of the file keys; each has a shape of its own.

    A stored image is its height and width, then its pixels.

    Parameters
    ----------
    file_keys : list of bytes
    """

    def __init__(self, file_keys):
        super().__init__(file_keys)
        self._images = {}

    def put(self, found, width):
        """Take stored images."""
        for key, row in found.items():
            height, width = map(int, np.frombuffer(row, "<u4", count=2))
            pixels = np.frombuffer(row, np.uint8, offset=8)
            self._images[self.missing.pop(key)] = pixels.reshape(height, width, -1)

    def _take(self, keys, computed):
        for key, image in zip(keys, computed, strict=True):
            self._images[self.missing.pop(key)] = image
        return {
            key: np.array(image.shape[:2], "<u4").tobytes() + image.tobytes()
            for key, image in zip(keys, computed, strict=True)
            if image is not None
        }

    def complete(self):
        """Return all images, None for those that could not be decoded."""
        return [self._images[position] for position in self._source]


def _split(image_keys):
    """Return each key as 16 bytes, the same on every machine."""
    image_keys = np.asarray(image_keys)
    if image_keys.dtype != np.uint64 or image_keys.ndim != 2 or image_keys.shape[1] != 2:
        raise ValueError(
            "image_keys must be uint64 of shape (n, 2), a 128-bit hash for each image, got "
            f"{image_keys.dtype} of shape {image_keys.shape}."
        )
    if len(image_keys) == 0:
        raise ValueError("image_keys is empty; give the key of one image or more.")
    packed = image_keys.astype("<u8").tobytes()
    return [packed[start : start + 16] for start in range(0, len(packed), 16)]
