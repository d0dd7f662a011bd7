"""Randomness that leaves the world as it was."""

from contextlib import contextmanager

import numpy as np
import torch
from sklearn.utils import check_random_state


def draw_seed(random_state):
    """Draw a seed from `random_state`.

    None takes fresh entropy: scikit-learn's habit of drawing from numpy's global generator
    would change a state that is the caller's.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0] >> 1)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


@contextmanager
def seeded(seed, device):
    """Seed torch's generators inside the block and restore them behind it."""
    on_cpu = device.type == "cpu"
    with torch.random.fork_rng(
        devices=[] if on_cpu else [device],
        device_type="cuda" if on_cpu else device.type,
    ):
        torch.manual_seed(seed)
        yield
