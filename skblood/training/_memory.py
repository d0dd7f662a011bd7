"""Out-of-memory errors of a training that say what to lower."""

import gc

import torch


class MemoryAdvice:
    """Turn the errors of memory that runs out inside a block into one MemoryError.

    What the block has left on the device is freed, so that a smaller training can follow.

    Parameters
    ----------
    batch_size : int
    image_shape : tuple of int
    device : torch.device
    """

    def __init__(self, batch_size, image_shape, device):
        self.batch_size = batch_size
        self.image_shape = image_shape
        self.device = device

    def __enter__(self):
        """Begin the block."""

    def __exit__(self, kind, error, traceback):
        """Raise the MemoryError, if it is one."""
        # The frames that the error came through hold the network and its gradients, and a notebook
        # holds the last error: so neither this frame (as that of a generator would) nor it may.
        del traceback
        if not _is_raw(error):
            return
        error.__traceback__ = None
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        elsewhere = "" if self.device.type == "cpu" else "set device='cpu', "
        raise MemoryError(
            f"Device {self.device} has too little memory for batches of {self.batch_size} images "
            f"of shape {self.image_shape}. Lower batch_size or image_size, use "
            f"precision='bfloat16', a smaller backbone or trainable='head', {elsewhere}or free "
            "memory."
        ) from error


def _is_raw(error):
    """Tell whether memory ran out, and no message says yet what to do about it."""
    if isinstance(error, MemoryError):
        return error.__cause__ is None
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError)
        and any(mark in str(error) for mark in ("DefaultCPUAllocator", "out of memory"))
    )
