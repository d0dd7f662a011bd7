"""Random number generation that leaves the global generators unchanged."""

import os
import threading
from contextlib import contextmanager

import torch

# Reentrant, since a seeded block may call another.
_lock = threading.RLock()


def _renew_lock():
    # In a forked child, the lock may be held by a thread that does not exist there.
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@contextmanager
def seeded(seed, device):
    """Seed torch's generators inside the block and restore them after it.

    Only those of the CPU and of `device`: `torch.manual_seed` would seed every GPU for good.
    Threads share these generators, so that only one at a time is inside such a block.
    """
    accelerator = [] if device.type == "cpu" else [device]
    kind = device.type if accelerator else "cuda"
    with _lock, torch.random.fork_rng(devices=accelerator, device_type=kind):
        seed_generators(seed, device)
        yield


def seed_generators(seed, device):
    """Seed the generators that a training on `device` draws from."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def generator_states(device):
    """Return the states of the generators that a training on `device` draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state(device)
    return states


def restore_generators(states, device):
    """Restore states that `generator_states` returned."""
    torch.set_rng_state(states["cpu"])
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state(states[device.type], device)
