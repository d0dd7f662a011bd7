"""Overlap of given images with the training images of the pretrained model."""

from functools import cache
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from skblood.networks import PRETRAINED_WEIGHTS

from ._fingerprints import compute_fingerprints, match_fingerprints

# What the licence of its training images asks of everybody who shares weights made from them.
ATTRIBUTION = (
    "The training started from the weights of skblood's pretrained model pbc8, which are derived "
    "from images of A. Acevedo, A. Merino, S. Alférez, Á. Molina, L. Boldú, J. Rodellar (2020): A "
    "dataset of microscopic peripheral blood cell images for development of automatic recognition "
    "systems, Data in Brief 30:105474, Mendeley Data, doi:10.17632/snkd93bnjr.1. The images were "
    "cropped and resized. They and these weights are licensed under CC BY 4.0 "
    "(https://creativecommons.org/licenses/by/4.0/): keep this notice with models made from them."
)
FINGERPRINTS_FILE = Path(__file__).with_name("pbc8_fingerprints.npy")


class TrainingOverlapWarning(UserWarning):
    """Images to be fitted or scored are training images of the pretrained weights in use.

    The pretrained model was trained on the train part of PBC, from which BloodMNIST is made.
    Fingerprints of these images come with the package; `fit` and `score` compare with them
    wherever the weights are in use.

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

    def __init__(self, message):
        super().__init__(message)


@cache
def _training_tree():
    """Return the search tree of the fingerprints of the training images."""
    return cKDTree(np.load(FINGERPRINTS_FILE, allow_pickle=False))


def find_training_overlap(images):
    """Return which images the pretrained model was trained on.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c), dtype uint8

    Returns
    -------
    overlap : ndarray of shape (n,), dtype bool
    """
    return match_fingerprints(compute_fingerprints(images), _training_tree())


def starts_from_pretrained(spec):
    """Return whether the training of a network started from the weights of the pretrained model.

    Parameters
    ----------
    spec : skblood.networks.NetworkSpec
    """
    return any(backbone.weights == PRETRAINED_WEIGHTS for backbone in spec.backbones)


def overlap_message(images, valid_images=None):
    """Return the text of the warning of `fit` or `score`, or None if there is no overlap.

    Parameters
    ----------
    images, valid_images : ndarray of shape (n, h, w, c), dtype uint8
        X and X_val, not cropped.
    """
    counts = [
        f"{n:,} of the {len(part):,} images of {name}"
        for name, part in (("X", images), ("X_val", valid_images))
        if part is not None and (n := int(find_training_overlap(part).sum()))
    ]
    if not counts:
        return None
    return (
        f"weights={PRETRAINED_WEIGHTS!r} were trained on {' and '.join(counts)}: scores on them "
        "are too high. Leave them out (skblood.audit lists them), or start from weights=None."
    )
