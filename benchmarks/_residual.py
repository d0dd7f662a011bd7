"""The reference of `time_to_accuracy`: a hand-written residual network and its training loop."""

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from skblood.augment import CellAugment

WIDTHS = (24, 48, 96, 192)


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut; a fresh block is its shortcut."""

    def __init__(self, width):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        nn.init.zeros_(self.body[-1].weight)

    def forward(self, x):
        """Add, then bend."""
        return F.gelu(x + self.body(x))


def make_network(n_classes):
    """Return the network, of 1.1 million parameters: images in -1..1 to logits."""
    layers, in_channels = [], 3
    for width in WIDTHS:
        layers += [
            nn.Conv2d(in_channels, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.GELU(),
            Residual(width),
        ]
        in_channels = width
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, n_classes)
    )


def decode(paths, image_size):
    """Return the images of some files, ``(n, h, w, 3)``, uint8."""
    images = np.empty((len(paths), image_size, image_size, 3), np.uint8)
    for image, path in zip(images, paths, strict=True):
        with Image.open(path) as opened:
            size = (image_size, image_size)
            image[:] = opened.convert("RGB").resize(size, Image.Resampling.BILINEAR)
    return images


def train(images, codes, *, epochs, device, dtype, seed, on_epoch_end):
    """Train from scratch.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, 3), dtype uint8
    codes : ndarray of shape (n,)
    epochs : int
    device : str
    dtype : torch.dtype
        The precision of autocast; float32 is without.
    seed : int
    on_epoch_end : callable
        Called after each epoch with what maps uint8 images to class codes.
    """
    torch.manual_seed(seed)
    network = make_network(int(codes.max()) + 1).to(device, memory_format=torch.channels_last)
    images, codes = torch.from_numpy(images).to(device), torch.from_numpy(codes).to(device)
    n, batch_size = len(images), 64
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=0.02, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 4e-3, total_steps=epochs * -(-n // batch_size)
    )
    augment = CellAugment()
    for _ in range(epochs):
        network.train()
        for rows in torch.randperm(n, device=device).split(batch_size):
            x = augment(as_input(images.index_select(0, rows)))
            with torch.autocast(device, dtype, enabled=dtype != torch.float32):
                logits = network(2 * x - 1)
            loss = F.cross_entropy(logits.float(), codes[rows], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if device == "cuda":
            torch.cuda.synchronize()
        on_epoch_end(lambda pixels: predict(network, pixels, device))


@torch.inference_mode()
def predict(network, images, device):
    """Return the class code of each image, in float32."""
    network.eval()
    batches = torch.from_numpy(images).to(device).split(256)
    return torch.cat([network(2 * as_input(x) - 1).argmax(1) for x in batches]).cpu().numpy()


def as_input(images):
    """Bring uint8 images ``(n, h, w, c)`` to ``(n, c, h, w)`` in 0..1."""
    return images.permute(0, 3, 1, 2).float().div_(255)
