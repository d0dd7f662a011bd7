"""Segmentation of many images at once: thresholds, nuclei, and what is around them.

Arrays of masks are stacks: no operation connects one image with the next.
"""

import numpy as np
from scipy import ndimage

# Side of the images that are worked on.
SIDE = 96
# An image whose gray levels lie closer together is blank.
_LEAST_CONTRAST = 12
_BINS = 64
# Pixels on each side that parts must be apart, and pixels to which thinner parts are lost, such as
# the rims of red cells.
_JOIN, _OPEN = 2, 3
# Standard deviation of the weight of a pixel around the center, in sides.
_CENTER = 0.25
_CROSS = np.zeros((3, 3, 3), bool)
_CROSS[1] = ndimage.generate_binary_structure(2, 1)
# Directions in which the edge of the cell is looked for, and steps on each way.
_N_RAYS = 48
# Coordinates of the pixels' centers, from the center of the image, in sides.
AXIS = (np.arange(SIDE) + 0.5) / SIDE - 0.5


def _disc(radius):
    step = np.arange(-radius, radius + 1) ** 2
    return (step[:, None] + step <= radius * (radius + 0.5))[None]


def darkness_levels(images):
    """Return how dark each pixel is by classes: 2 as nuclei, 1 as cytoplasm, 0 as background.

    Red and green are averaged: chromatin takes up both, red cells hardly any red. The thresholds
    are those of Otsu for three classes [1]_.

    Parameters
    ----------
    images : ndarray of shape (n, SIDE, SIDE, c), dtype uint8

    Returns
    -------
    levels : ndarray of shape (n, SIDE, SIDE), dtype uint8

    References
    ----------
    .. [1] N. Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on
       Systems, Man, and Cybernetics 9(1), 1979.
    """
    light = images[..., :2].mean(3, dtype=np.float32)
    least, most = np.percentile(light, (0.5, 99.5), axis=(1, 2), keepdims=True)
    light = ndimage.gaussian_filter(light, (0, 0.6, 0.6))
    scaled = (light - least) * (_BINS / np.maximum(most - least, 1))
    bins = np.clip(scaled, 0, _BINS - 1).astype(np.int64)
    low, high = _otsu(bins)
    levels = (bins < low[:, None, None]).astype(np.uint8) + (bins < high[:, None, None])
    return levels * (most - least >= _LEAST_CONTRAST)


def _otsu(bins):
    """Return the two thresholds of each image that separate three classes best."""
    n = len(bins)
    codes = bins.reshape(n, -1) + _BINS * np.arange(n)[:, None]
    counts = np.bincount(codes.ravel(), minlength=n * _BINS).reshape(n, _BINS)
    sums = np.zeros((2, n, _BINS + 1))
    np.cumsum([counts, counts * np.arange(_BINS)], axis=2, out=sums[..., 1:])

    def spread(start, stop):
        count, total = sums[..., stop] - sums[..., start]
        return total**2 / np.maximum(count, 1)

    first, second = np.triu_indices(_BINS, 1)
    first, second = first[first > 0], second[first > 0]
    zero, end = np.zeros_like(first), np.full_like(first, _BINS)
    best = (spread(zero, first) + spread(first, second) + spread(second, end)).argmax(1)
    return first[best], second[best]


def find_nuclei(levels):
    """Return the mask of the nucleus in each image: of the dark bodies the most central large one.

    Lobes that lie close together are one nucleus. An image without a dark body has an empty mask.

    Parameters
    ----------
    levels : ndarray of shape (n, SIDE, SIDE)

    Returns
    -------
    masks : ndarray of shape (n, SIDE, SIDE), dtype bool
    """
    dark = ndimage.binary_erosion(levels == 2, _disc(_OPEN), border_value=1)
    dark = ndimage.binary_dilation(dark, _disc(_OPEN)) & (levels == 2)
    bodies, n = ndimage.label(ndimage.binary_dilation(dark, _disc(_JOIN)), _CROSS)
    bodies *= dark
    weights = np.exp(-(AXIS[:, None] ** 2 + AXIS**2) / (2 * _CENTER**2))
    weights = np.bincount(bodies.ravel(), (dark * weights).ravel(), n + 1)
    weights[0] = 0
    # The labels of an image are consecutive: 0 and those of its bodies.
    chosen = weights[bodies].reshape(len(bodies), -1)
    chosen = bodies.reshape(len(bodies), -1)[np.arange(len(bodies)), chosen.argmax(1)]
    return (bodies == chosen[:, None, None]) & (bodies > 0)


def measure_masks(masks):
    """Return area (share of the image), center (x, y) and share of the border of each mask."""
    areas = masks.sum((1, 2))
    x, y = ((masks.sum(axis) @ AXIS) / np.maximum(areas, 1) for axis in (1, 2))
    border = [masks[:, 0], masks[:, -1], masks[:, :, 0], masks[:, :, -1]]
    return areas / SIDE**2, np.stack([x, y], 1), np.concatenate(border, 1).mean(1)


def cell_radii(levels, centers):
    """Return the median distance from the center to the background, in sides.

    NaN where half of the directions meet no background.
    """
    angles = 2 * np.pi * np.arange(_N_RAYS) / _N_RAYS
    steps = np.arange(0, 0.75, 0.5 / SIDE)
    x, y = (
        centers[:, axis, None, None] + np.outer(turn(angles), steps)
        for axis, turn in enumerate((np.cos, np.sin))
    )
    is_inside = (np.abs(x) < 0.5) & (np.abs(y) < 0.5)
    column, row = (np.clip((v + 0.5) * SIDE, 0, SIDE - 1).astype(int) for v in (x, y))
    is_light = levels[np.arange(len(levels))[:, None, None], row, column] == 0
    # Two pixels in a row: one may be a vacuole or noise.
    is_edge = is_light & np.roll(is_light, -3, 2) & is_inside
    distance = np.where(is_edge.any(2), steps[is_edge.argmax(2)], np.inf)
    radius = np.median(distance, axis=1)
    return np.where(np.isfinite(radius), radius, np.nan)


def red_cell_diameters(levels, nuclei):
    """Return the median diameter of the round bodies in each image that hold no nucleus, in sides.

    Bodies that touch others or the border do not count. NaN where there are none.
    """
    background, n = ndimage.label(levels == 0, _CROSS)
    border = np.zeros(n + 1, bool)
    for edge in (background[:, 0], background[:, -1], background[:, :, 0], background[:, :, -1]):
        border[edge.ravel()] = True
    bodies, n = ndimage.label(~border[background] | (levels > 0), _CROSS)
    areas = np.bincount(bodies.ravel(), minlength=n + 1)
    left_out = np.zeros(n + 1, bool)
    left_out[bodies[nuclei]] = left_out[0] = True
    found = ndimage.find_objects(bodies)
    diameters = [[] for _ in levels]
    for label, (plane, rows, columns) in enumerate(found, 1):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        is_whole = min(rows.start, columns.start) > 0 and max(rows.stop, columns.stop) < SIDE
        fill = areas[label] / (height * width)
        is_round = abs(np.log(height / width)) < 0.22 and abs(fill - np.pi / 4) < 0.07
        if is_whole and is_round and not left_out[label] and areas[label] > 40:
            diameters[plane.start].append(2 * np.sqrt(areas[label] / np.pi) / SIDE)
    return np.array([np.median(each) if each else np.nan for each in diameters])
