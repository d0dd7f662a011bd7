"""Descriptors of pictures that rotation, reflection, cropping and blur hardly change.

A descriptor is taken around a center, which is an extremum of the difference of two Gaussians and
so moves with the cell. It holds the magnitudes of Fourier coefficients along rings, which do not
depend on the angle. Zoomed views of a picture have descriptors of their own: a crop of it is
similar to one of them.
"""

import numpy as np
import torch
from scipy import linalg
from torch.nn import functional as F

# Height and width of the gray pictures that are compared. All lengths below are shares of it.
SIDE = 64
# Radius of the disc that is compared: rotation about the middle leaves it, whatever fills the
# corners.
DISC = 0.52
ZOOMS = torch.from_numpy(np.float32(1.075 ** np.arange(6)))

# Centers of a picture: their number, the two Gaussians, the largest distance from the middle, and
# the side of the pictures in which they are searched.
_N_CENTERS, _SIGMAS, _MAX_OFFSET, _SEARCH_SIDE = 4, (0.075, 0.1), 0.3, SIDE // 2
# Radii of the rings around a center, samples and Fourier coefficients of each, and the blur before.
RADII = torch.from_numpy(np.float32(0.3 * 1.13 ** -np.arange(14.0)))
N_ANGLES, _N_WAVES, BLUR = 32, 6, 0.02
_ANGLES = torch.from_numpy(np.float32(2 * np.pi / N_ANGLES * np.arange(N_ANGLES)))
_RING_WEIGHTS = F.normalize(RADII * torch.exp(-0.5 * (RADII / RADII[0]) ** 2), p=1, dim=0)
# Share of the contrast above which magnitudes are compressed.
_LINEAR = 0.1

# Errors of centers, and of zoom and blur, to which the projection makes descriptors insensitive;
# its dimensions, and the number of pictures that it is learned from.
_CENTER_ERROR, _ERRORS = 0.015, ((0.97, BLUR), (1.03, BLUR), (1, 0.07))
_N_DIMENSIONS, _N_LEARNED = 24, 1000
_CHUNK = 512


def blur(pictures, sigma, side=SIDE):
    """Return square pictures, blurred and resized to (n, side, side)."""
    to, source = ((torch.arange(n) + 0.5) / n for n in (side, pictures.shape[-1]))
    weights = torch.exp(-0.5 * ((to[:, None] - source) / sigma) ** 2) + 1e-12
    weights = F.normalize(weights, p=1, dim=1)
    return weights @ pictures @ weights.mT


def fill_corners(pictures):
    """Return pictures, as uint8, with smooth corners in place of what is outside the disc."""
    line = (torch.arange(SIDE) + 0.5) / SIDE - 0.5
    inside = ((DISC - torch.hypot(line[:, None], line)) * SIDE / 1.5 + 0.5).clamp(0, 1)
    pictures = torch.as_tensor(pictures).float() * inside
    around = blur(pictures, 0.1) / blur(inside, 0.1).clamp_min(1e-6)
    return (pictures + (1 - inside) * around).round().byte()


