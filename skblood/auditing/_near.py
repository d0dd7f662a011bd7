"""Pairs of pictures that are the same but for a turn, a flip, a shift, the light or the codec.

Each picture gets a descriptor on which none of these has much effect. A tree finds the few nearest
to each, so that the work grows about as the number of pictures does, and each pair found is then
laid on one another and compared pixel by pixel.
"""

from functools import cache

import numpy as np
from scipy import fft
from scipy.spatial import cKDTree

# Height and width of the gray pictures that are compared.
SIDE = 48

# Waves across a picture that the descriptor counts: more would be the noise of JPEG.
_MAX_WAVES = 8
# Contrast that all pictures are brought to, and the strength below which a wave counts as noise.
_CONTRAST, _NOISE = 40.0, 20.0

# Root mean square difference of two descriptors. Copies of 500 real cells: at most 0.18.
_MAX_DIFFERENCE = 0.22
# Dimensions that the tree looks at, and pictures that it finds at most for each.
_TREE_DIMENSIONS = 16
_MAX_NEIGHBORS = 8

# Correlation from which two pictures are the same. Among 15,382 real cells those that show the same
# had 0.991 or more, and no others more than 0.969; shifted copies had 0.98 or more.
_SAME = 0.98
# Of the eight ways to lay a picture on another, how many the first comparison leaves.
_BEST_TURNS = 2
# Shifts that are tried on pictures of half the size, and how they are refined; in pixels of each.
_SHIFTS = np.arange(-3.0, 3.1, 0.5)
_REFINEMENT = np.arange(-1.0, 1.1, 0.25)
# Waves across a picture that are compared: slower ones are alike in many cells, and faster ones
# need the refined shift.
_SLOW, _FAST_AT_FIRST, _FAST = 4.0, 7.0, 14.0

# Pictures, or pairs of them, that are in work at a time.
_CHUNK = 512


def near_pairs(pictures):
    """Find the pairs of pictures that show the same.

    Parameters
    ----------
    pictures : ndarray of shape (n, SIDE, SIDE), dtype uint8
        None of them blank.

    Returns
    -------
    pairs : ndarray of int of shape (n_pairs, 2)
        Positions, the lower first, sorted. Where more than a few pictures are the same, not all
        of their pairs are there, but enough to connect them.
    similarity : ndarray of shape (n_pairs,)
        Correlation of the two, at most 1.
    """
    pairs = _candidates(pictures)
    similarity = np.full(len(pairs), -1.0)
    for start in range(0, len(pairs), _CHUNK):
        some = slice(start, start + _CHUNK)
        similarity[some] = _compare(pictures[pairs[some, 0]], pictures[pairs[some, 1]])
    same = similarity >= _SAME
    return pairs[same], similarity[same]


def _candidates(pictures):
    """Return the pairs whose descriptors are near one another."""
    if len(pictures) < 2:
        return np.empty((0, 2), dtype=int)
    blocks = range(0, len(pictures), _CHUNK)
    descriptors = np.concatenate([_describe(pictures[i : i + _CHUNK]) for i in blocks])
    radius = _MAX_DIFFERENCE * descriptors.shape[1] ** 0.5
    # Distances along the main axes are at most the full ones: no pair within the radius is lost.
    axes = np.linalg.eigh(np.cov(descriptors.T))[1][:, -_TREE_DIMENSIONS:]
    points = (descriptors - descriptors.mean(axis=0)) @ axes
    _, found = cKDTree(points).query(points, k=_MAX_NEIGHBORS + 1, distance_upper_bound=radius)
    rows, columns = np.nonzero(found < len(points))  # the tree fills up with its own length
    pairs = np.sort(np.stack([rows, found[rows, columns]], axis=1), axis=1)
    pairs = np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)
    near = [
        np.linalg.norm(descriptors[some[:, 0]] - descriptors[some[:, 1]], axis=1) <= radius
        for some in np.array_split(pairs, len(pairs) // _CHUNK + 1)
    ]
    return pairs[np.concatenate(near)]


def _describe(pictures):
    """Return the strength of each wave, with those that a turn or a flip would exchange joined."""
    waves = fft.fft2(_normalise(pictures.astype(np.float32)))
    power = waves.real**2 + waves.imag**2
    ky, kx = np.triu_indices(_MAX_WAVES + 1)
    ky, kx = ky[1:], kx[1:]
    joined = power[:, ky, kx] + power[:, -ky, kx] + power[:, kx, ky] + power[:, -kx, ky]
    return np.log(_CONTRAST * np.sqrt(joined / 4) + _NOISE)


def _normalise(pictures):
    """Return pictures that fade out to their borders, of mean 0 and contrast 1."""
    window = _window(*pictures.shape[1:])
    weights = window / window.sum()
    pictures = pictures - (pictures * weights).sum(axis=(1, 2), keepdims=True)
    contrast = np.sqrt((pictures**2 * weights).sum(axis=(1, 2), keepdims=True))
    # Flat in the middle, though not as a whole: no reason to divide by zero.
    return pictures * window / np.maximum(contrast, 1e-3)


@cache
def _window(height, width):
    # Without the zeros at both ends.
    rows, columns = np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]
    return np.outer(rows, columns).astype(np.float32)


