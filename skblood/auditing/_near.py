"""Nearly identical images: equal but for rotation, reflection, shift, light or compression.

Each picture gets a descriptor that these changes hardly affect. A tree finds the few nearest
descriptors of each, so that the time grows roughly linearly with the number of pictures; each pair
found is then registered and compared pixel by pixel.
"""

import numpy as np
from scipy import fft
from scipy.spatial import cKDTree

# Height and width of the gray pictures that are compared.
SIDE = 48

# Largest frequency in a descriptor, in waves across a picture: higher ones hold the noise of JPEG.
_MAX_FREQUENCY = 8
# Contrast to which pictures are normalized, and the magnitude below which a wave counts as noise.
_CONTRAST, _NOISE = 40.0, 20.0

# Root mean square difference of two descriptors. Copies of 500 real cells: at most 0.18.
_MAX_DIFFERENCE = 0.22
# Dimensions of the tree, and neighbors of each picture.
_TREE_DIMENSIONS = 16
_MAX_NEIGHBORS = 8

# Correlation from which two pictures are the same. Among 15,382 real cells, pictures of the same
# cell had 0.991 or more, all others 0.969 or less; shifted copies had 0.98 or more.
_SAME = 0.98
# Orientations, of eight, that the coarse comparison keeps.
_KEPT_ORIENTATIONS = 2
# Shifts, in pixels: of the coarse comparison, at half the size, and of the fine one.
_SHIFTS = np.arange(-3.0, 3.1, 0.5)
_REFINEMENT = np.arange(-1.0, 1.1, 0.25)
# Limits of the frequencies that are compared. Lower ones are alike in many cells; higher ones need
# the fine shift.
_LOW, _HIGH_COARSE, _HIGH_FINE = 4.0, 7.0, 14.0

# Pictures, or pairs of pictures, in one step of the computation.
_CHUNK = 512


def find_near_pairs(pictures):
    """Find the pairs of nearly identical pictures.

    Parameters
    ----------
    pictures : ndarray of shape (n, SIDE, SIDE), dtype uint8
        None is blank.

    Returns
    -------
    pairs : ndarray of int of shape (n_pairs, 2)
        Positions, the lower first, sorted. Of many pictures that are the same, enough pairs to
        connect them, but not all.
    similarity : ndarray of shape (n_pairs,)
        Correlation of the two pictures, at most 1.
    """
    pairs = _find_candidates(pictures)
    similarity = np.full(len(pairs), -1.0)
    for start in range(0, len(pairs), _CHUNK):
        rows = slice(start, start + _CHUNK)
        similarity[rows] = _compare(pictures[pairs[rows, 0]], pictures[pairs[rows, 1]])
    same = similarity >= _SAME
    return pairs[same], similarity[same]


