"""Layers of batch normalization, and hooks for the time of a pass."""

from contextlib import contextmanager

from torch.nn.modules.batchnorm import _BatchNorm


def batch_norms(network):
    """Return the layers of batch normalization with running statistics."""
    return [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]


@contextmanager
def hooked(modules, hook, *, before=False):
    """Call a hook after, or before, each forward pass of modules, within the context."""
    name = "register_forward_pre_hook" if before else "register_forward_hook"
    handles = [getattr(module, name)(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
