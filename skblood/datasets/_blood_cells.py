"""Synthetic blood cells, for examples and tests that need no download."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np

from skblood.datasets._cell_drawing import draw_cells
from skblood.datasets._cell_sampling import sample_cells
from skblood.datasets._cell_types import CELL_TYPES
from skblood.datasets._random import generators

__all__ = ["make_blood_cells"]


def make_blood_cells(
    n_samples=800,
    *,
    image_size=64,
    class_weights=None,
    noise=1.0,
    stain_variation=1.0,
    random_state=None,
):
    """Draw images of single stained blood cells, in the eight classes of BloodMNIST.

    Each class is drawn by its morphology: the size and shape of cell and nucleus, the nucleus'
    lobes, the chromatin, the cytoplasm's colour and the granules and their stain. The cell lies in
    any direction, a little off the centre, among red blood cells. Classes overlap: on a few
    thousand small images a perceptron on the pixels does clearly worse than a small convolutional
    network. These are drawings for examples and tests; a score on them tells nothing about real
    smears.

    Parameters
    ----------
    n_samples : int, default=800
        Number of images, at least 1.
    image_size : int, default=64
        Height and width in pixels, from 16 to 512.
    class_weights : mapping of str to float, array-like of shape (8,) or None, default=None
        Proportion of each class: by name, where a class left out is not drawn, or one number a
        class in alphabetical order. They need not sum to 1, and 0 leaves a class out. Images are
        dealt out by largest remainder, so the counts are exact. None draws all classes alike.
    noise : float, default=1.0
        Multiplier of blur and sensor noise, from 0 (a sharp and clean image) to 10.
    stain_variation : float, default=1.0
        Multiplier of the variation between images in the strength and hue of the dyes and in the
        light's colour, brightness and evenness, from 0 (one smear under one lamp) to 10.
    random_state : int, RandomState instance or None, default=None
        Seed of everything drawn. The same int gives the same images; at another `image_size`,
        `noise` or `stain_variation` it gives the same cells. None draws a new set on each call, and
        leaves NumPy's global random state alone.

    Returns
    -------
    X : ndarray of shape (n_samples, image_size, image_size, 3), dtype uint8
        RGB images, in random order.
    y : ndarray of shape (n_samples,), dtype str
        Names of the classes: "basophil", "eosinophil", "erythroblast", "ig" (immature
        granulocytes), "lymphocyte", "monocyte", "neutrophil" and "platelet".

    Raises
    ------
    TypeError
        If a number is not a number, or not an integer where one is needed.
    ValueError
        If a number lies outside its range, or `class_weights` do not name the classes, are not
        eight, are negative or not finite, or sum to 0.

    References
    ----------
    .. [1] A. Acevedo, A. Merino, S. Alférez, Á. Molina, L. Boldú and J. Rodellar, "A dataset of
       microscopic peripheral blood cell images for development of automatic recognition systems",
       Data in Brief 30, 105474, 2020. The real cells whose classes are imitated.

    Examples
    --------
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(40, image_size=32, random_state=0)
    >>> X.shape, X.dtype
    ((40, 32, 32, 3), dtype('uint8'))

    A rare class:

    >>> X, y = make_blood_cells(
    ...     20, image_size=32, class_weights={"neutrophil": 9, "basophil": 1}, random_state=0
    ... )
    >>> import numpy as np
    >>> [(str(name), int(count)) for name, count in zip(*np.unique(y, return_counts=True))]
    [('basophil', 2), ('neutrophil', 18)]
    """
    _check_number("n_samples", n_samples, Integral, 1, np.inf)
    _check_number("image_size", image_size, Integral, 16, 512)
    _check_number("noise", noise, Real, 0, 10)
    _check_number("stain_variation", stain_variation, Real, 0, 10)
    counts = _share_out(n_samples, _check_class_weights(class_weights))
    cell_rng, texture_rng, sensor_rng = generators(random_state, 3)
    labels = cell_rng.permutation(np.repeat(np.arange(len(CELL_TYPES)), counts))
    cells = sample_cells(labels, noise, stain_variation, cell_rng)
    X = draw_cells(cells, image_size, texture_rng, sensor_rng)
    return X, np.array(list(CELL_TYPES))[labels]


def _check_number(name, value, kind, low, high):
    """Raise unless the value is a number of the kind between low and high, both included."""
    if not isinstance(value, kind) or isinstance(value, bool):
        wanted = "an integer" if kind is Integral else "a number"
        raise TypeError(f"{name}={value!r} is a {type(value).__name__}; pass {wanted}.")
    if not low <= value <= high:
        wanted = f"of at least {low}" if high == np.inf else f"from {low} to {high}"
        raise ValueError(f"{name}={value!r} is out of range; pass a value {wanted}.")


def _check_class_weights(class_weights):
    """Return one proportion a class, which sum to 1."""
    names = list(CELL_TYPES)
    if class_weights is None:
        return np.full(len(names), 1 / len(names))
    if isinstance(class_weights, Mapping):
        if unknown := [name for name in class_weights if name not in CELL_TYPES]:
            raise ValueError(f"class_weights name {unknown!r}, which are not among {names}.")
        class_weights = [class_weights.get(name, 0) for name in names]
    try:
        weights = np.asarray(class_weights, dtype=float)
    except (TypeError, ValueError):
        weights = np.empty(0)
    if weights.shape != (len(names),):
        raise ValueError(
            f"class_weights={class_weights!r} is not one number a class; pass {len(names)} "
            f"numbers, in the order of {names}, or a dict from some of these names to numbers."
        )
    if not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() == 0:
        raise ValueError(
            f"class_weights are {weights.tolist()}; pass finite numbers of at least 0, and one of "
            "them more than 0."
        )
    return weights / weights.sum()


def _share_out(n_samples, proportions):
    """Round the classes' shares to whole images by largest remainder."""
    shares = n_samples * proportions
    counts = np.floor(shares).astype(int)
    remainder_order = np.argsort(counts - shares, kind="stable")
    counts[remainder_order[: n_samples - counts.sum()]] += 1
    return counts
