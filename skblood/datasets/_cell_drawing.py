"""Drawing of synthetic cells from their parameters, many images at a time.

A smear is seen in transmitted light, so optical densities add up (Beer-Lambert): an image is
``exp(colors @ layers)``. A layer is a map of one dye or of one part of the light; its color is
its effect on the logarithms of red, green and blue.

Shapes are signed distances on coordinates from -1 to 1, negative inside. Texture, granules,
vacuoles and irregular outlines are smooth noise on grids whose spacing is a fraction of the image,
so that a cell looks the same at every image size.
"""

from types import SimpleNamespace

import numpy as np
from scipy.special import ndtri

_CHUNK_PIXELS = 2**17  # the maps of a chunk fit into the processor cache

# Noise grids, named after their main use: number of steps across an image.
_GRIDS = {"outline": 6, "dents": 11, "vacuoles": 15, "coarse": 52, "chromatin": 64, "fine": 80}
_GRID_BLUR = 0.6  # standard deviation of the interpolating Gaussian, in steps


def draw_cells(cells, image_size, texture_rng, sensor_rng):
    """Draw images of sampled cells.

    Random numbers are drawn image by image, so that the size of the chunks has no effect.

    Parameters
    ----------
    cells : dict
        Result of `sample_cells`.
    image_size : int
    texture_rng, sensor_rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n, image_size, image_size, 3), dtype uint8
    """
    n = len(cells["radius"])
    images = np.empty((n, image_size, image_size, 3), dtype=np.uint8)
    step = max(1, _CHUNK_PIXELS // image_size**2)
    for start in range(0, n, step):
        chunk = slice(start, start + step)
        part = SimpleNamespace(**{name: values[chunk] for name, values in cells.items()})
        layers = _draw_layers(part, image_size, texture_rng)
        images[chunk] = _expose(part, layers, sensor_rng).transpose(0, 2, 3, 1)
    return images


def _draw_layers(cells, size, rng):
    """Return the four maps of the light and the four of the dyes: shape (n, 8, size, size)."""
    axis = ((2 * np.arange(size) + 1) / size - 1).astype(np.float32)
    edge = 2.5 / size
    textures = _smooth_noise(len(cells.radius), size, rng)
    outline = _cell_distance(cells, axis, textures)
    body = _coverage(outline, edge)
    nucleus = body * _coverage(_nucleus_distance(cells, axis, textures), edge)
    plasma = (body - nucleus) * (1 - _peaks(textures["vacuoles"], cells.vacuoles))
    grain = np.sqrt(cells.granule_size) * textures["coarse"]
    grain += np.sqrt(1 - cells.granule_size) * textures["fine"]
    granules = _peaks(grain, cells.granules)
    rim = 0.3 * np.clip(1 + outline / 0.07, 0, 1)  # the membrane, seen edge-on
    chromatin = 1 + cells.chromatin * np.clip(textures["chromatin"], -1.5, 1)
    x, y = _offsets(cells.stray_center, axis)
    stray = cells.stray_density * _coverage(np.sqrt(x**2 + y**2) - cells.stray_radius, edge)
    layers = [
        np.ones_like(body),
        axis,
        axis[:, np.newaxis],
        axis**2 + axis[:, np.newaxis] ** 2,
        (1 - body) * _red_cells(cells, axis, textures),
        plasma * (1 - granules) * (1 + 0.12 * textures["chromatin"] + rim),
        chromatin * (nucleus + (1 - body) * stray),
        granules * (plasma + cells.granules_over_nucleus * nucleus),
    ]
    return np.stack(np.broadcast_arrays(*layers), axis=1)


def _smooth_noise(n, size, rng):
    """Return smooth noise of unit variance on every grid: dict of arrays (n, size, size).

    A grid finer than the pixels is averaged over them, which lowers its contrast.
    """
    noise = {}
    nodes = {name: steps + 4 for name, steps in _GRIDS.items()}  # two more beyond each border
    borders = np.cumsum([k**2 for k in nodes.values()])
    drawn = rng.random((n, borders[-1]), dtype=np.float32) - 0.5
    for (name, k), part in zip(nodes.items(), np.split(drawn, borders[:-1], axis=1), strict=True):
        pixels = (np.arange(size) + 0.5) * (_GRIDS[name] / size) + 1.5
        spread = max(_GRID_BLUR, 0.5 * _GRIDS[name] / size)
        kernel = np.exp(-0.5 * ((pixels[:, np.newaxis] - np.arange(k)) / spread) ** 2)
        kernel *= np.sqrt(_GRID_BLUR * np.sqrt(12 / np.pi)) / spread  # 1/12: variance of a node
        kernel = kernel.astype(np.float32)
        noise[name] = kernel @ part.reshape(n, k, k) @ kernel.T
    return noise


def _coverage(distance, edge):
    """Return the share of each pixel that lies inside a shape."""
    return np.clip(0.5 - distance / edge, 0, 1)


def _peaks(noise, share):
    """Return the peaks of noise that cover the given share of the map."""
    threshold = -ndtri(np.clip(share, 1e-3, 1 - 1e-3))
    return np.clip(0.5 + 1.5 * (noise - threshold), 0, 1)


def _offsets(center, axis):
    """Return the coordinates relative to a center: x as rows, y as columns."""
    return axis - center[:, 0], axis[:, np.newaxis] - center[:, 1]


def _cell_distance(cells, axis, textures):
    """Return the distance from the outline of the cell: an ellipse with dents and frays."""
    x, y = _offsets(cells.center, axis)
    cosine, sine, stretch = np.cos(cells.angle), np.sin(cells.angle), np.sqrt(cells.elongation)
    along = (cosine * x + sine * y) / stretch
    across = (cosine * y - sine * x) * stretch
    distance = np.sqrt(along**2 + across**2) - cells.radius
    return distance + cells.outline * textures["outline"] + cells.fringe * textures["coarse"]


def _nucleus_distance(cells, axis, textures):
    """Return the distance from the nucleus: round lobes, each connected to the previous one."""
    distance = np.full_like(textures["dents"], 4.0)  # far outside, for cells without a nucleus
    for slot in range(cells.lobe_radii.shape[1]):
        rows = np.flatnonzero(cells.lobes > slot)
        center, radius = cells.lobe_center[rows, slot], cells.lobe_radii[rows, slot]
        x, y = _offsets(center, axis)
        squared = x**2 + y**2
        nearest = np.sqrt(squared) - radius
        if slot > 0:  # the distance from the line segment to the previous lobe
            end = cells.lobe_center[rows, slot - 1] - center
            length = np.maximum((end**2).sum(axis=1), 1e-6)
            along = end[:, 0] / length * x + end[:, 1] / length * y
            foot = np.clip(along, 0, 1)
            bridge = np.sqrt(np.maximum(squared - length * foot * (2 * along - foot), 0))
            width = np.minimum(radius, cells.lobe_radii[rows, slot - 1]) * cells.isthmus[rows]
            nearest = np.minimum(nearest, bridge - width)
        distance[rows] = np.minimum(distance[rows], nearest)
    return distance + cells.nucleus_outline * textures["dents"]


def _red_cells(cells, axis, textures):
    """Return the hemoglobin of the red cells: discs that are thinner in the middle."""
    dents = 0.12 * textures["outline"]
    total = np.zeros_like(dents)
    for slot in range(cells.red_radius.shape[1]):
        radius = cells.red_radius[:, slot]
        x, y = _offsets(cells.red_center[:, slot], axis)
        scale = radius**-2
        squared = x**2 * scale + y**2 * scale + dents  # 1 at the edge of the disc
        disc = _coverage(squared - 1, 5 / (len(axis) * radius))
        disc *= 1 - cells.pallor[:, slot] * np.clip(1.5 - 2.7 * squared, 0, 1)
        total += cells.red_density[:, slot] * disc
    return total


def _expose(cells, layers, rng):
    """Return the light behind all layers, with blur and sensor noise: (n, 3, size, size)."""
    n, n_layers, size, _ = layers.shape
    colors = cells.colors.transpose(0, 2, 1)
    light = np.exp(colors @ layers.reshape(n, n_layers, size * size)).reshape(n, 3, size, size)
    pixel = np.arange(size, dtype=np.float32)
    sigma = np.maximum(cells.blur * (size / 2), 1e-2)  # in pixels; the minimum is no blur
    lens = np.exp(-0.5 * ((pixel - pixel[:, np.newaxis]) / sigma) ** 2)
    lens = (lens / lens.sum(axis=2, keepdims=True))[:, np.newaxis]
    light = lens @ light @ lens.transpose(0, 1, 3, 2)
    grain = 255 * cells.grain[:, np.newaxis]
    light += rng.standard_normal(light.shape, dtype=np.float32) * grain
    return np.clip(light + 0.5, 0, 255)
