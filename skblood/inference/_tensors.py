"""Image arrays as tensors on the device."""

from contextlib import nullcontext

import numpy as np
import torch

from skblood.images import quiet


def to_tensor(images, device):
    """Put an NHWC array on the device, when it fits there; no copy is made on the CPU.

    A device with less than twice the memory that the images need gets them batch by batch.
    """
    # torch wants to write; nothing here does. Memory maps and arrays that joblib shares are
    # read-only, and a user's array stays so.
    images = np.asarray(images)
    if any(stride < 0 for stride in images.strides):
        # A single image may run backwards and count as contiguous: only a copy is sure to help.
        images = images.copy(order="C")
    with nullcontext() if images.flags.writeable else quiet():
        tensor = torch.from_numpy(images)
    if device.type == "cuda" and 2 * images.nbytes > torch.cuda.mem_get_info(device)[0]:
        return tensor
    return tensor.to(device)


def as_nchw(images):
    """View an NHWC batch as NCHW (channels last in memory); pass features as they are."""
    return images.permute(0, 3, 1, 2) if images.ndim == 4 else images