def _find_candidates(pictures):
    """Return the pairs with similar descriptors."""
    if len(pictures) < 2:
        return np.empty((0, 2), dtype=int)
    starts = range(0, len(pictures), _CHUNK)
    descriptors = np.concatenate([_compute_descriptors(pictures[i : i + _CHUNK]) for i in starts])
    radius = _MAX_DIFFERENCE * descriptors.shape[1] ** 0.5
    # Principal components: distances are at most those of the descriptors, so no pair is lost.
    axes = np.linalg.eigh(np.cov(descriptors.T))[1][:, -_TREE_DIMENSIONS:]
    points = (descriptors - descriptors.mean(axis=0)) @ axes
    _, found = cKDTree(points).query(points, k=_MAX_NEIGHBORS + 1, distance_upper_bound=radius)
    rows, columns = np.nonzero(found < len(points))  # missing neighbors have index len(points)
    pairs = np.sort(np.stack([rows, found[rows, columns]], axis=1), axis=1)
    pairs = np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0)
    near = [
        np.linalg.norm(descriptors[some[:, 0]] - descriptors[some[:, 1]], axis=1) <= radius
        for some in np.array_split(pairs, len(pairs) // _CHUNK + 1)
    ]
    return pairs[np.concatenate(near)]


def _compute_descriptors(pictures):
    """Return log magnitudes of the waves, pooled over those that rotation or reflection swaps."""
    waves = fft.fft2(_normalize(pictures.astype(np.float32)))
    power = waves.real**2 + waves.imag**2
    ky, kx = np.triu_indices(_MAX_FREQUENCY + 1)
    ky, kx = ky[1:], kx[1:]
    pooled = power[:, ky, kx] + power[:, -ky, kx] + power[:, kx, ky] + power[:, -kx, ky]
    return np.log(_CONTRAST * np.sqrt(pooled / 4) + _NOISE)


def _normalize(pictures):
    """Return pictures of mean 0 and contrast 1, tapered towards their borders."""
    # A Hann window without the zeros at both ends.
    rows, columns = (np.hanning(side + 2)[1:-1] for side in pictures.shape[1:])
    window = np.outer(rows, columns).astype(np.float32)
    weights = window / window.sum()
    pictures = pictures - (pictures * weights).sum(axis=(1, 2), keepdims=True)
    contrast = np.sqrt((pictures**2 * weights).sum(axis=(1, 2), keepdims=True))
    # The center of a picture that is not blank may be uniform.
    return pictures * window / np.maximum(contrast, 1e-3)


def _compare(first, second):
    """Return the correlation of each pair of pictures in its best registration."""
    scores, shifts = _register(first, second)
    similarity = np.full(len(first), -1.0)
    for orientation in np.argsort(-scores, axis=1)[:, :_KEPT_ORIENTATIONS].T:
        for i in np.flatnonzero(similarity < _SAME):
            oriented = _orient(second[i], orientation[i])
            score = _correlate_shifted(first[i], oriented, shifts[i, orientation[i]])
            similarity[i] = max(similarity[i], score)
    return similarity


def _register(first, second):
    """Return the correlation and the best shift for each pair and orientation of the second."""
    n = len(first)
    # At half the size.
    halves = (n, SIDE // 2, 2, SIDE // 2, 2)
    first, second = (pictures.reshape(halves).mean(axis=(2, 4)) for pictures in (first, second))
    waves = _filter_waves(first, _HIGH_COARSE)
    scores, shifts = np.empty((n, 8)), np.empty((n, 8, 2))
    for orientation in range(8):
        others = _filter_waves(_orient(second, orientation), _HIGH_COARSE)
        correlation = _correlate(waves, others, _SHIFTS).reshape(n, -1)
        peak = correlation.argmax(axis=1)
        scores[:, orientation] = correlation[np.arange(n), peak]
        shifts[:, orientation] = _SHIFTS[np.stack(np.divmod(peak, len(_SHIFTS)), axis=1)]
    return scores, np.rint(2 * shifts).astype(int)


def _correlate_shifted(first, second, shift):
    """Return the correlation of the overlap of two pictures, refined to a quarter of a pixel."""
    first, second = _overlap(first, shift)[None], _overlap(second, -shift)[None]
    waves = [_filter_waves(part, _HIGH_FINE) for part in (first, second)]
    return _correlate(*waves, _REFINEMENT).max()


def _correlate(first, second, shifts):
    """Return correlations (n, len(shifts), len(shifts)) of pictures given as filtered waves."""
    ky, kx = (np.fft.fftfreq(side) for side in first.shape[1:])
    rows = np.exp(2j * np.pi * np.outer(shifts, ky)).astype(np.complex64)
    columns = np.exp(2j * np.pi * np.outer(kx, shifts)).astype(np.complex64)
    return (rows @ (first * second.conj()) @ columns).real


def _overlap(picture, shift):
    """Return the part of a picture that overlaps with another one, shifted against it."""
    height, width = picture.shape
    dy, dx = shift
    return picture[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]


def _filter_waves(pictures, high):
    """Return the band-pass filtered Fourier transform of pictures, of norm 1."""
    height, width = pictures.shape[1:]
    waves = fft.fft2(_normalize(pictures.astype(np.float32)))
    k = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.fftfreq(width) * width)
    waves *= np.exp(-((k / high) ** 2)) - np.exp(-((k / _LOW) ** 2))
    norm = np.sqrt((waves.real**2 + waves.imag**2).sum(axis=(1, 2), keepdims=True))
    return waves / np.maximum(norm, 1e-6)


def _orient(pictures, orientation):
    """Return pictures in one of eight orientations: quarter turns, from 4 on mirrored as well."""
    rotated = np.rot90(pictures, orientation % 4, axes=(-2, -1))
    return rotated[..., ::-1] if orientation >= 4 else rotated
