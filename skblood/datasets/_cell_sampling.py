"""Sampling of the parameters of synthetic cells.

The file cell_types.csv holds the range of each property for each class: two numbers, or the two
ends of a mixture of colors. The ranges of neighboring classes overlap, so that no single property
identifies a class. Lengths are fractions of half the image width unless stated otherwise.
"""

import csv
from pathlib import Path

import numpy as np

BACKGROUND = (253, 228, 202)
RED_CELL = (190, 150, 158)
_N_RED_CELLS = 7


def _read_cell_types():
    """Return the classes, and the ends of each property: arrays (8, 2), of colors (8, 2, 3)."""
    with open(Path(__file__).with_name("cell_types.csv"), encoding="utf-8", newline="") as file:
        (_, _, *classes), *rows = csv.reader(file)
    ranges = {}
    for name, meaning, *cells in rows:
        parse = _parse_color if meaning == "color" else float
        ranges[name] = np.array([[parse(end) for end in cell.split("-")] for cell in cells])
    return classes, ranges


def _parse_color(digits):
    return list(bytes.fromhex(digits))


CLASSES, RANGES = _read_cell_types()
_MAX_LOBES = int(RANGES["lobes"].max())


def sample_cells(labels, noise, stain_variation, rng):
    """Sample the parameters of all images.

    The same numbers are drawn from `rng` whatever the noise and the stain variation, so that the
    cells stay the same if these change.

    Parameters
    ----------
    labels : ndarray of shape (n,), dtype int
        Positions in `CLASSES`.
    noise, stain_variation : float
        Multipliers of blur and sensor noise, and of the variation of stain and light.
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray, dtype float32
        ``colors`` of shape (n, 8, 3), and arrays of shape (n, ..., 1, 1), which broadcast to
        images: the properties in cell_types.csv, and position, surroundings and light.
    """
    n, cells = len(labels), {}
    for name, ends in RANGES.items():
        low, high = ends[labels].swapaxes(0, 1)
        if name == "lobes":
            cells[name] = rng.integers(low.astype(int), high.astype(int), endpoint=True)
        else:
            cells[name] = low + (high - low) * rng.random((n, 1)[: low.ndim])
    cells["center"] = rng.uniform(-0.13, 0.13, (n, 2))
    cells["angle"] = rng.uniform(0, 2 * np.pi, n)
    cells |= _sample_lobes(cells, rng)
    cells |= _sample_surroundings(cells, rng)
    colors = _sample_colors(cells, stain_variation, rng)
    cells["blur"] = noise * rng.uniform(0.002, 0.015, n)
    cells["grain"] = noise * rng.uniform(0.004, 0.015, n)
    cells = {name: values[..., np.newaxis, np.newaxis] for name, values in cells.items()}
    return {name: each.astype(np.float32) for name, each in (cells | {"colors": colors}).items()}


def _polar(distance, angle):
    return distance[..., np.newaxis] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _sample_lobes(cells, rng):
    """Place the lobes of the nucleus on an arc whose middle is off the center of the cell."""
    n = len(cells["lobes"])
    lobes = np.maximum(cells["lobes"], 1)[:, np.newaxis]
    slot = np.arange(_MAX_LOBES)
    place = slot / np.maximum(lobes - 1, 1) - 0.5 + rng.uniform(-0.3, 0.3, (n, _MAX_LOBES)) / lobes
    angle = np.deg2rad(cells["arc_span"])[:, np.newaxis] * place
    angle += rng.uniform(0, 2 * np.pi, (n, 1))
    on_arc = _polar((cells["arc_radius"] * cells["radius"])[:, np.newaxis], angle)
    middle = (on_arc * (slot < lobes)[..., np.newaxis]).sum(axis=1) / lobes
    off_center = _polar(cells["eccentricity"] * cells["radius"], rng.uniform(0, 2 * np.pi, n))
    radius = (cells["lobe_radius"] * cells["radius"])[:, np.newaxis]
    return {
        "lobe_center": on_arc + (cells["center"] + off_center - middle)[:, np.newaxis],
        "lobe_radii": radius * rng.uniform(0.85, 1.15, (n, _MAX_LOBES)),
    }


def _sample_surroundings(cells, rng):
    """Place red cells, some in contact with the cell, and a platelet or a white cell next to some.

    The image border cuts some of the red cells, and most of the white ones.
    """
    n, slots = len(cells["radius"]), (len(cells["radius"]), _N_RED_CELLS)
    angle = (np.arange(_N_RED_CELLS) + rng.random(slots)) * (2 * np.pi / _N_RED_CELLS)
    angle += rng.uniform(0, 2 * np.pi, (n, 1))
    radius = rng.uniform(0.26, 0.36, (n, 1)) * rng.uniform(0.85, 1.15, slots)
    nearest = cells["radius"][:, np.newaxis] + 0.9 * radius
    distance = nearest + rng.random(slots) ** 1.5 * np.maximum(1.4 - nearest, 0.1)
    present = rng.random(slots) < rng.uniform(0.6, 1.0, (n, 1))
    red_cells = {
        "red_center": cells["center"][:, np.newaxis] + _polar(distance, angle),
        "red_radius": radius,
        "red_density": present * rng.uniform(0.85, 1.2, (n, 1)),
        "pallor": rng.uniform(0.2, 1.0, (n, 1)) * rng.uniform(0.6, 1.0, slots),
    }
    is_white = rng.random(n) < 0.3
    far, near = rng.uniform(1.25, 1.6, n), cells["radius"] + rng.uniform(0.15, 0.6, n)
    offset = _polar(np.where(is_white, far, near), rng.uniform(0, 2 * np.pi, n))
    return red_cells | {
        "stray_center": cells["center"] + offset,
        "stray_radius": np.where(is_white, rng.uniform(0.35, 0.5, n), rng.uniform(0.06, 0.15, n)),
        "stray_density": (rng.random(n) < 0.3) * rng.uniform(0.5, 1.0, n),
    }


def _sample_colors(cells, variation, rng):
    """Sample the colors of the eight layers: shape (n, 8, 3).

    Four of the light: its log-intensity at the center, its slopes along x and y, and its fall-off.
    Four log-transmissions: of red cells, cytoplasm, nucleus and granules.
    """
    n = len(cells["radius"])
    light = np.empty((n, 4, 3))
    temperature = np.array([0.015, 0.0, -0.025]) * rng.standard_normal((n, 1))
    brightness = 0.015 * rng.standard_normal((n, 1))
    light[:, 0] = temperature + brightness + 0.006 * rng.standard_normal((n, 3))
    light[:, 1:3] = 0.015 * rng.standard_normal((n, 2, 1))
    light[:, 3] = -0.015 * np.abs(rng.standard_normal((n, 1)))
    light *= variation
    light[:, 0] += np.log(BACKGROUND)

    red_cell = np.broadcast_to(RED_CELL, (n, 3))
    seen = np.stack([red_cell, cells["cytoplasm"], cells["nucleus"], cells["granule"]], axis=1)
    # The strength of all dyes varies between images, and that of each dye.
    strength = 0.1 * rng.standard_normal((n, 1, 1)) + 0.05 * rng.standard_normal((n, 4, 1))
    red, green = rng.standard_normal((2, n, 1, 1))
    hue = 0.06 * np.concatenate([red, green, -red], axis=2)
    dyes = np.log(seen / BACKGROUND) * np.exp(variation * (strength + hue))
    return np.concatenate([light, dyes], axis=1)
