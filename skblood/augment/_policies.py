"""Augmentation policies by name, with the one for other laboratories, and copies of images."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral

import numpy as np
import torch
from sklearn.utils import check_random_state, check_scalar
from torch import nn

from skblood._typing import Policy, RandomState, Tensor, UInt8s
from skblood.images import CellImages, torch_defaults

from ._augment import SHARE, Augment, change_share
from ._background import BackgroundAugment
from ._cell_augment import CellAugment
from ._color import LightAugment, StainAugment
from ._export import ExportAugment
from ._frame import FrameAugment
from ._optics import OpticsAugment

# Images that are changed at a time.
_BATCH = 64


class LaboratoryAugment(Augment):
    """Flip and shift all images, and change a share of them as another laboratory might.

    Crop, background, stain, light and optics of these change, in this order. The other images
    keep them, so that accuracy in the laboratory of the training images stays high.

    Parameters
    ----------
    share : float in [0, 1], default=0.8
        Share of the images that are changed by more than flips and shifts.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or of another type.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import LaboratoryAugment
    >>> LaboratoryAugment()(torch.rand(4, 3, 32, 32)).shape
    torch.Size([4, 3, 32, 32])
    """

    _parameter_constraints = {"share": SHARE}

    def __init__(self, *, share: float = 0.8) -> None:
        super().__init__(share=share)
        self.moves = CellAugment(color=0.0)
        self.changes = nn.Sequential(
            FrameAugment(), BackgroundAugment(), StainAugment(), LightAugment(), OpticsAugment()
        )

    def _change(self, images):
        return change_share(self.changes, self.moves(images), self.share)


# All classes of this package; subclasses that are defined elsewhere come later.
AUGMENTS = tuple(Augment.__subclasses__())

POLICIES = {
    "cells": lambda: nn.Sequential(CellAugment(), ExportAugment()),
    "stain": lambda: nn.Sequential(CellAugment(color=0.0), StainAugment(), LightAugment()),
    "laboratory": LaboratoryAugment,
}


def make_augment(policy: Policy) -> torch.nn.Module:
    """Make the augmentation of a policy.

    Parameters
    ----------
    policy : {"cells", "stain", "laboratory"}
        As for the parameter `augment` of the estimators: flips, shifts, mild colors and, in some
        images, the traces of other software (scale, focus, compression); flips, shifts, other
        stains and other light; or whatever differs between laboratories.

    Returns
    -------
    augment : torch.nn.Module
        Maps a float batch ``(n, c, h, w)`` in 0..1 to another of the same shape.

    Raises
    ------
    ValueError
        If there is no such policy.

    Examples
    --------
    >>> import torch
    >>> from skblood.augment import make_augment
    >>> make_augment("stain")(torch.rand(4, 3, 32, 32)).shape
    torch.Size([4, 3, 32, 32])
    """
    if policy not in list(POLICIES):  # also of what has no hash
        raise ValueError(f"policy={policy!r} is not known. Choose one of {list(POLICIES)}.")
    return POLICIES[policy]()


def augment_images(
    images: UInt8s | CellImages,
    augment: Policy | Callable[[Tensor], Tensor] = "cells",
    *,
    n_copies: int = 1,
    random_state: RandomState = None,
) -> UInt8s:
    """Make random variants of images.

    Estimators augment their training images by themselves, with new variants in each epoch; but
    the head of a frozen backbone is trained on features that are computed once. For that, and to
    look at an augmentation, this function makes the variants beforehand.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c), dtype uint8, or CellImages
        Not modified.
    augment : {"cells", "stain", "laboratory"} or callable, default="cells"
        A policy, as in :func:`make_augment`, or a function that maps a float batch
        ``(n, c, h, w)`` in 0..1 to another of the same shape, drawing from torch's generator.
    n_copies : int, default=1
        Variants of each image.
    random_state : int, RandomState instance or None, default=None
        Seed of the variants. Global random generators are left as they are.

    Returns
    -------
    variants : ndarray of shape (n * n_copies, h, w, c), dtype uint8
        One variant of each image, then the next of each; their labels are
        ``np.tile(y, n_copies)``.

    Raises
    ------
    ValueError
        If `images` is no such array, there is no such policy, or `n_copies` is less than 1.

    Notes
    -----
    An image and its variants show one cell. Give them one group, so that early stopping and
    cross-validation keep them together.

    Examples
    --------
    Train the head of a frozen backbone on the images and two variants of each:

    >>> import numpy as np
    >>> from skblood import TransferCellClassifier
    >>> from skblood.augment import augment_images
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> X_more = augment_images(X, "laboratory", n_copies=2, random_state=0)
    >>> X_more.shape
    (320, 28, 28, 3)
    >>> groups = np.tile(np.arange(160), 3)  # each cell and its variants
    >>> clf = TransferCellClassifier(
    ...     "cellnet_t", trainable="head", early_stopping=True, max_epochs=2, random_state=0
    ... )
    >>> clf = clf.fit(np.concatenate([X, X_more]), np.tile(y, 3), groups=groups)
    """
    images = np.asarray(getattr(images, "pixels", images))
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(
            f"`images` is of dtype {images.dtype} and shape {images.shape}; it must be uint8 of "
            "shape (n, h, w, c). skblood.images.read_images makes such an array of other forms."
        )
    check_scalar(n_copies, "n_copies", Integral, min_val=1)
    augment = augment if callable(augment) else make_augment(augment)
    # Not the global generator, from which check_random_state(None) would draw.
    rng = np.random.RandomState() if random_state is None else check_random_state(random_state)
    variants = np.empty((n_copies, *images.shape), np.uint8)
    with torch_defaults(), torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.default_generator.manual_seed(rng.randint(np.iinfo(np.int32).max))
        for copy in variants:
            for start in range(0, len(images), _BATCH):
                rows = slice(start, start + _BATCH)
                batch = torch.tensor(images[rows]).permute(0, 3, 1, 2).float().div_(255)
                changed = augment(batch).mul(255).round_().clamp_(0, 255).to(torch.uint8)
                copy[rows] = changed.permute(0, 2, 3, 1).numpy()
    return variants.reshape(-1, *images.shape[1:])


def is_own(augment):
    """Return whether an augmentation is one of skblood's, or a sequence of them.

    The `repr` of such an augmentation determines what it does.
    """
    if type(augment) is nn.Sequential:
        return all(is_own(part) for part in augment)
    return type(augment) in AUGMENTS
