"""PyTorch's settings of the process and the thread, as this package needs them."""

import os
import threading
from collections import Counter
from contextlib import ExitStack, contextmanager

import torch

_lock = threading.Lock()
_n_blocks = Counter()  # of each thread that is inside
_dtype = torch.float32  # the user's
_forked = _forked_while_busy = False


@contextmanager
def torch_defaults():
    """Use PyTorch's default dtype, device and modes inside the block and restore the user's after.

    For all that creates or trains a network or applies it: float32 on the CPU, with gradients,
    without inference mode and autocast. In a forked process PyTorch is set to one thread, as in its
    own DataLoader: the threads of the parent do not exist there, and it would wait for them.

    Raises
    ------
    RuntimeError
        In a process that was forked while another thread was inside: PyTorch's locks are in an
        unknown state.
    """
    if _forked_while_busy:
        raise RuntimeError(
            "This process was forked while another thread was training or predicting, after which "
            "PyTorch may wait for ever. Start processes by 'spawn' or 'forkserver' "
            "(multiprocessing.get_context), by joblib, or before the thread."
        )
    if _forked and torch.get_num_threads() > 1:
        torch.set_num_threads(1)
    with ExitStack() as stack:
        stack.enter_context(_float32())
        if torch.is_inference_mode_enabled() or not torch.is_grad_enabled():
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        # Only where needed: it slows down every call of PyTorch.
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield


@contextmanager
def _float32():
    """Set the default dtype, which all threads share: the last one to leave restores it."""
    global _dtype
    thread = threading.get_ident()
    with _lock:
        if not _n_blocks:
            _dtype = torch.get_default_dtype()
            torch.set_default_dtype(torch.float32)
        _n_blocks[thread] += 1
    try:
        yield
    finally:
        with _lock:
            _n_blocks[thread] -= 1
            if not _n_blocks[thread]:
                del _n_blocks[thread]
            if not _n_blocks:
                torch.set_default_dtype(_dtype)


def _note_fork():
    global _lock, _forked, _forked_while_busy
    _lock, _forked = threading.Lock(), True  # another thread may have held the old one
    _forked_while_busy |= any(thread != threading.get_ident() for thread in _n_blocks)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
