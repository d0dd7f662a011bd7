"""Draw sampled cells, many images at a time.

A smear is seen in transmitted light, so dyes add up as optical densities (Beer-Lambert) and the
light is taken once, at the end: an image is ``exp(colours @ layers)``, where a layer maps one dye
or the lamp's unevenness, and its colour is what it does to the logarithms of red, green and blue.

Shapes are distance fields on coordinates from -1 to 1, negative inside, with edges as soft as a
pixel is wide. Texture, granules, vacuoles and ragged outlines are smooth noise on grids whose pitch
is a part of the image and not of a pixel, so that a cell is the same cell at every image size.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from scipy.special import ndtri

__all__ = ["draw_cells"]

_CHUNK_PIXELS = 2**17  # so many that a chunk's maps stay in the processor's cache

# The noise grids: steps across an image. The names say what each one shapes, mainly.
_GRIDS = {"outline": 6, "dents": 11, "vacuoles": 15, "coarse": 52, "chromatin": 64, "fine": 80}
_GRID_BLUR = 0.6  # standard deviation of the interpolating Gaussian, in steps


def draw_cells(cells, image_size, texture_rng, sensor_rng):
    """Draw the images of sampled cells.

    The generators are read image after image, so an image does not depend on the chunks.

    Parameters
    ----------
    cells : dict
        What `sample_cells` returned.
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
        layers = _layers(part, image_size, texture_rng)
        images[chunk] = _photograph(part, layers, sensor_rng).transpose(0, 2, 3, 1)
    return images


def _layers(cells, size, rng):
    """Map the lamp's four parts and the four dyes: shape (n, 8, size, size)."""
    axis = ((2 * np.arange(size) + 1) / size - 1).astype(np.float32)
    edge = 2.5 / size
    textures = _smooth_noise(len(cells.radius), size, rng)
    outline = _cell_distance(cells, axis, textures)
    body = _coverage(outline, edge)
    nucleus = body * _coverage(_nucleus_distance(cells, axis, textures), edge)
    plasma = (body - nucleus) * (1 - _peaks(textures["vacuoles"], cells.vacuoles))
    granules = _granules(cells, textures)
    rim = 0.3 * np.clip(1 + outline / 0.07, 0, 1)  # the membrane is seen edge-on
    chromatin = 1 + _as_maps(cells.chromatin) * np.clip(textures["chromatin"], -1.5, 1)
    stray = (1 - body) * _stray(cells, axis, edge)
    layers = np.empty((len(cells.radius), 8, size, size), dtype=np.float32)
    layers[:, 0] = 1
    layers[:, 1] = axis
    layers[:, 2] = axis[:, np.newaxis]
    layers[:, 3] = axis**2 + axis[:, np.newaxis] ** 2
    layers[:, 4] = (1 - body) * _red_cells(cells, axis, textures)
    layers[:, 5] = plasma * (1 - granules) * (1 + 0.12 * textures["chromatin"] + rim)
    layers[:, 6] = chromatin * (nucleus + stray)
    layers[:, 7] = granules * (plasma + _as_maps(cells.granules_over_nucleus) * nucleus)
    return layers


def _as_maps(values):
    """Give one number an image the shape that broadcasts over its map."""
    return values[:, np.newaxis, np.newaxis]


def _smooth_noise(n, size, rng):
    """Draw smooth noise of unit variance on every grid: dict of arrays (n, size, size).

    A grid finer than the pixels is averaged over them, and fades as it does in a small photograph.
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
    """Turn a distance field into the share of each pixel that lies inside."""
    return np.clip(0.5 - distance / edge, 0, 1)


def _peaks(noise, share):
    """Keep the peaks of a noise, as many as cover the given share of the map."""
    threshold = -ndtri(np.clip(share, 1e-3, 1 - 1e-3))
    return np.clip(0.5 + 1.5 * (noise - _as_maps(threshold)), 0, 1)


def _granules(cells, textures):
    """Map the granules; a mixture of two grids sets their size."""
    noise = _as_maps(np.sqrt(cells.granule_size)) * textures["coarse"]
    noise += _as_maps(np.sqrt(1 - cells.granule_size)) * textures["fine"]
    return _peaks(noise, cells.granules)


def _offsets(centre, axis):
    """Pixel minus centre: a row for x and a column for y, which broadcast to a map."""
    x = axis - centre[:, :1]
    y = axis - centre[:, 1:]
    return x[:, np.newaxis, :], y[:, :, np.newaxis]


def _cell_distance(cells, axis, textures):
    """Measure from the cell's outline: an ellipse with dents and frays."""
    x, y = _offsets(cells.centre, axis)
    cosine, sine = _as_maps(np.cos(cells.angle)), _as_maps(np.sin(cells.angle))
    stretch = _as_maps(np.sqrt(cells.elongation))
    along = (cosine * x + sine * y) / stretch
    across = (cosine * y - sine * x) * stretch
    distance = np.sqrt(along**2 + across**2) - _as_maps(cells.radius)
    distance += _as_maps(cells.outline) * textures["outline"]
    distance += _as_maps(cells.fringe) * textures["coarse"]
    return distance


