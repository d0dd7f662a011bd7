"""Which images are copies of one another, and what belongs together for it."""

import os

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from skblood.auditing._finding import Finding
from skblood.auditing._near import near_pairs
from skblood.images import file_key

# Standard deviation, in 0..255, below which an image shows nothing. Real cells have more than 20.
BLANK_CONTRAST = 4.0


def find_copies(intake, items):
    """Return a finding for each pair of copies, enough to connect all copies of an image.

    Each image is paired with the first of the same pixels only, and only the first is compared to
    other images: a thousand copies are 999 pairs.
    """
    readable = np.flatnonzero(intake.contents >= 0)
    _, first = np.unique(intake.contents[readable], return_index=True)
    first = readable[first]  # by content, which is numbered from 0
    again = np.setdiff1d(readable, first)
    pairs = np.stack([first[intake.contents[again]], again], axis=1).tolist()
    hashes = _hash_files(items, np.unique(pairs))
    same_file = [i in hashes and hashes[i] == hashes[j] for i, j in pairs]
    copies = [
        Finding("identical_files" if same else "identical_pixels", tuple(pair), 1.0)
        for pair, same in zip(pairs, same_file, strict=True)
    ]
    shown = first[intake.contrast[first] >= BLANK_CONTRAST]
    near, similarity = near_pairs(intake.pictures[shown])
    ordered = np.sort(shown[near], axis=1).tolist()
    return copies + [
        Finding("near_identical", tuple(pair), round(float(score), 4))
        for pair, score in zip(ordered, similarity, strict=True)
    ]


def _hash_files(items, positions):
    """Return position -> hash of the file, for those that are files."""
    hashes = {}
    for i in positions.astype(int).tolist():
        if isinstance(items[i], (str, os.PathLike)):
            hashes[i] = file_key(items[i])
    return hashes


def join(n, copies, groups=None):
    """Return an id for each image, the same for copies of copies and for images of one group."""
    pairs = np.array([each.positions for each in copies], dtype=int).reshape(-1, 2)
    if groups is not None:
        _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
        pairs = np.concatenate([pairs, np.stack([first[inverse], np.arange(n)], axis=1)])
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return connected_components(links, directed=False)[1].astype(int)