def _compare(first, second):
    """Return the correlation of each two pictures, laid on one another as well as can be."""
    scores, shifts = _align(_halve(first), _halve(second))
    similarity = np.full(len(first), -1.0)
    for turn in np.argsort(-scores, axis=1)[:, :_BEST_TURNS].T:
        for i in np.flatnonzero(similarity < _SAME):
            turned = _turn(second[i], turn[i])
            similarity[i] = max(similarity[i], _refine(first[i], turned, shifts[i, turn[i]]))
    return similarity


def _align(first, second):
    """Return for each way to lay the second pictures the correlation and the best shift."""
    n = len(first)
    waves = _unit_waves(first, _FAST_AT_FIRST)
    scores, shifts = np.empty((n, 8)), np.empty((n, 8, 2))
    for turn in range(8):
        others = _unit_waves(_turn(second, turn), _FAST_AT_FIRST)
        correlation = _correlate(waves, others, _SHIFTS).reshape(n, -1)
        peak = correlation.argmax(axis=1)
        scores[:, turn] = correlation[np.arange(n), peak]
        shifts[:, turn] = _SHIFTS[np.stack(np.divmod(peak, len(_SHIFTS)), axis=1)]
    return scores, np.rint(2 * shifts).astype(int)


def _refine(first, second, shift):
    """Compare what two pictures share when the second is shifted, to a quarter of a pixel."""
    first, second = _overlap(first, shift)[None], _overlap(second, -shift)[None]
    return _correlate(_unit_waves(first, _FAST), _unit_waves(second, _FAST), _REFINEMENT).max()


def _correlate(first, second, shifts):
    """Return the correlations (n, len(shifts), len(shifts)) of pictures given as unit waves."""
    ky, kx = (np.fft.fftfreq(side) for side in first.shape[1:])
    rows = np.exp(2j * np.pi * np.outer(shifts, ky)).astype(np.complex64)
    columns = np.exp(2j * np.pi * np.outer(kx, shifts)).astype(np.complex64)
    return (rows @ (first * second.conj()) @ columns).real


def _overlap(picture, shift):
    """Return what is left of a picture when it is moved against one that lies still."""
    height, width = picture.shape
    dy, dx = shift
    return picture[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]


def _unit_waves(pictures, fast):
    """Return the Fourier transform of pictures, slow and fast waves left out, of norm 1."""
    height, width = pictures.shape[1:]
    waves = fft.fft2(_normalise(pictures.astype(np.float32)))
    k = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.fftfreq(width) * width)
    waves *= np.exp(-((k / fast) ** 2)) - np.exp(-((k / _SLOW) ** 2))
    norm = np.sqrt((waves.real**2 + waves.imag**2).sum(axis=(1, 2), keepdims=True))
    return waves / np.maximum(norm, 1e-6)


def _halve(pictures):
    n, height, width = pictures.shape
    return pictures.reshape(n, height // 2, 2, width // 2, 2).mean(axis=(2, 4))


def _turn(pictures, turn):
    """Lay pictures in one of eight ways: turned by right angles, and from 4 on mirrored, too."""
    turned = np.rot90(pictures, turn % 4, axes=(-2, -1))
    return turned[..., ::-1] if turn >= 4 else turned
