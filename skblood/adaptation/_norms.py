"""The statistics of batch normalisation, moved towards those of other images."""

import torch
from torch.nn.modules.batchnorm import _BatchNorm


def has_statistics(network):
    """Say whether the network normalises by statistics that it took from its training images."""
    return any(True for _ in _layers(network))


def mix_statistics(network, x, share, weights):
    """Mix statistics of a batch into those of each layer.

    The layers go one after the other, so that each sees what those before it give with their new
    statistics (Li et al. 2017). What comes out is mean and variance of the mixture of both sets of
    images (Schneider et al. 2020), the distance between their means included.

    Parameters
    ----------
    network : CellNetwork
        Changed in place.
    x : torch.Tensor of shape (n, c, h, w) or (n, d)
        Prepared images.
    share : float
        Share of the new images in the mixture, 0 to 1.
    weights : torch.Tensor of shape (n,)
        What each image counts for; they sum to 1.
    """

    def mix(layer, inputs):
        values = inputs[0].detach().flatten(2) if inputs[0].ndim > 2 else inputs[0][:, :, None]
        mean = weights @ values.mean(2)
        variance = weights @ values.square().mean(2) - mean.square()
        distance = mean - layer.running_mean
        layer.running_var.mul_(1 - share).add_(share * variance.clamp(min=0))
        layer.running_var.add_(share * (1 - share) * distance.square())
        layer.running_mean.add_(share * distance)

    _pass(network, x, mix)


def distance_of_statistics(network, x):
    """Return how far images are from those that the network's statistics are from.

    Parameters
    ----------
    network : CellNetwork
    x : torch.Tensor of shape (n, c, h, w) or (n, d)
        Prepared images.

    Returns
    -------
    distance : float
        Squared distance between the means, in variances; the mean of all channels and layers.
    """
    distances = []

    def measure(layer, inputs):
        mean = inputs[0].detach().transpose(0, 1).flatten(1).mean(1)
        squared = (mean - layer.running_mean).square() / (layer.running_var + layer.eps)
        distances.append(float(squared.mean()))

    _pass(network, x, measure)
    return sum(distances) / len(distances)


def _pass(network, x, hook):
    """Pass images, with a hook before each layer that has statistics."""
    network.eval()
    hooks = [layer.register_forward_pre_hook(hook) for layer in _layers(network)]
    try:
        with torch.no_grad():
            network(x)
    finally:
        for each in hooks:
            each.remove()


def _layers(network):
    for layer in network.modules():
        if isinstance(layer, _BatchNorm) and layer.track_running_stats:
            yield layer
