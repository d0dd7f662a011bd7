"""Views of the training cells of the ready model: any scale, any stain, any sharpness."""

import math

import torch
from torch.nn import functional as F

from skblood.augment import BackgroundAugment, LightAugment, OpticsAugment, StainAugment

# Scales of a cell, 1 as in the data; and the share of the cells that keep theirs, nearly.
SCALES = (0.45, 1.6)
OWN_SCALES = (0.92, 1.08)
OWN_SHARE = 0.35
# Scales of cells that were cut out by their own box.
CUT_SCALES = (0.7, 1.5)


def random_frame(images, side, neighbors=None):
    """Turn, flip, shift, stretch and scale cells.

    Parameters
    ----------
    images : torch.Tensor of shape (n, 3, h, h), dtype uint8
    side : int
        Height and width of the result.
    neighbors : torch.Tensor of shape (m, 3, h, h), dtype uint8
        Images that are laid around a cell which is shown smaller. Those of platelets have plasma
        and red cells in them, and nothing that looks like a white cell. None: the cells were cut
        out by their own box, and what is outside is reflected.

    Returns
    -------
    frames : torch.Tensor of shape (n, 3, side, side), in 0..1
    """
    n = len(images)
    low, high = CUT_SCALES if neighbors is None else SCALES
    scale = torch.exp(_uniform(n, math.log(low), math.log(high)))
    if neighbors is not None:
        scale = torch.where(torch.rand(n) < OWN_SHARE, _uniform(n, *OWN_SCALES), scale)
    flipped = torch.where(torch.rand(n, 1, 1, 1) < 0.5, images.flip(3), images)
    quarters = torch.randint(0, 4, (n,)) * (math.pi / 2)
    angle = torch.where(torch.rand(n) < 0.5, quarters, _uniform(n, 0, 2 * math.pi))
    shift, stretch = _uniform((n, 2), -0.12, 0.12), torch.exp(_uniform(n, -0.08, 0.08))
    frames = torch.empty(n, 3, side, side)
    small = scale < 0.97 if neighbors is not None else torch.zeros(n, dtype=torch.bool)
    for rows, is_small in ((torch.nonzero(small), True), (torch.nonzero(~small), False)):
        rows = rows.flatten()
        if len(rows):
            canvas = _surround(flipped[rows], neighbors) if is_small else flipped[rows].float()
            reach = 1 / scale[rows] / (3 if is_small else 1)
            moves = (reach, angle[rows], shift[rows], stretch[rows])
            frames[rows] = _sample(canvas, *moves, side) / 255
    return frames


def random_colors(images, share=0.8):
    """Show a share of the cells as other stains, lamps, slides and lenses might.

    Parameters
    ----------
    images : torch.Tensor of shape (n, 3, h, w), in 0..1
    share : float, default=0.8

    Returns
    -------
    images : torch.Tensor of shape (n, 3, h, w), in 0..1
    """
    images = images.clone()
    rows = torch.nonzero(torch.rand(len(images)) < share).flatten()
    if len(rows):
        changed = BackgroundAugment()(images[rows])
        dyed = torch.rand(len(rows)) < 0.5
        if dyed.any():
            changed[dyed] = recolor(changed[dyed])
        images[rows] = OpticsAugment()(LightAugment()(StainAugment()(changed)))
    return images


def recolor(images, amount=0.8):
    """Give the dark, the middle and the bright tones of each image a random color of their own.

    Nuclei are dark, cytoplasm and red cells are of middle tones and plasma is bright, in whatever
    colors: so a network learns that colors differ from stain to stain, and shapes do not. Colors
    are added in optical density, as dyes are.

    Parameters
    ----------
    images : torch.Tensor of shape (n, 3, h, w), in 0..1
    amount : float, default=0.8
        Each image is changed by a random part of this.

    Returns
    -------
    images : torch.Tensor of shape (n, 3, h, w), in 0..1
    """
    n = len(images)
    tone = F.avg_pool2d(images.mean(1, keepdim=True), 5, 1, 2, count_include_pad=False)
    low, high = (tone.flatten(2).quantile(q, 2)[..., None, None] for q in (0.01, 0.95))
    tone = ((tone - low) / (high - low + 1e-3)).clamp(0, 1.1)
    density = -torch.log(images.clamp(1 / 255, 1))
    amount = amount * torch.rand(n, 1, 1, 1)
    for middle, width, strength in ((0.08, 0.2, 0.25), (0.5, 0.22, 0.55), (0.95, 0.2, 0.2)):
        middle = middle + 0.1 * torch.randn(n, 1, 1, 1)
        width = width * _uniform((n, 1, 1, 1), 0.7, 1.3)
        weight = torch.exp(-(((tone - middle) / width) ** 2) / 2)
        color = torch.randn(n, 3, 1, 1)
        color = color - 0.5 * color.mean(1, keepdim=True)  # more of hue than of darkness
        density = density + amount * strength * weight * color
    return torch.exp(-density.clamp(0, 6))


def random_resolution(images, share=0.2, least=40):
    """Bring a share of the images to a lower resolution and back."""
    side = images.shape[-1]
    rows = torch.rand(len(images)) < share
    if rows.any():
        low = int(torch.randint(least, side - 10, ()))
        small = F.interpolate(images[rows], (low, low), mode="bilinear", antialias=True)
        images[rows] = F.interpolate(small, (side, side), mode="bicubic").clamp(0, 1)
    return images


def _surround(images, neighbors):
    """Return canvases of three by three images, at half their resolution, with `images` inside."""
    n, _, h, w = images.shape
    canvas = torch.empty(n, 3, 3 * h, 3 * w, dtype=torch.uint8)
    for row in range(3):
        for column in range(3):
            part = neighbors[torch.randint(len(neighbors), (n,))]
            if (row, column) == (1, 1):
                part = images
            canvas[:, :, row * h : (row + 1) * h, column * w : (column + 1) * w] = part
    return F.avg_pool2d(canvas.float(), 2)


def _sample(canvas, reach, angle, shift, stretch, side):
    """Sample squares around the center; `reach` is half their side, in half sides of the canvas."""
    cos, sin = angle.cos(), angle.sin()
    first = torch.stack([cos * reach * stretch, -sin * reach * stretch, shift[:, 0] * reach], 1)
    second = torch.stack([sin * reach / stretch, cos * reach / stretch, shift[:, 1] * reach], 1)
    shape = [len(canvas), 3, side, side]
    grid = F.affine_grid(torch.stack([first, second], 1), shape, align_corners=False)
    return F.grid_sample(canvas, grid, padding_mode="reflection", align_corners=False)


def _uniform(shape, low, high):
    return low + (high - low) * torch.rand(shape)
