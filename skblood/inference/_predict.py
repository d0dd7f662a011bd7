"""The forward pass over many images."""

import numpy as np
import torch

from ._device import autocast
from ._tensors import as_nchw, to_tensor


@torch.inference_mode()
def forward_all(network, step, images, batch_size, device, dtype=torch.float32):
    """Apply a step of the network to all images, in evaluation mode.

    Every batch has exactly `batch_size` images, the last one being filled up, because the
    kernels that a device picks depend on the shape of the batch: so an image gives the same
    figures, to the bit on a CPU, alone or in any company. Only a device that has no memory for
    such a batch gets smaller ones.

    Parameters
    ----------
    network : CellNetwork
    step : callable
        A method of the network that takes prepared images.
    images : ndarray of shape (n, h, w, c) or (n, d)
    batch_size : int
    device : torch.device
    dtype : torch.dtype, default=torch.float32
        The precision of passes over pixels.

    Returns
    -------
    out : ndarray of shape (n, d), dtype float32

    Raises
    ------
    MemoryError
        If the device has no memory for one image.
    """
    network.eval()
    stored = to_tensor(images, device)
    out, done = [], 0
    # One context for all batches: it keeps the weights that it has converted.
    with autocast(stored, dtype, device):
        while done < len(stored):
            batch = stored[done : done + batch_size].to(device)
            try:
                out.append(_forward(network, step, batch, batch_size))
                done += len(batch)
            except torch.OutOfMemoryError as error:
                batch_size = _smaller(batch_size, images, device, error)
    return np.concatenate(out)


def _forward(network, step, batch, batch_size):
    # A copy: kernels depend on the strides, too, and those are the caller's.
    batch = batch.clone(memory_format=torch.contiguous_format)
    n = len(batch)
    if n < batch_size:
        batch = torch.cat([batch, batch[:1].expand(batch_size - n, *batch.shape[1:])])
    return step(network.prepare(as_nchw(batch)))[:n].float().cpu().numpy()


def _smaller(batch_size, images, device, error):
    if batch_size == 1:
        raise MemoryError(
            f"Device {device} has no memory left for the network and one image of shape "
            f"{images.shape[1:]}. Set device='cpu', a smaller image_size or a smaller backbone, or "
            "free the memory that other models and programs hold."
        ) from error
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return batch_size // 2
