"""Seeds, which need no torch."""

import numpy as np
from sklearn.utils import check_random_state


def draw_seed(random_state):
    """Draw a seed from `random_state`.

    None takes fresh entropy and leaves numpy's global generator unchanged.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0] >> 1)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