def describe(pictures):
    """Describe pictures.

    Parameters
    ----------
    pictures : tensor of shape (n, SIDE, SIDE), dtype uint8
        With filled corners.

    Returns
    -------
    points : tensor of shape (n_zooms, n_centers, n, d + 2)
        Descriptors, then 1 and minus half of their square.
    centers : tensor of shape (n_zooms, n_centers, n, 2)
        Row and column, as shares of the side.
    """
    projection = _learn_projection(pictures[:: -(-len(pictures) // _N_LEARNED)].float())
    shape = len(ZOOMS), _N_CENTERS, len(pictures)
    points, centers = torch.ones(*shape, _N_DIMENSIONS + 2), torch.empty(*shape, 2)
    for start in range(0, len(pictures), _CHUNK):
        rows = slice(start, start + _CHUNK)
        some = pictures[rows].float()
        for view, zoom in enumerate(ZOOMS):
            found = _find_centers(some, zoom)
            described = _describe_rings(sample_rings(blur(some, BLUR / zoom), found, zoom))
            points[view, :, rows, :-2] = (described @ projection).transpose(0, 1)
            centers[view, :, rows] = found.transpose(0, 1)
    for view in points:
        view[..., -1] = -view[..., :-2].square().sum(-1) / 2
    return points, centers


def _find_centers(pictures, zoom):
    """Return the centers (n, _N_CENTERS, 2) with the largest differences of Gaussians."""
    side = _SEARCH_SIDE
    narrow, wide = (blur(pictures, sigma / zoom, side) for sigma in _SIGMAS)
    response = (narrow - wide).abs()
    line = (torch.arange(side) + 0.5) / side - 0.5
    peaks = (response == F.max_pool2d(response, 3, 1, 1)) & (
        torch.hypot(line[:, None], line) < _MAX_OFFSET
    )
    height, index = torch.where(peaks, response, 0).flatten(1).topk(_N_CENTERS)
    response = response.flatten(1)
    position = []
    for coordinate, step in ((index // side, side), (index % side, 1)):
        # The vertex of the parabola through a maximum and its neighbors.
        before, here, after = (response.gather(1, (index + k * step) % side**2) for k in (-1, 0, 1))
        vertex = 0.5 * (before - after) / (before - 2 * here + after)
        position.append((coordinate + 0.5 + vertex.nan_to_num().clamp(-0.5, 0.5)) / side)
    # Pictures with fewer maxima are described around the middle as well.
    return torch.where(height[..., None] > 0, torch.stack(position, -1), 0.5)


def sample_rings(pictures, centers, zoom):
    """Return samples (n, n_centers, n_rings, N_ANGLES) along rings around centers."""
    ring = torch.stack([_ANGLES.cos(), _ANGLES.sin()], -1)
    points = centers.flip(-1)[:, :, None, None] + RADII[:, None, None] * ring / zoom
    grid = 2 * points.flatten(1, 2) - 1
    samples = F.grid_sample(pictures[:, None], grid, align_corners=False, padding_mode="border")
    return samples.reshape(*centers.shape[:2], len(RADII), N_ANGLES)


def _describe_rings(rings):
    """Return descriptors (..., d) of samples (..., n_rings, N_ANGLES), before the projection."""
    weights = _RING_WEIGHTS[:, None] / N_ANGLES
    rings = rings - (rings * weights).sum((-2, -1), keepdim=True)
    contrast = (rings**2 * weights).sum((-2, -1), keepdim=True).sqrt()
    rings = rings / contrast.clamp_min(1)
    phases = _ANGLES[:, None] * torch.arange(1, _N_WAVES + 1)
    magnitude = torch.hypot(rings @ phases.cos(), rings @ phases.sin()) / N_ANGLES
    magnitude = _LINEAR * torch.log1p(magnitude / _LINEAR)
    return torch.cat([rings.mean(-1, keepdim=True), magnitude], -1).flatten(-2)


def _learn_projection(pictures):
    """Return the discriminant axes (d, _N_DIMENSIONS), along which errors have variance 1."""
    rng = torch.Generator().manual_seed(0)
    centers = _find_centers(pictures, 1)
    exact = _describe_rings(sample_rings(blur(pictures, BLUR), centers, 1)).flatten(0, 1)
    errors = []
    for zoom, sigma in _ERRORS:
        moved = centers + _CENTER_ERROR * torch.randn(centers.shape, generator=rng)
        changed = _describe_rings(sample_rings(blur(pictures, sigma), moved, zoom))
        errors.append(changed.flatten(0, 1) - exact)
    errors = torch.cat(errors).double()
    within = (errors.T @ errors / len(errors)).numpy() + 1e-7 * np.eye(exact.shape[1])
    axes = linalg.eigh(np.cov(exact.T), within)[1][:, -_N_DIMENSIONS:]
    return torch.tensor(axes, dtype=torch.float32)
