"""Registration of pairs of pictures: the affine map from one to the other, and the correlation.

Points are row and column, as shares of the side, from the middle. A map is a matrix (2, 3) that
takes points (row, column, 1) of the first picture to points of the second.
"""

import numpy as np
import torch
from torch.nn import functional as F

from ._descriptors import BLUR, N_ANGLES, RADII, blur, sample_rings

# Radii between which the weights of points fall from 1 to 0.
_FULL, _EMPTY = 0.44, 0.5
# Blur of what is subtracted from pictures before they are correlated.
_COARSE = 0.08
# Contrast, in gray levels, below which a picture correlates with none.
_MIN_CONTRAST = 0.5
# Share of the smaller of two copies that they have in common at least, and limits of the area of
# the first in the second.
_MIN_OVERLAP, _AREAS = 0.7, (0.4, 2.5)
# Angles that are tried.
_N_TURNS = 4 * N_ANGLES


def align(first, second, centers, other_centers, zoom):
    """Return the map (n, 2, 3) from the angle in which rings around two centers correlate most.

    Parameters
    ----------
    first, second : tensor of shape (n, SIDE, SIDE)
    centers, other_centers : tensor of shape (n, 2)
        Row and column of the same point in the first and the second, as shares of the side.
    zoom : tensor of shape (n,)
        Of the second picture.
    """
    zoom = zoom[:, None, None]
    rings = [
        sample_rings(blur(first, BLUR), centers[:, None], 1),
        sample_rings(blur(second, BLUR), other_centers[:, None], zoom[..., None, None]),
    ]
    waves, others = (torch.fft.rfft(each[:, 0])[..., 1:] for each in rings)
    # The second as it is, and mirrored.
    products = waves[:, None] * torch.stack([others.conj(), others], 1) * RADII[:, None]
    turns = torch.fft.irfft(F.pad(products.sum(2), (1, 0)), _N_TURNS).flatten(1).argmax(1)
    angle = turns % _N_TURNS * (2 * np.pi / _N_TURNS)
    sign = torch.where(turns < _N_TURNS, 1.0, -1.0)
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([sign * cos, -sign * sin, sin, cos], -1).reshape(-1, 2, 2) / zoom
    shift = other_centers[..., None] - 0.5 - turn @ (centers[..., None] - 0.5)
    return torch.cat([turn, shift], 2)


def refine(first, second, maps, sigma, side, n_steps):
    """Return maps (n, 2, 3) after steps of the inverse compositional Lucas-Kanade method.

    Parameters
    ----------
    first, second : tensor of shape (n, SIDE, SIDE)
    maps : tensor of shape (n, 2, 3)
    sigma, side : float, int
        Blur, and the side of the grid of the first picture at which both are compared.
    n_steps : int

    References
    ----------
    Baker and Matthews (2004). Lucas-Kanade 20 years on: a unifying framework. International
    Journal of Computer Vision, 56(3), 221-255.
    """
    first, second = blur(first, sigma, side), blur(second, sigma)
    points = _make_points(side)
    disc = _inside(points[..., :2])
    template = _standardize(first, disc)
    slopes = torch.stack(torch.gradient(template, dim=(1, 2)), -1) * side
    # Derivatives by the six numbers of a map.
    slopes = (slopes[..., None] * points[..., None, :]).flatten(3).flatten(1, 2)
    curvature = slopes.mT @ (slopes * disc.reshape(-1, 1))
    damping = 1e-3 * curvature.diagonal(dim1=1, dim2=2).mean(1) + 1e-6
    inverse = torch.linalg.inv(curvature + damping[:, None, None] * torch.eye(6))
    last = torch.tensor([[0.0, 0.0, 1.0]]).expand(len(first), 1, 3)
    for _ in range(n_steps):
        moved, weights = _sample(second, points, maps, disc)
        error = (_standardize(moved, weights) - _standardize(first, weights)) * weights
        step = inverse @ (slopes.mT @ error.flatten(1)[..., None])
        change = torch.cat([step.reshape(-1, 2, 3), 0 * last], 1) + torch.eye(3)
        maps = maps @ torch.linalg.inv(change)
    return maps


def correlate(first, second, maps, side, blurs):
    """Return the correlation (n,) of the parts of two pictures that a map takes to each other.

    That of the blurs, of the first and of the second, that make them most alike. Maps that no crop
    explains have correlation -1: small parts of most cells are alike.
    """
    points = _make_points(side)
    disc = _inside(points[..., :2])
    area = torch.linalg.det(maps[..., :2]).abs()  # negative if mirrored
    best = torch.full((len(first),), -1.0)
    for sigmas in blurs:
        a = blur(first, sigmas[0], side)
        b, weights = _sample(blur(second, sigmas[1]), points, maps, disc)
        near = blur(weights, _COARSE, side).clamp_min(1e-6)
        a, b = (
            _standardize(each - blur(each * weights, _COARSE, side) / near, weights, _MIN_CONTRAST)
            for each in (a, b)
        )
        correlation = (a * b * weights).sum((1, 2)) / weights.sum((1, 2)).clamp_min(1)
        best = torch.maximum(best, correlation)
    overlap = weights.sum((1, 2)) * area.clamp_min(1) / disc.sum()
    usual = (overlap > _MIN_OVERLAP) & (area > _AREAS[0]) & (area < _AREAS[1])
    return torch.where(usual, best, -1.0)


def _make_points(side):
    """Return points (side, side, 3) of a grid, each with a 1 after row and column."""
    line = (torch.arange(side) + 0.5) / side - 0.5
    return torch.stack([*torch.meshgrid(line, line, indexing="ij"), torch.ones(side, side)], -1)


def _inside(points):
    """Return the weight of points: 1 in the disc, 0 outside."""
    return ((_EMPTY - points.norm(dim=-1)) / (_EMPTY - _FULL)).clamp(0, 1)


def _sample(pictures, points, maps, disc):
    """Return pictures in the frame of the first ones, and the weights of the common part."""
    moved = points @ maps.mT[:, None]
    samples = F.grid_sample(
        pictures[:, None], 2 * moved.flip(-1), align_corners=False, padding_mode="border"
    )
    return samples[:, 0], disc * _inside(moved)


def _standardize(pictures, weights, min_contrast=1e-3):
    total = weights.sum((-2, -1), keepdim=True).clamp_min(1)
    pictures = pictures - (pictures * weights).sum((-2, -1), keepdim=True) / total
    contrast = ((pictures**2 * weights).sum((-2, -1), keepdim=True) / total).sqrt()
    return pictures / contrast.clamp_min(min_contrast)
