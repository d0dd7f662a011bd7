"""Copies among images: identical files, identical pixels, nearly identical images."""

import os

import numpy as np

from skblood.images import EncodedImage, file_key

from ._finding import Finding
from ._near import find_near_pairs

_FILES = (str, os.PathLike, EncodedImage)
# Standard deviation, in 0..255, below which an image is blank. Real cells have more than 20.
BLANK_CONTRAST = 4.0


def find_copies(summary, images):
    """Return a finding for each pair of copies, as many as connect all copies of an image.

    Images of identical pixels are paired with the first of them, and only that one is compared
    with other images: a thousand copies give 999 pairs. Blank images are not compared.

    Parameters
    ----------
    summary : structured ndarray
        Made by `summarize_images`.
    images : ndarray or list
        Files in it are hashed, to tell identical files from identical pixels.
    """
    positions = summary["position"]
    _, first, codes = np.unique(summary["content"], axis=0, return_index=True, return_inverse=True)
    repeated = np.setdiff1d(np.arange(len(summary)), first)
    pairs = positions[np.stack([first[codes.ravel()[repeated]], repeated], axis=1)]
    paths = [i for i in set(pairs.ravel().tolist()) if isinstance(images[i], _FILES)]
    hashes = {i: file_key(images[i]) for i in paths}
    copies = []
    for i, j in pairs.tolist():
        same_file = i in hashes and hashes[i] == hashes[j]
        kind = "identical_files" if same_file else "identical_pixels"
        copies.append(Finding(kind, (i, j), similarity=1.0))
    compared = np.sort(first)
    compared = compared[summary["contrast"][compared] >= BLANK_CONTRAST]
    near, similarity = find_near_pairs(summary["picture"][compared])
    return copies + [
        Finding("near_identical", tuple(pair), similarity=round(float(score), 4))
        for pair, score in zip(positions[compared[near]].tolist(), similarity, strict=True)
    ]
