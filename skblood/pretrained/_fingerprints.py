"""Fingerprints of cell images that survive resizing, compression and two ways of cropping.

A fingerprint holds the low-frequency coefficients of a discrete cosine transform, which resizing
and compression hardly change. Divided by their norm, they do not depend on brightness and
contrast; rounded to one byte each, ten thousand of them fit into a small file.
"""

from functools import cache

import numpy as np

from skblood.images import convert_channels

# Coefficients in use, as half periods along rows and columns: the 16 lowest but the mean.
_FREQUENCIES = np.array([(j, i) for j in range(5) for i in range(5) if 0 < j * j + i * i <= 16])
LENGTH = len(_FREQUENCIES)

# Share of each side that is compared, around the center: the cell, without its surroundings.
_PART = 0.8
# The same as shares of two kinds of images: cropped as in BloodMNIST, and PBC's originals
# (363 x 360 px), of which BloodMNIST and similar sets take the central 200 px.
_CROPS = ((_PART, _PART), (_PART * 200 / 363, _PART * 200 / 360))

# Distance up to which two fingerprints match. In PBC, copies at 28 px are up to 3.0 away from the
# images at 128 px and originals up to 4.8; other cells of val and test are 8 or more away.
RADIUS = 7.0

# Pixels in one step of the computation.
_CHUNK = 2**22


def compute_fingerprints(images):
    """Compute the fingerprints of images.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c), dtype uint8

    Returns
    -------
    codes : ndarray of shape (n, 2, LENGTH), dtype int8
        For each image, assuming the crop of BloodMNIST, and assuming a PBC original.
    """
    step = max(1, _CHUNK // max(1, images[:1].size))
    codes = np.empty((len(images), len(_CROPS), LENGTH), np.int8)
    for start in range(0, len(images), step):
        gray = convert_channels(images[start : start + step], 1)[..., 0].astype(np.float32)
        for i, crop in enumerate(_CROPS):
            rows, columns = map(_cosine_basis, gray.shape[1:], crop)
            coefficients = (rows @ gray @ columns.T)[:, *_FREQUENCIES.T]
            norm = np.linalg.norm(coefficients, axis=1, keepdims=True)
            # The coefficients of a blank image are all 0.
            codes[start : start + step, i] = np.rint(127 * coefficients / np.maximum(norm, 1e-3))
    return codes


@cache
def _cosine_basis(side, share):
    """Return the mean of each cosine over each pixel of a side, within its central share."""
    width = share * side
    start = (side - width) / 2
    # In 0..1 within the crop. Pixels at its border count in part, those outside not at all.
    edges = np.clip((np.arange(side + 1) - start) / width, 0, 1)
    frequencies = np.pi * np.arange(1, _FREQUENCIES.max() + 1)[:, None]
    integrals = np.concatenate([edges[None], np.sin(frequencies * edges) / frequencies])
    return np.diff(integrals).astype(np.float32)


def match_fingerprints(codes, tree):
    """Return which images match one of a tree, in one of the two crops.

    Parameters
    ----------
    codes : ndarray of shape (n, 2, LENGTH), dtype int8
    tree : scipy.spatial.cKDTree
        Of fingerprints ``(n, LENGTH)``.

    Returns
    -------
    matches : ndarray of shape (n,), dtype bool
    """
    distance, _ = tree.query(codes.reshape(-1, LENGTH), distance_upper_bound=RADIUS)
    return np.isfinite(distance).reshape(codes.shape[:2]).any(axis=1)
