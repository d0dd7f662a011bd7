"""Random generators of a seed, and shares rounded to whole images."""

import numpy as np
from sklearn.utils import check_random_state


def generators(random_state, n):
    """Return n independent generators for a `random_state` as in scikit-learn."""
    if random_state is None:
        entropy = None
    else:
        entropy = check_random_state(random_state).randint(2**32, size=4, dtype=np.uint32)
    return [np.random.default_rng(seed) for seed in np.random.SeedSequence(entropy).spawn(n)]


def round_shares(ideal, total, least=0):
    """Round numbers to integers of the given sum, by largest remainder.

    Parameters
    ----------
    ideal : ndarray of shape (n,)
        Numbers whose sum is about `total`.
    total : int
    least : int or ndarray of shape (n,), default=0
        Lower bounds of the integers; their sum is at most `total`.

    Returns
    -------
    counts : ndarray of shape (n,), dtype int64
    """
    least = np.broadcast_to(least, ideal.shape)
    counts = np.maximum(np.floor(ideal), least).astype(np.int64)
    while counts.sum() < total:
        counts[np.argmax(ideal - counts)] += 1
    while counts.sum() > total:
        counts[np.argmin(np.where(counts > least, ideal - counts, np.inf))] -= 1
    return counts
