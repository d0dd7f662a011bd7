"""Nearly identical pictures: equal but for rotation, reflection, cropping, blur or light.

A search by descriptors gives a few candidates for each picture; each pair is then registered and
correlated.
"""

import numpy as np
import torch

from skblood.images import torch_defaults

from ._descriptors import ZOOMS, describe, fill_corners
from ._registration import align, correlate, refine

# Candidates of each picture.
_N_CANDIDATES = 6
# Blur, side and number of steps of a first and of a final registration, and the correlations from
# which pairs are registered finally, and are copies.
_FIRST, _PROMISING = (0.05, 20, 3), 0.85
_FINAL, _SAME = (0.03, 40, 8), 0.975
# Blurs of two pictures before they are correlated: of neither, or one, if the other is blurred.
_BLURS = ((0.025, 0.025), (0.045, 0.025), (0.025, 0.045))
# Pictures that are compared in one step, which fit into a cache, and pairs in one step.
_ROWS, _COLUMNS, _PAIRS = 128, 2048, 256


@torch_defaults()
def find_near_pairs(pictures):
    """Find the pairs of nearly identical pictures.

    Parameters
    ----------
    pictures : ndarray of shape (n, SIDE, SIDE), dtype uint8
        None is blank. Their corners are overwritten.

    Returns
    -------
    pairs : ndarray of int of shape (n_pairs, 2)
        Positions, the lower first, sorted. Of many pictures that are the same, enough pairs to
        connect them, but not all.
    similarity : ndarray of shape (n_pairs,)
        Correlation of the two pictures, at most 1.
    """
    if len(pictures) < 2:
        return np.empty((0, 2), dtype=int), np.empty(0)
    pictures = torch.from_numpy(pictures)
    for some in pictures.split(_ROWS):
        some[:] = fill_corners(some)
    views, centers = describe(pictures)
    pairs = _find_candidates(views)
    points = views[..., :-2]
    chunks = pairs.split(_PAIRS)
    similarity = torch.cat([_compare(pictures, points, centers, *pairs.T) for pairs in chunks])
    same = similarity >= _SAME
    pairs, order = np.unique(np.sort(pairs[same], axis=1), axis=0, return_index=True)
    return pairs, similarity[same][order].double().numpy().clip(max=1)


def _find_candidates(views):
    """Return pairs (m, 2) of pictures of which the second, zoomed, is similar to the first."""
    # Products of these are minus half the squared distances.
    queries = torch.cat([views[0, ..., :-2], views[0, ..., [-1]], views[0, ..., [-2]]], -1)
    views = views.flatten(0, 1)
    n = queries.shape[1]
    found, score = [], []
    for rows in torch.arange(n).split(_ROWS):
        best = torch.cat(
            [_multiply(queries[:, rows], some) for some in views.split(_COLUMNS, 1)], 1
        )
        best[torch.arange(len(rows)), rows] = -torch.inf
        top = best.topk(min(_N_CANDIDATES, n - 1))
        found.append(torch.stack([rows[:, None].expand_as(top.indices), top.indices], -1))
        score.append(top.values)
    pairs, score = torch.cat(found).flatten(0, 1), torch.cat(score).flatten()
    # A pair that was found in both directions is kept in the better one.
    pairs = pairs[score.argsort(descending=True, stable=True)]
    return pairs[np.sort(np.unique(np.sort(pairs, axis=1), axis=0, return_index=True)[1])]


def _multiply(queries, views):
    """Return the largest product of any query and any view of each two pictures."""
    best = torch.full((queries.shape[1], views.shape[1]), -torch.inf)
    product = torch.empty_like(best)
    for query in queries:
        for view in views:
            torch.maximum(best, torch.mm(query, view.T, out=product), out=best)
    return best


def _compare(pictures, points, centers, first, second):
    """Return the correlation of each pair of pictures in its best registration."""
    a, b = pictures[first].float(), pictures[second].float()
    difference = points[0][None, :, None, first] - points[:, None, :, second]
    best = difference.square().sum(-1).flatten(0, 2).argmin(0)
    view, i, j = torch.unravel_index(best, difference.shape[:3])
    start = centers[0, i, first], centers[view, j, second], ZOOMS[view]
    maps = refine(a, b, align(a, b, *start), *_FIRST)
    similarity = correlate(a, b, maps, 24, _BLURS[:1])
    rows = similarity >= _PROMISING
    a, b = a[rows], b[rows]
    similarity[rows] = correlate(a, b, refine(a, b, maps[rows], *_FINAL), 48, _BLURS)
    return similarity
