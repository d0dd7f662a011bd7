"""Synthetic blood cells, for examples and tests."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real

import numpy as np

from skblood._sklearn import Interval, validate_parameter_constraints
from skblood._typing import ArrayLike, NDArray, RandomState, UInt8s
from skblood.datasets._cell_drawing import draw_cells
from skblood.datasets._cell_sampling import CLASSES, sample_cells
from skblood.datasets._random import generators

_CONSTRAINTS = {
    "n_samples": [Interval(Integral, 1, None, closed="left")],
    "image_size": [Interval(Integral, 16, 512, closed="both")],
    "noise": [Interval(Real, 0, 10, closed="both")],
    "stain_variation": [Interval(Real, 0, 10, closed="both")],
}


def make_blood_cells(
    n_samples: int = 800,
    *,
    image_size: int = 64,
    class_weights: Mapping[str, float] | ArrayLike | None = None,
    noise: float = 1.0,
    stain_variation: float = 1.0,
    random_state: RandomState = None,
) -> tuple[UInt8s, NDArray[np.str_]]:
    """Draw synthetic images of single stained blood cells of eight classes.

    The classes are those of BloodMNIST. They differ in size and shape of cell and nucleus, lobes,
    chromatin, and color of cytoplasm and granules. Cells lie in any direction, slightly off the
    center, among red blood cells. The classes overlap: on a few thousand small images, a
    perceptron on the pixels is clearly worse than a small convolutional network. The images are
    for examples and tests; scores on them say nothing about real smears.

    Parameters
    ----------
    n_samples : int, default=800
        Number of images, at least 1.
    image_size : int, default=64
        Height and width in pixels, from 16 to 512.
    class_weights : mapping of str to float, array-like of shape (8,) or None, default=None
        Proportion of each class: by name, where missing names mean 0, or one number per class in
        alphabetical order. They are normalized to sum to 1, and rounded to whole images by largest
        remainder. None means equal proportions.
    noise : float, default=1.0
        Multiplier of blur and sensor noise, from 0 (neither) to 10.
    stain_variation : float, default=1.0
        Multiplier of the variation between images, from 0 (none) to 10: strength and hue of the
        dyes; color, brightness and evenness of the light.
    random_state : int, RandomState instance or None, default=None
        Seed of all random numbers. The same int gives the same images, and the same cells at
        another `image_size`, `noise` or `stain_variation`. None gives new images on each call,
        without use of NumPy's global random state.

    Returns
    -------
    X : ndarray of shape (n_samples, image_size, image_size, 3), dtype uint8
        RGB images, in random order.
    y : ndarray of shape (n_samples,), dtype str
        Names of the classes: "basophil", "eosinophil", "erythroblast", "ig" (immature
        granulocytes), "lymphocyte", "monocyte", "neutrophil" and "platelet".

    Raises
    ------
    ValueError
        If a parameter has the wrong type or lies outside its range, or `class_weights` has unknown
        names, not eight numbers, negative or infinite numbers, or the sum 0.

    References
    ----------
    .. [1] A. Acevedo, A. Merino, S. Alférez, Á. Molina, L. Boldú and J. Rodellar, "A dataset of
       microscopic peripheral blood cell images for development of automatic recognition systems",
       Data in Brief 30, 105474, 2020. The real images.

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
    given = {"n_samples": n_samples, "image_size": image_size}
    given |= {"noise": noise, "stain_variation": stain_variation}
    validate_parameter_constraints(_CONSTRAINTS, given, "make_blood_cells")
    ideal = n_samples * _check_class_weights(class_weights)
    counts = np.floor(ideal).astype(int)
    counts[np.argsort(counts - ideal, kind="stable")[: n_samples - counts.sum()]] += 1
    cell_rng, texture_rng, sensor_rng = generators(random_state, 3)
    labels = cell_rng.permutation(np.repeat(np.arange(len(CLASSES)), counts))
    cells = sample_cells(labels, noise, stain_variation, cell_rng)
    return draw_cells(cells, image_size, texture_rng, sensor_rng), np.array(CLASSES)[labels]


def _check_class_weights(class_weights):
    """Return the proportions of the classes, which sum to 1."""
    if class_weights is None:
        class_weights = np.ones(len(CLASSES))
    if isinstance(class_weights, Mapping):
        if unknown := [name for name in class_weights if name not in CLASSES]:
            raise ValueError(f"class_weights names {unknown}, which are not among {CLASSES}.")
        class_weights = [class_weights.get(name, 0) for name in CLASSES]
    weights = np.asarray(class_weights, dtype=float)
    is_valid = weights.shape == (len(CLASSES),) and np.isfinite(weights).all()
    if not is_valid or weights.min() < 0 or weights.sum() == 0:
        raise ValueError(
            f"class_weights={class_weights!r} must be {len(CLASSES)} finite numbers of at least 0, "
            f"not all 0, in the order {CLASSES}, or a dict from names to numbers."
        )
    return weights / weights.sum()
