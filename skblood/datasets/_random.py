"""Random generators of a seed."""

import numpy as np
from sklearn.utils import check_random_state


def generators(random_state, n):
    """Return n independent generators for a `random_state` as in scikit-learn."""
    if random_state is None:
        entropy = None
    else:
        entropy = check_random_state(random_state).randint(2**32, size=4, dtype=np.uint32)
    return [np.random.default_rng(seed) for seed in np.random.SeedSequence(entropy).spawn(n)]
