"""Device and precision, resolved in one place; one GPU for each worker process."""

import multiprocessing
import os
import sys
import tempfile
import threading
import warnings
from contextlib import suppress
from pathlib import Path

import torch
from filelock import FileLock, Timeout


def resolve_device(device):
    """Turn the parameter `device` into an available device.

    Parameters
    ----------
    device : str or torch.device
        ``"auto"``: CUDA if available, else Apple's MPS, else the CPU; of several GPUs, the one of
        this process (see Notes). A named device, such as ``"cuda:1"``, is never replaced by
        another.

    Returns
    -------
    device : torch.device

    Raises
    ------
    ValueError
        If the device is unknown or not available, or if no GPU is left for this process.

    Warns
    -----
    UserWarning
        Once in a process of ``n_jobs=2`` or of multiprocessing for which no GPU is left, and
        which therefore shares one.

    Notes
    -----
    Under a launcher such as torchrun, which sets LOCAL_RANK, "auto" is the GPU of that number. A
    Dask worker, and a process of ``n_jobs=2`` or of multiprocessing, takes the first of the GPUs
    in CUDA_VISIBLE_DEVICES that no other such process of this user and host has taken, and keeps
    it until it ends. Workers of dask_cuda see their own first. The name of a worker is not used:
    clusters number workers over all hosts.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    kinds = [*(["cuda"] if cuda else []), *(["mps"] if mps else []), "cpu"]
    if isinstance(device, str) and device == "auto":
        device = _own_gpu() if cuda else kinds[0]
    with suppress(RuntimeError, TypeError):  # of what is no device of torch
        resolved = torch.device(device)
        absent = resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count()
        if resolved.type in kinds and not absent:
            return resolved
    raise ValueError(
        f"device={device!r} is not available on this machine; use 'auto' or one of "
        f"{', '.join(map(repr, kinds))}."
    )


def relocate(device, *, is_named):
    """Return the device in this process of a model that comes from a file or another process.

    Parameters
    ----------
    device : str or torch.device
        Where it was.
    is_named : bool
        Whether the user named a device; else "auto" chose it, for that process.

    Returns
    -------
    device : torch.device
        The same, if it is here and, in a worker process, was named; else that of "auto".
    """
    if is_named or not str(device).startswith("cuda") or not _is_worker():
        with suppress(ValueError):
            return resolve_device(device)
    return resolve_device("auto")


class _Claim:
    """The GPU that a worker process has taken."""

    index, warned = None, False

    def __init__(self):
        self.mutex = threading.Lock()

    def take(self):
        """Return the number of the GPU of this process, or None if others have taken all."""
        with self.mutex:
            for i in range(torch.cuda.device_count() if self.index is None else 0):
                # Freed by the system when the process ends, however it ends. The name has the
                # user: others may be forbidden to open the file.
                gpu = torch.cuda.get_device_properties(i).uuid
                name = f"skblood-{getattr(os, 'getuid', int)()}-{gpu}.lock"
                lock = FileLock(Path(tempfile.gettempdir(), name), thread_local=False)
                with suppress(Timeout):
                    lock.acquire(timeout=0)
                    self.index, self.file_lock = i, lock
                    break
            return self.index


# By process id: a forked process has not taken the GPU of its parent.
_claims = {}


def _own_gpu():
    """Return the name of the GPU that "auto" stands for in this process."""
    here = f"this process sees {torch.cuda.device_count()} GPU(s)"
    rank = os.environ.get("LOCAL_RANK", "")
    if rank.isdecimal():
        if int(rank) >= torch.cuda.device_count():
            raise ValueError(
                f"LOCAL_RANK is {rank}, but {here}. Launch as many processes on a host as it has "
                "GPUs, or set device='cuda:0' to share one, or device='cpu'."
            )
        return f"cuda:{int(rank)}"
    if not _is_worker():
        return "cuda"
    claim = _claims.setdefault(os.getpid(), _Claim())
    if (index := claim.take()) is not None:
        return f"cuda:{index}"
    taken = f"No GPU is left for this worker process: {here}, and other workers have taken them."
    if _in_dask_task():
        raise ValueError(
            f"{taken} Start as many Dask workers on a host as it has GPUs (dask_cuda does), or set "
            "device='cuda:0' to share one, or device='cpu'."
        )
    if not claim.warned:
        claim.warned = True
        warnings.warn(
            f"{taken} It shares the first one, which is slower and may run out of memory. Set "
            "n_jobs to the number of GPUs; 1 is best for a single one.",
            stacklevel=3,
        )
    return "cuda:0"


def _is_worker():
    """Tell if this is one of several processes, started by multiprocessing, joblib or Dask."""
    return multiprocessing.parent_process() is not None or _in_dask_task()


def _in_dask_task():
    try:
        return bool(sys.modules["distributed"].get_worker())
    except (KeyError, ValueError, AttributeError):  # not imported, or only in part; not a task
        return False


def autocast_dtype(precision, device):
    """Turn the parameter `precision` into the dtype of autocast.

    ``"auto"`` is bfloat16 where the device computes it in hardware, else float32.
    """
    if precision == "auto":
        fast = False
        if device.type == "cuda":
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        elif device.type == "cpu":
            # Without these instructions, a CPU emulates bfloat16, slower than float32.
            fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        precision = "bfloat16" if fast else "float32"
    return getattr(torch, precision)


def autocast(images, dtype, device):
    """Return the context that a network is applied to a batch in.

    Pixels have 8 bits, as many as bfloat16; other numbers, such as features, have more and are
    computed with in float32.
    """
    low = images.dtype == torch.uint8 and dtype != torch.float32
    return torch.autocast(device.type, dtype, enabled=low)