def _nucleus_distance(cells, axis, textures):
    """Measure from the nucleus' outline: round lobes, each joined to the one before it."""
    distance = np.full_like(textures["dents"], 4.0)  # far outside, where a cell has no lobe at all
    for slot in range(cells.lobe_radii.shape[1]):
        having = np.flatnonzero(cells.lobes > slot)
        centre, radius = cells.lobe_centre[having, slot], cells.lobe_radii[having, slot]
        x, y = _offsets(centre, axis)
        squared = x**2 + y**2
        nearest = np.sqrt(squared) - _as_maps(radius)
        if slot > 0:
            bridge = cells.lobe_centre[having, slot - 1] - centre
            half_width = np.minimum(radius, cells.lobe_radii[having, slot - 1])
            half_width *= cells.isthmus[having]
            isthmus = _distance_to_segment(x, y, squared, bridge) - _as_maps(half_width)
            nearest = np.minimum(nearest, isthmus)
        distance[having] = np.minimum(distance[having], nearest)
    return distance + _as_maps(cells.nucleus_outline) * textures["dents"]


def _distance_to_segment(x, y, squared, end):
    """Measure from the straight line between the origin of x and y and the given end."""
    length = np.maximum((end**2).sum(axis=1), 1e-6)
    along = _as_maps(end[:, 0] / length) * x + _as_maps(end[:, 1] / length) * y
    foot = np.clip(along, 0, 1)
    return np.sqrt(np.maximum(squared - _as_maps(length) * foot * (2 * along - foot), 0))


def _red_cells(cells, axis, textures):
    """Add up the haemoglobin of the red cells: discs, thinner in the middle."""
    dents = 0.12 * textures["outline"]
    total = np.zeros_like(dents)
    for slot in range(cells.red_radius.shape[1]):
        radius = cells.red_radius[:, slot]
        x, y = _offsets(cells.red_centre[:, slot], axis)
        scale = _as_maps(radius**-2)
        squared = x**2 * scale + y**2 * scale + dents  # 1 at the disc's edge
        disc = _coverage(squared - 1, _as_maps(5 / (len(axis) * radius)))
        hollow = np.clip(1.5 - 2.7 * squared, 0, 1)
        disc *= 1 - _as_maps(cells.pallor[:, slot]) * hollow
        total += _as_maps(cells.red_density[:, slot]) * disc
    return total


def _stray(cells, axis, edge):
    """Map the platelet or the second white cell beside the first."""
    x, y = _offsets(cells.stray_centre, axis)
    distance = np.sqrt(x**2 + y**2) - _as_maps(cells.stray_radius)
    return _as_maps(cells.stray_density) * _coverage(distance, edge)


def _photograph(cells, layers, rng):
    """Send light through the layers, the lens and onto the sensor: (n, 3, size, size), 0 to 255."""
    n, n_layers, size, _ = layers.shape
    colours = cells.colours.transpose(0, 2, 1)
    light = np.exp(colours @ layers.reshape(n, n_layers, size * size)).reshape(n, 3, size, size)
    lens = _lens(cells.blur, size)
    light = lens @ light @ lens.transpose(0, 1, 3, 2)
    light += rng.standard_normal(light.shape, dtype=np.float32) * (
        255 * cells.grain[:, np.newaxis, np.newaxis, np.newaxis]
    )
    return np.clip(light + 0.5, 0, 255)


def _lens(blur, size):
    """Build the blur along one axis as one matrix an image: shape (n, 1, size, size)."""
    pixel = np.arange(size, dtype=np.float32)
    sigma = np.maximum(blur * (size / 2), 1e-2)  # in pixels; at this floor nothing is blurred
    kernel = np.exp(-0.5 * ((pixel - pixel[:, np.newaxis]) / _as_maps(sigma)) ** 2)
    return (kernel / kernel.sum(axis=2, keepdims=True))[:, np.newaxis]
