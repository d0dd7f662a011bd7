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
    """Seed torch's generators inside the block and restore them behind it.

    Only those of the CPU and of `device`: `torch.manual_seed` would seed every GPU, for good.
    """
    accelerator = [] if device.type == "cpu" else [device]
    with torch.random.fork_rng(
        devices=accelerator, device_type=device.type if accelerator else "cuda"
    ):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        elif device.type == "mps":
            torch.mps.manual_seed(seed)
        yield
