"""The network of a fitted model: preparation of images, backbones, head."""

from numbers import Integral

import torch
from torch import nn
from torch.nn import functional as F

from skblood.images import resize_batch

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh, "silu": nn.SiLU}


class CellNetwork(nn.Module):
    """Images to logits.

    Parameters
    ----------
    backbones : list of torch.nn.Module
        Each maps ``(n, c, h, w)`` in 0..1 to features ``(n, d)``; they are concatenated.
    head : torch.nn.Module
        Maps the features to logits, or is the identity.
    image_size : tuple of (int, int) or None
        Height and width that the backbones work at; None if images keep their own size.
    interpolation : str
        How images of another size are resized to it.

    Attributes
    ----------
    dihedral_views : {1, 2, 4, 8}
        In evaluation mode, the logits of so many flips and quarter turns are averaged ...
    view_crops : tuple of float
        ... of so many crops of each image.
    """

    def __init__(self, backbones, head, image_size=None, interpolation="bilinear"):
        super().__init__()
        self.backbones = nn.ModuleList(backbones)
        self.scale = nn.Identity()  # standardizes the features of frozen backbones
        self.head = head
        self.image_size = image_size
        self.interpolation = interpolation
        self.dihedral_views, self.view_crops = 1, (1.0,)

    @property
    def frozen(self):
        """Whether only the head is trained."""
        return all(backbone.frozen for backbone in self.backbones)

    def prepare(self, images):
        """Convert a stored batch to what the backbones take.

        Parameters
        ----------
        images : torch.Tensor of shape (n, c, h, w)
            uint8 pixels, which are resized and scaled to 0..1; or float32, passed unchanged.
        """
        if images.dtype != torch.uint8:
            return images
        if self.image_size is not None:
            images = resize_batch(images, self.image_size, self.interpolation)
        return images.float().div_(255)

    def encode(self, x):
        """Map prepared images to the features of all backbones, ``(n, d)``."""
        return torch.cat([backbone(x) for backbone in self.backbones], dim=1)

    def forward(self, x):
        """Map prepared images ``(n, c, h, w)``, or features ``(n, d)``, to logits."""
        if x.ndim != 4 or self.training:
            return self.head(self._scaled_features(x))
        logits = [self.head(self._scaled_features(view)) for view in self.views(x)]
        return torch.stack(logits).mean(0)

    def views(self, x):
        """Return the views of prepared images that a prediction averages, as a list."""
        crops = [_center(x, share) for share in self.view_crops]
        return [view for crop in crops for view in dihedral_views(crop, self.dihedral_views)]

    def penultimate(self, x):
        """Map prepared images, or features, to the input of the output layer."""
        return self.head[:-1](self._scaled_features(x))

    def _scaled_features(self, x):
        return self.scale(self.encode(x) if x.ndim == 4 else x)


def dihedral_views(x, n_views):
    """Return images flipped and turned by quarter turns.

    Parameters
    ----------
    x : torch.Tensor of shape (n, c, h, w)
    n_views : {1, 2, 4, 8}
        1, the images themselves; 2, mirrored as well; 4, upside down as well; 8, with rows and
        columns exchanged as well, for square images.

    Returns
    -------
    views : list of torch.Tensor
    """
    views = [x, x.flip(3), x.flip(2), x.flip((2, 3))]
    views += [view.transpose(2, 3) for view in views] if n_views == 8 else []
    return views[:n_views]


def _center(x, share):
    """Return the central part of images, enlarged to their size."""
    if share == 1:
        return x
    height, width = x.shape[2:]
    top, left = (min(round(n * (1 - share) / 2), (n - 1) // 2) for n in (height, width))
    part = x[:, :, top : height - top, left : width - left]
    return F.interpolate(part, (height, width), mode="bilinear")


class OutputLayer(nn.Linear):
    """Linear layer that computes the logits in float32, whatever the precision of the network."""

    def forward(self, x):
        """Map ``(n, d)`` to logits."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


def make_head(
    n_features, hidden_layer_sizes, n_outputs, *, dropout, activation="relu", batch_norm=False
):
    """Build the dense layers behind the backbones.

    Dropout follows each hidden layer; without one, it precedes the output layer. Batch
    normalization, if any, is between a hidden layer and its activation.
    """
    layers = []
    for width in hidden_layer_sizes:
        layers += [nn.Linear(n_features, width, bias=not batch_norm)]
        layers += [nn.BatchNorm1d(width)] if batch_norm else []
        layers += [ACTIVATIONS[activation](), nn.Dropout(dropout)]
        n_features = width
    layers = layers or [nn.Dropout(dropout)]
    return nn.Sequential(*layers, OutputLayer(n_features, n_outputs))


def check_layer_sizes(sizes):
    """Return `hidden_layer_sizes` as a tuple of int, or raise ValueError."""
    sizes = tuple(sizes)
    if any(not isinstance(width, Integral) or width < 1 for width in sizes):
        raise ValueError(
            f"hidden_layer_sizes={sizes!r} must be positive integers, one a layer, or () for none."
        )
    return tuple(map(int, sizes))


def hash_weights(module, digest):
    """Update a hashlib object with the names, dtypes and values of a module's weights."""
    for name, tensor in module.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
