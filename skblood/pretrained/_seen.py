"""Whether images are those that the ready model was trained on, and the warning that they are."""

import warnings
from functools import cache
from pathlib import Path

import numpy as np

from skblood.networks import READY_WEIGHTS
from skblood.pretrained._fingerprints import as_tree, fingerprints, known

_FILE = Path(__file__).with_name("pbc8_seen.npy")


class SeenImagesWarning(UserWarning):
    """Images are met again that the weights in use were trained on, so that scores mislead.

    The ready model was trained on the train part of PBC, which BloodMNIST is made of. The
    fingerprints of those images come with it; `fit` and `score` warn where its weights are used.

    Parameters
    ----------
    message : str
        How many images, and what to do.

    Examples
    --------
    Whoever knows, and wants to be told no more:

    >>> import warnings
    >>> from skblood.pretrained import SeenImagesWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", SeenImagesWarning)
    """

    def __init__(self, message):
        super().__init__(message)


@cache
def _trained_on():
    """Return what finds the neighbours of the fingerprints of the training images."""
    return as_tree(np.load(_FILE, allow_pickle=False))


def seen(images):
    """Say which images the ready model was trained on.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c), dtype uint8

    Returns
    -------
    seen : ndarray of shape (n,), dtype bool
    """
    return known(fingerprints(images), _trained_on())


def starts_from_ready(model):
    """Say whether a model has, or had at first, the weights of the ready one; it may be any."""
    weights = getattr(model, "weights", None)
    each = weights if isinstance(weights, list | tuple | np.ndarray) else [weights]
    return any(isinstance(one, str) and one == READY_WEIGHTS for one in each)


def warn_before_fit(images, valid_images):
    """Warn if images to be trained on, or validated on, have been trained on before."""
    met = [
        f"{n:,} of the {len(some):,} images of {name}"
        for name, some in (("X", images), ("X_val", valid_images))
        if some is not None and (n := int(seen(some).sum()))
    ]
    if met:
        warnings.warn(
            f"weights={READY_WEIGHTS!r} were trained on {' and '.join(met)}. To train on them "
            "again does no harm, but no score on them is honest: not that of early stopping or of "
            "X_val, nor that of cross-validation or any other split. Judge and compare on other "
            "images, or start from weights=None.",
            SeenImagesWarning,
            stacklevel=4,  # who called fit
        )


def warn_of_score(images):
    """Warn if images to be scored on have been trained on."""
    n = int(seen(images).sum())
    if n:
        warnings.warn(
            f"{n:,} of the {len(images):,} images to be scored on are images that the weights "
            f"{READY_WEIGHTS!r}, which this model started from, were trained on: the train part "
            "of PBC, which BloodMNIST is made of. The score is better than on other cells. Leave "
            "them out; skblood.audit names them.",
            SeenImagesWarning,
            stacklevel=4,  # who called score
        )
