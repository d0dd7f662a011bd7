"""Fingerprints: alike for a picture of a cell in any size, codec and of two framings.

A picture is described by its slowest cosine waves, as JPEG describes a block: they stay what they
are when it is resized or compressed. Divided by their norm, they know no brightness and no
contrast, and rounded to a byte each, ten thousand pictures fit into a small file.
"""

from functools import cache

import numpy as np
from scipy.spatial import cKDTree

from skblood.images import convert_channels

# The waves that are counted, as half periods down and across: the 16 slowest ones but the mean.
_WAVES = np.array([(j, i) for j in range(5) for i in range(5) if 0 < j * j + i * i <= 16])
LENGTH = len(_WAVES)

# What is looked at is the middle of a cell's picture, which tells more than its margins.
_PART = 0.8
# As shares of height and width: in the framing of BloodMNIST, and in that of PBC's originals
# (363 x 360 px), out of which BloodMNIST and its kin take the central 200 px.
_FRAMES = ((_PART, _PART), (_PART * 200 / 363, _PART * 200 / 360))

# Distance up to which two fingerprints are of one picture. Of PBC, copies at 28 px had
# 3.0 or less, and originals 4.8 or less, to those at 128 px; other cells of val and test 8 or more.
RADIUS = 7.0

# Pixels that are computed with at a time.
_CHUNK = 2**22


def fingerprints(images):
    """Describe images.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c), dtype uint8

    Returns
    -------
    codes : ndarray of shape (n, 2, LENGTH), dtype int8
        Of each image in the framing of BloodMNIST, and in that of PBC's originals.
    """
    step = max(1, _CHUNK // max(1, images[:1].size))
    codes = np.empty((len(images), len(_FRAMES), LENGTH), np.int8)
    for start in range(0, len(images), step):
        chunk = convert_channels(images[start : start + step], 1)[..., 0].astype(np.float32)
        for i, frame in enumerate(_FRAMES):
            down, across = map(_waves, chunk.shape[1:], frame)
            strength = (down @ chunk @ across.T)[:, *_WAVES.T]
            norm = np.linalg.norm(strength, axis=1, keepdims=True)
            # A blank picture has no waves: no reason to divide by zero.
            codes[start : start + step, i] = np.rint(127 * strength / np.maximum(norm, 1e-3))
    return codes


@cache
def _waves(side, share):
    """Return the mean of each cosine wave in each pixel of a side, for the central share of it."""
    width = share * side
    start = (side - width) / 2
    # In 0..1 within the frame; pixels that it cuts through count in part, those outside not at all.
    edges = np.clip((np.arange(side + 1) - start) / width, 0, 1)
    fast = np.pi * np.arange(1, _WAVES.max() + 1)[:, None]
    integrals = np.concatenate([edges[None], np.sin(fast * edges) / fast])
    return np.diff(integrals).astype(np.float32)


def known(codes, tree):
    """Say which images are, in one framing or the other, among those of a tree.

    Parameters
    ----------
    codes : ndarray of shape (n, 2, LENGTH), dtype int8
    tree : cKDTree
        See `as_tree`.

    Returns
    -------
    known : ndarray of shape (n,), dtype bool
    """
    distance, _ = tree.query(codes.reshape(-1, LENGTH), distance_upper_bound=RADIUS)
    return np.isfinite(distance).reshape(codes.shape[:2]).any(axis=1)


def as_tree(codes):
    """Return what finds the neighbours of fingerprints ``(n, LENGTH)``."""
    return cKDTree(codes)
