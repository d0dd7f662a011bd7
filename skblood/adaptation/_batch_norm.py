"""Statistics of batch normalization, mixed with those of the target cells."""

import copy

import torch
from torch.nn.modules.batchnorm import _BatchNorm

# Number of training images that the old statistics count for (N in Schneider et al. 2020).
_PRIOR = 100


def has_statistics(network):
    """Return whether the network has batch normalization with running statistics."""
    return bool(_layers(network))


def with_target_statistics(network, cells, shares):
    """Return a copy of the network with the statistics of the cells mixed in.

    Parameters
    ----------
    network : CellNetwork
    cells : TargetCells
    shares : torch.Tensor of shape (n_classes,)
        Share of each class in the training set. The cells are weighted to these shares, because
        other class proportions are no change of stain.

    Returns
    -------
    network : CellNetwork
    """
    network = copy.deepcopy(network)
    rows = cells.sample()
    x = cells.prepare(network, rows)
    with torch.no_grad():
        codes = network(x).argmax(1).cpu()
    codes = torch.where(cells.codes[rows] >= 0, cells.codes[rows], codes)
    counts = torch.bincount(codes, minlength=len(shares))
    # Smoothed by the mean count, so that a class predicted for one cell does not rest on it alone.
    weights = (shares / (counts + len(rows) / len(shares)))[codes].to(x)
    mix_statistics(network, x, len(rows) / (len(rows) + _PRIOR), weights / weights.sum())
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

    _forward_with_hook(network, x, mix)


def distance_of_statistics(network, x):
    """Return the distance between the statistics of a batch and those of the network.

    Parameters
    ----------
    network : CellNetwork
    x : torch.Tensor of shape (n, c, h, w) or (n, d)
        Prepared images.

    Returns
    -------
    distance : float
        Squared difference of the means in units of the variance, averaged over the channels of
        each layer and over the layers.
    """
    distances = []

    def measure(layer, inputs):
        mean = inputs[0].detach().transpose(0, 1).flatten(1).mean(1)
        squared = (mean - layer.running_mean).square() / (layer.running_var + layer.eps)
        distances.append(float(squared.mean()))

    _forward_with_hook(network, x, measure)
    return sum(distances) / len(distances)


def _forward_with_hook(network, x, hook):
    """Apply the network to `x`, calling `hook` before each layer that has statistics."""
    network.eval()
    handles = [layer.register_forward_pre_hook(hook) for layer in _layers(network)]
    try:
        with torch.no_grad():
            network(x)
    finally:
        for handle in handles:
            handle.remove()


def _layers(network):
    return [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
