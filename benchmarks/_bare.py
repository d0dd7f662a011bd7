"""The bare PyTorch loops: what remains when everything is left out that can be.

They are the limit that the classifiers are held to, so they take what makes PyTorch fast: images
on the device, channels last, a fused optimizer, bfloat16 where the device computes it, and no
waiting for the device within an epoch.
"""

import copy

import numpy as np
import torch
from torch.nn import functional as F

from skblood.augment import make_augment


def train(network, images, codes, *, epochs, device, dtype, lr=3e-3, weight_decay=0.02):
    """Train a copy of a network, as the classifiers do by default.

    Parameters
    ----------
    network : torch.nn.Module
        Maps images ``(n, c, h, w)`` in 0..1 to logits. It is not changed.
    images : ndarray of shape (n, h, w, c), dtype uint8
    codes : ndarray of shape (n,), dtype int64
        Class codes.
    epochs : int
    device : str
    dtype : torch.dtype
        The precision of autocast; float32 is without.

    Returns
    -------
    losses : list of float
        The mean loss of each epoch.
    """
    network = copy.deepcopy(network).to(device, memory_format=torch.channels_last).train()
    images, codes = torch.from_numpy(images).to(device), torch.from_numpy(codes).to(device)
    n, batch_size = len(images), 64
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, lr, total_steps=epochs * -(-n // batch_size), cycle_momentum=False
    )
    augment = make_augment("cells")
    losses = []
    for _ in range(epochs):
        total = torch.zeros((), device=device)
        for rows in torch.randperm(n, device=device).split(batch_size):
            x = images.index_select(0, rows).permute(0, 3, 1, 2).float().div_(255)
            with torch.autocast(device, dtype, enabled=dtype != torch.float32):
                logits = network(augment(x))
            loss = F.cross_entropy(logits.float(), codes[rows], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach() * len(rows)
        losses.append(total.item() / n)
    return losses


@torch.inference_mode()
def predict(network, images, *, batch_size, device):
    """Return the probabilities that a network in evaluation mode gives, in float32."""
    images = torch.from_numpy(images).to(device)
    out = []
    for batch in images.split(batch_size):
        x = batch.permute(0, 3, 1, 2).float().div_(255)
        out.append(network(x).softmax(1))
    return torch.cat(out).cpu().numpy()


def to_predict(network, device):
    """Return a copy of a network as `predict` is fastest with it."""
    return copy.deepcopy(network).to(device, memory_format=torch.channels_last).eval()


def codes_of(y):
    """Return the class codes of labels."""
    return np.unique(y, return_inverse=True)[1]


def autocast_dtype(device):
    """Return bfloat16 where the device computes it in hardware, else float32."""
    if device == "cuda":
        low = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        low = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if low else torch.float32
