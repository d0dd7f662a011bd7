"""Overlap of given images with the training images of the pretrained model."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from skblood.networks import PRETRAINED_WEIGHTS

from ._fingerprints import compute_fingerprints, match_fingerprints

_PBC = (
    "A. Acevedo, A. Merino, S. Alférez, Á. Molina, L. Boldú, J. Rodellar (2020): A dataset of "
    "microscopic peripheral blood cell images for development of automatic recognition systems, "
    "Data in Brief 30:105474, Mendeley Data, doi:10.17632/snkd93bnjr.1, CC BY 4.0 "
    "(https://creativecommons.org/licenses/by/4.0/). The images were cropped and resized."
)
_START = "The training started from the weights of skblood's pretrained model"
_KEEP = "Keep this notice with models made from them."
# What the licences of the training images ask of everybody who shares weights made from them.
ATTRIBUTIONS = {
    "pbc": f"{_START} pbc8, which are derived from images of {_PBC} The weights are licensed under "
    f"CC BY 4.0, too. {_KEEP}",
    "blood8-2": f"{_START} blood8-2, which are derived from images of {_PBC}; from images of the "
    "WBC dataset of Chulalongkorn University (MIT License, "
    "https://github.com/singgihbekti/WBC_Dataset); and from the ImageNet weights of "
    "EfficientNet-Lite0 (Copyright The TensorFlow Authors, Apache License 2.0), which were changed "
    f"by further training. The weights are licensed under CC BY 4.0. {_KEEP}",
}
_PBC_FILE, _CHULA_FILE = (
    Path(__file__).with_name(f"{name}_fingerprints.npy") for name in ("pbc8", "chula")
)
# Fingerprints of the images that each was trained on.
FINGERPRINT_FILES = {"pbc": (_PBC_FILE,), "blood8-2": (_PBC_FILE, _CHULA_FILE)}


class TrainingOverlapWarning(UserWarning):
    """Images to be fitted or scored are training images of the pretrained weights in use.

    The pretrained models were trained on the train part of PBC, from which BloodMNIST is made, and
    "blood8-2" on images of Chulalongkorn University, too. Fingerprints of these images come with
    the package; `fit` and `score` compare with them wherever the weights are in use.

    Parameters
    ----------
    message : str
        How many images, and what to do.

    Examples
    --------
    Silence it where the overlap is intended:

    >>> import warnings
    >>> from skblood import TrainingOverlapWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", TrainingOverlapWarning)
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)


@cache
def _training_tree(names):
    """Return the search tree of the fingerprints of the training images."""
    files = dict.fromkeys(file for name in names for file in FINGERPRINT_FILES[name])
    codes = [np.load(file, allow_pickle=False) for file in files]
    return cKDTree(np.concatenate(codes))


def find_training_overlap(images, weights=None):
    """Return which images the pretrained models were trained on.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c), dtype uint8
    weights : list of str, default=None
        Names of the pretrained weights; None is any of them.

    Returns
    -------
    overlap : ndarray of shape (n,), dtype bool
    """
    tree = _training_tree(tuple(FINGERPRINT_FILES if weights is None else weights))
    return match_fingerprints(compute_fingerprints(images), tree)


def pretrained_weights(backbones):
    """Return the names of the pretrained weights that the training of a network started from.

    Parameters
    ----------
    backbones : sequence of skblood.networks.BackboneSpec

    Returns
    -------
    names : list of str
    """
    return list(dict.fromkeys(b.weights for b in backbones if b.weights in PRETRAINED_WEIGHTS))


def _count_overlap(part, weights):
    found = part if part.dtype == bool else find_training_overlap(part, weights)
    return np.count_nonzero(found)


def overlap_message(weights, images, valid_images=None, name="X"):
    """Return the text of the warning of `fit` or `score`, or None if there is no overlap.

    Parameters
    ----------
    weights : list of str
        Names of the pretrained weights in use, if any.
    images, valid_images : ndarray of shape (n, h, w, c), dtype uint8
        X and X_val, not cropped; or of shape (n,), dtype bool, from `find_training_overlap`.
    name : str, default="X"
        What `images` are.
    """
    counts = [
        f"{n:,} of the {len(part):,} images of {name}"
        for name, part in ((name, images), ("X_val", valid_images))
        if weights and part is not None and (n := _count_overlap(part, weights))
    ]
    if not counts:
        return None
    return (
        f"weights={' and '.join(map(repr, weights))} were trained on {' and '.join(counts)}: "
        "scores on them are too high. Leave them out (skblood.audit lists them), or, to train a "
        "model, start from weights=None."
    )
