"""The answer to one fetch, filled piece by piece."""

import numpy as np


class Answer:
    """Features in the order of the image keys; equal keys are one image.

    Parameters
    ----------
    image_keys : ndarray of shape (n, 2), dtype uint64

    Attributes
    ----------
    missing : dict of bytes to int
        The distinct keys that have no features yet, and the first position of each.
    features : ndarray of shape (n, d), dtype float32, or None
        None as long as d is not known.
    """

    def __init__(self, image_keys):
        keys = _split(image_keys)
        self.missing = {}
        for position, key in enumerate(keys):
            self.missing.setdefault(key, position)
        self.features = None
        self._source = np.array([self.missing[key] for key in keys])

    def put(self, keys, features):
        """Take the features of some missing keys.

        Parameters
        ----------
        keys : list of bytes
        features : ndarray of shape (len(keys), d), dtype float32, or None
            Without rows they still tell what d is. None if there are no keys and d is not known.

        Raises
        ------
        ValueError
            If d is not that of the features that were put before.
        """
        if features is None:
            return
        width = features.shape[1]
        if self.features is None:
            self.features = np.empty((len(self._source), width), np.float32)
        if width != self.features.shape[1]:
            raise ValueError(
                f"The network gives {width} features for an image, but {self.features.shape[1]} "
                "are stored under its network_key. Give each network, and each layer or image "
                "size of it, a network_key of its own, or clear the store."
            )
        self.features[[self.missing.pop(key) for key in keys]] = features

    def compute(self, keys, compute):
        """Compute and put the features of those among some keys that are missing.

        Returns
        -------
        keys : list of bytes
            Those that were missing.
        features : ndarray of shape (len(keys), d), dtype float32
        """
        keys = [key for key in keys if key in self.missing]
        if not keys:
            return keys, np.empty((0, 0), np.float32)
        features = np.asarray(compute(np.array([self.missing[key] for key in keys])))
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
        self.put(keys, features)
        return keys, features

    def complete(self):
        """Return all features, those of repeated keys included."""
        copies = np.flatnonzero(self._source != np.arange(len(self._source)))
        self.features[copies] = self.features[self._source[copies]]
        return self.features


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
