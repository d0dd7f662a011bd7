"""PyTorch's settings of the process and the thread, as this package needs them."""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from ._shared import SharedContext

_forked = _forked_while_busy = False


@contextmanager
def _set_float32():
    former = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(former)


_float32 = SharedContext(_set_float32)


@contextmanager
def torch_defaults() -> Iterator[None]:
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
            "PyTorch may wait forever. Start processes by 'spawn' or 'forkserver' "
            "(multiprocessing.get_context), by joblib, or before the thread."
        )
    if _forked and torch.get_num_threads() > 1:
        torch.set_num_threads(1)
    with _float32(), torch.inference_mode(False), torch.enable_grad(), ExitStack() as stack:
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        # Only where needed: it slows down every call of PyTorch.
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield


def _note_fork():
    global _forked, _forked_while_busy
    _forked = True
    _forked_while_busy |= any(thread != threading.get_ident() for thread in _float32.threads)
    _float32.lock = threading.Lock()  # another thread may have held the old one


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
