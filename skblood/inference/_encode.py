"""A frozen network's features: what they depend on, and the way through the store."""

import hashlib

import numpy as np
import timm
import torch

from skblood.augment import is_own
from skblood.networks import hash_weights

from ._random import seeded
from ._tensors import as_nchw

# To be raised when this package computes other features from the same settings.
_VERSION = 1


def encode_images(images, keys, network, forward, *, store, settings, augment=None, view=0):
    """Return what a frozen network makes of images, computing what the store has not.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c)
    keys : ndarray of shape (n, 2), dtype uint64
        The images' content; see `skblood.images.content_keys`.
    network : CellNetwork
        With frozen backbones.
    forward : callable
        Maps images to features ``(n, d)``, float32.
    store : FeatureStore or None
        Where features are kept, if anywhere.
    settings : tuple
        What else the features depend on: preprocessing, precision, device.
    augment : callable or None
        Maps a float batch ``(n, c, h, w)`` in 0..1 to one of the same shape.
    view : int
        0 are the images as they are; any other number, one random change of each by `augment`,
        which depends on the number and the image's content alone.

    Returns
    -------
    features : ndarray of shape (n, d), dtype float32
    """

    def compute(rows):
        chosen = images[rows]
        return forward(change(chosen, keys[rows], augment, view) if view else chosen)

    # What another callable does, no key can tell.
    if store is None or (view and not is_own(augment)):
        return compute(np.arange(len(images)))
    facts = (*settings, images.shape[1:], images.dtype.str, view, str(augment) if view else None)
    return store.fetch(network_key(network, facts), keys, compute)


def network_key(network, facts):
    """Hash all that features depend on but the image: architecture, weights, settings, versions.

    The weights are hashed anew each time: whoever changes them gets features of the new ones.
    """
    versions = _VERSION, torch.__version__, timm.__version__
    digest = hashlib.blake2b(repr((versions, facts, network.backbones)).encode(), digest_size=16)
    hash_weights(network.backbones, digest)
    return digest.digest()


def change(images, keys, augment, view):
    """Return uint8 images, each changed by a draw that is seeded by its content and the view."""
    changed = np.empty_like(images)
    for i, key in enumerate(keys):
        pixels = as_nchw(torch.from_numpy(images[i : i + 1].copy())).float().div_(255)
        with seeded((int(key[0]) + view) % 2**63, pixels.device):
            pixels = augment(pixels)
        changed[i] = pixels[0].mul(255).round_().to(torch.uint8).permute(1, 2, 0).numpy()
    return changed
