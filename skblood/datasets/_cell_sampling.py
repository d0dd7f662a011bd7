"""Draw the parameters of synthetic cells: what each image holds, before a pixel is drawn."""

from __future__ import annotations

import numpy as np

from skblood.datasets._cell_types import BACKGROUND, CELL_TYPES, RED_CELL, CellType

__all__ = ["sample_cells"]

_N_RED_CELLS = 7
_MOST_LOBES = max(cell_type.lobes[1] for cell_type in CELL_TYPES.values())


def sample_cells(labels, noise, stain_variation, rng):
    """Draw every image's parameters.

    How many numbers are taken from `rng` depends on the number of cells only, so the cells stay the
    same when the noise or the variation of the stain is changed.

    Parameters
    ----------
    labels : ndarray of shape (n,), dtype int
        Positions in `CELL_TYPES`.
    noise, stain_variation : float
        Multipliers of blur and sensor noise, and of the variation of stain and light.
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to ndarray of shape (n, ...), dtype float32
        The fields of `CellType`, one value a cell, and the cell's place, surroundings and light.
    """
    n = len(labels)
    cells = {name: _sample_field(name, labels, rng) for name in CellType._fields}
    cells["centre"] = rng.uniform(-0.13, 0.13, (n, 2))
    cells["angle"] = rng.uniform(0, 2 * np.pi, n)
    cells |= _sample_lobes(cells, rng)
    cells |= _sample_red_cells(cells, rng)
    cells |= _sample_stray(cells, rng)
    colours = [_sample_lamp(n, stain_variation, rng), _sample_dyes(cells, stain_variation, rng)]
    cells["colours"] = np.concatenate(colours, axis=1)
    cells["blur"] = noise * rng.uniform(0.002, 0.015, n)
    cells["grain"] = noise * rng.uniform(0.004, 0.015, n)
    return {name: value.astype(np.float32) for name, value in cells.items()}


def _sample_field(name, labels, rng):
    """Draw one value a cell between the two ends that its class gives."""
    ends = np.array([getattr(cell_type, name) for cell_type in CELL_TYPES.values()])
    low, high = ends[labels, 0], ends[labels, 1]
    if name == "lobes":
        return rng.integers(low, high, endpoint=True)
    share = rng.random(len(labels))
    return low + (high - low) * (share if low.ndim == 1 else share[:, np.newaxis])


def _polar(distance, angle):
    return distance[..., np.newaxis] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _sample_lobes(cells, rng):
    """Place the lobes along an arc, and their middle off the cell's centre."""
    n = len(cells["lobes"])
    lobes = np.maximum(cells["lobes"], 1)[:, np.newaxis]
    slot = np.arange(_MOST_LOBES)
    place = slot / np.maximum(lobes - 1, 1) - 0.5 + rng.uniform(-0.3, 0.3, (n, _MOST_LOBES)) / lobes
    angle = np.deg2rad(cells["arc_span"])[:, np.newaxis] * place
    angle += rng.uniform(0, 2 * np.pi, (n, 1))
    on_arc = _polar((cells["arc_radius"] * cells["radius"])[:, np.newaxis], angle)
    middle = (on_arc * (slot < lobes)[..., np.newaxis]).sum(axis=1) / lobes
    off_centre = _polar(cells["eccentricity"] * cells["radius"], rng.uniform(0, 2 * np.pi, n))
    radius = (cells["lobe_radius"] * cells["radius"])[:, np.newaxis]
    return {
        "lobe_centre": on_arc + (cells["centre"] + off_centre - middle)[:, np.newaxis],
        "lobe_radii": radius * rng.uniform(0.85, 1.15, (n, _MOST_LOBES)),
    }


def _sample_red_cells(cells, rng):
    """Scatter red cells in the sectors round the cell, some touching it, some cut by the border."""
    n = len(cells["radius"])
    slots = (n, _N_RED_CELLS)
    angle = (np.arange(_N_RED_CELLS) + rng.random(slots)) * (2 * np.pi / _N_RED_CELLS)
    angle += rng.uniform(0, 2 * np.pi, (n, 1))
    radius = rng.uniform(0.26, 0.36, (n, 1)) * rng.uniform(0.85, 1.15, slots)
    nearest = cells["radius"][:, np.newaxis] + 0.9 * radius
    distance = nearest + rng.random(slots) ** 1.5 * np.maximum(1.4 - nearest, 0.1)
    present = rng.random(slots) < rng.uniform(0.6, 1.0, (n, 1))
    return {
        "red_centre": cells["centre"][:, np.newaxis] + _polar(distance, angle),
        "red_radius": radius,
        "red_density": present * rng.uniform(0.85, 1.2, (n, 1)),
        "pallor": rng.uniform(0.2, 1.0, (n, 1)) * rng.uniform(0.6, 1.0, slots),
    }


def _sample_stray(cells, rng):
    """Put a platelet beside some cells, and a second white cell at the border of others."""
    n = len(cells["radius"])
    is_white = rng.random(n) < 0.3
    distance = np.where(
        is_white, rng.uniform(1.25, 1.6, n), cells["radius"] + rng.uniform(0.15, 0.6, n)
    )
    return {
        "stray_centre": cells["centre"] + _polar(distance, rng.uniform(0, 2 * np.pi, n)),
        "stray_radius": np.where(is_white, rng.uniform(0.35, 0.5, n), rng.uniform(0.06, 0.15, n)),
        "stray_density": (rng.random(n) < 0.3) * rng.uniform(0.5, 1.0, n),
    }


def _sample_lamp(n, variation, rng):
    """Draw the light: its log-intensity at the centre, its slopes and its fall-off, (n, 4, 3)."""
    cast = np.array([0.015, 0.0, -0.025]) * rng.standard_normal((n, 1))  # a warmer or a colder lamp
    cast = cast + 0.015 * rng.standard_normal((n, 1)) + 0.006 * rng.standard_normal((n, 3))
    slopes = 0.015 * rng.standard_normal((n, 2))
    vignette = -0.015 * np.abs(rng.standard_normal((n, 1)))
    uneven = np.concatenate([slopes, vignette], axis=1)[..., np.newaxis].repeat(3, axis=2)
    lamp = variation * np.concatenate([cast[:, np.newaxis], uneven], axis=1)
    lamp[:, 0] += np.log(BACKGROUND)
    return lamp


def _sample_dyes(cells, variation, rng):
    """Draw the log-transmission of red cells, cytoplasm, nucleus and granules, (n, 4, 3)."""
    n = len(cells["radius"])
    red_cell = np.broadcast_to(RED_CELL, (n, 3))
    seen = np.stack([red_cell, cells["cytoplasm"], cells["nucleus"], cells["granule"]], axis=1)
    # Smears take up more or less of the dyes, and more of the one than of the other.
    strength = 0.1 * rng.standard_normal((n, 1, 1)) + 0.05 * rng.standard_normal((n, 4, 1))
    red_to_blue = np.array([1.0, 0.0, -1.0]) * rng.standard_normal((n, 1, 1))
    green = np.array([0.0, 1.0, 0.0]) * rng.standard_normal((n, 1, 1))
    hue = 0.06 * (red_to_blue + green)
    return np.log(seen / BACKGROUND) * np.exp(variation * (strength + hue))
