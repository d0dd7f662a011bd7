"""Statistics of batch normalization, mixed with those of the target cells."""

import copy

import torch

from skblood.inference import as_nchw, to_tensor
from skblood.networks import batch_norms, hooked

# Number of training images that the old statistics count for (N in Schneider et al. 2020).
_PRIOR = 100


def with_target_statistics(network, pixels, codes, shares):
    """Return a copy of the network, of one view, with the statistics of the cells mixed in.

    Parameters
    ----------
    network : CellNetwork
    pixels : ndarray of shape (n, h, w, c)
        Cells, all of which are in one batch.
    codes : torch.Tensor of shape (n,)
        Class codes; -1 without a label.
    shares : torch.Tensor of shape (n_classes,)
        Share of each class in the training set. The cells are weighted to these shares, because
        other class proportions are no change of stain.

    Returns
    -------
    network : CellNetwork
    """
    network = copy.deepcopy(network)
    # Statistics would be mixed once for each view.
    network.dihedral_views, network.view_crops = 1, (1.0,)
    device = next(network.parameters()).device
    x = network.prepare(as_nchw(to_tensor(pixels, device)))
    with torch.no_grad():
        found = network.eval()(x).argmax(1).cpu()
    codes = torch.where(codes >= 0, codes, found)
    counts = torch.bincount(codes, minlength=len(shares))
    # Smoothed by the mean count, so that a class predicted for one cell does not rest on it alone.
    weights = (shares / (counts + len(codes) / len(shares)))[codes].to(x)
    mix_statistics(network, x, len(codes) / (len(codes) + _PRIOR), weights / weights.sum())
    return network


def mix_statistics(network, x, share, weights):
    """Mix the statistics of a batch into those of each layer, in place.

    The layers are updated in order, so that each sees the output of the updated layers before it
    (Li et al. 2017). The result is the mean and variance of the mixture of both sets of images
    (Schneider et al. 2020), including the distance between their means.

    Parameters
    ----------
    network : CellNetwork
    x : torch.Tensor of shape (n, c, h, w) or (n, d)
        Prepared images.
    share : float
        Share of the new images in the mixture, 0 to 1.
    weights : torch.Tensor of shape (n,)
        Weight of each image; they sum to 1.
    """

    def mix(layer, inputs):
        values = inputs[0].detach().flatten(2) if inputs[0].ndim > 2 else inputs[0][:, :, None]
        mean = weights @ values.mean(2)
        variance = weights @ values.square().mean(2) - mean.square()
        distance = mean - layer.running_mean
        layer.running_var.mul_(1 - share).add_(share * variance.clamp(min=0))
        layer.running_var.add_(share * (1 - share) * distance.square())
        layer.running_mean.add_(share * distance)

    network.eval()
    with torch.no_grad(), hooked(batch_norms(network), mix, before=True):
        network(x)
