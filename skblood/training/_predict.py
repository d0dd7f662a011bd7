"""The forward pass over many images."""

import numpy as np
import torch

from ._samples import as_nchw, to_tensor


@torch.inference_mode()
def forward_all(network, step, images, batch_size, device):
    """Apply a step of the network to all images, in evaluation mode and float32.

    Every batch has exactly `batch_size` images, the last one being filled up, because the
    kernels that a device picks depend on the shape of the batch: so an image gives the same
    figures, to the bit on a CPU, alone or in any company.

    Parameters
    ----------
    network : CellNetwork
    step : callable
        A method of the network that takes prepared images.
    images : ndarray of shape (n, h, w, c)
    batch_size : int
    device : torch.device

    Returns
    -------
    out : ndarray of shape (n, d), dtype float32
    """
    network.eval()
    stored = to_tensor(images, device)
    out = []
    for start in range(0, len(stored), batch_size):
        # A copy: kernels depend on the strides, too, and those are the caller's.
        batch = stored[start : start + batch_size].to(device)
        batch = batch.clone(memory_format=torch.contiguous_format)
        n = len(batch)
        if n < batch_size:
            batch = torch.cat([batch, batch[:1].expand(batch_size - n, *batch.shape[1:])])
        out.append(step(network.prepare(as_nchw(batch)))[:n].float().cpu().numpy())
    return np.concatenate(out)
