"""Advice for a training that runs out of memory."""

import gc
from dataclasses import dataclass

import torch


@dataclass
class MemoryAdvice:
    """Context manager that turns out-of-memory errors into a MemoryError with advice.

    The memory that the block holds on the device is freed, so that a smaller training can follow.

    Parameters
    ----------
    batch_size : int
    image_shape : tuple of int
    device : torch.device
    """

    batch_size: int
    image_shape: tuple
    device: torch.device

    def __enter__(self):
        """Begin the block."""

    def __exit__(self, kind, error, traceback):
        """Raise a MemoryError if memory ran out."""
        # The frames that the error came through hold the network and its gradients, and a notebook
        # holds the last error: so neither this frame (as that of a generator would) nor it may.
        del traceback
        marks = ("DefaultCPUAllocator", "out of memory")
        if not (
            (isinstance(error, MemoryError) and error.__cause__ is None)  # not yet explained
            or isinstance(error, torch.OutOfMemoryError)
            or (isinstance(error, RuntimeError) and any(mark in str(error) for mark in marks))
        ):
            return
        error.__traceback__ = None
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        elsewhere = "" if self.device.type == "cpu" else " or device='cpu'"
        raise MemoryError(
            f"Device {self.device} has too little memory for batches of {self.batch_size} images "
            f"of shape {self.image_shape}. Lower batch_size or image_size, or use a smaller "
            f"backbone, precision='bfloat16', trainable='head'{elsewhere}."
        ) from error
