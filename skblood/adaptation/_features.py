"""Inputs of the output layer, and the layer as one matrix."""

import copy

import torch

from skblood.augment import make_augment
from skblood.estimators import replace_network


def extract_features(predictor, images):
    """Return the inputs of the output layer, averaged over the views of a prediction.

    Parameters
    ----------
    predictor : Predictor
    images : CellImages

    Returns
    -------
    features : torch.Tensor of shape (n, d), float64
    """
    network, spec = predictor.network, predictor.spec
    if spec == spec.with_one_view():
        return torch.from_numpy(predictor.penultimate(images)).double()

    def average(x):
        views = [network.penultimate(view).float() for view in network.views(x)]
        return torch.stack(views).mean(0)

    return torch.from_numpy(predictor.run(average, images)).double()


def extract_random_views(predictor, images, n_views):
    """Return the inputs of the output layer for views in other colors and light.

    Returns
    -------
    views : list of torch.Tensor of shape (n, d), float64
        Empty if the images are rows of numbers.
    """
    if not predictor.spec.is_pixels or min(predictor.spec.image_shape[:2]) == 1:
        return []
    network, augment = predictor.network, make_augment("stain")
    passes = (
        predictor.run(lambda x: network.penultimate(augment(x)), images) for _ in range(n_views)
    )
    return [torch.from_numpy(each).double() for each in passes]


def output_layer(model):
    """Return weights and, in the last column, biases: float64 of shape (n_classes, d + 1)."""
    layer = model.predictor_.network.head[-1]
    return torch.cat([layer.weight, layer.bias[:, None]], 1).detach().cpu().double()


def with_output_layer(model, layer):
    """Return a copy of a classifier with another output layer."""
    network = copy.deepcopy(model.predictor_.network)
    with torch.no_grad():
        network.head[-1].weight.copy_(layer[:, :-1])
        network.head[-1].bias.copy_(layer[:, -1])
    return replace_network(model, model.spec_, network)


def logits_of(layer, features):
    """Return the logits of features."""
    return features @ layer[:, :-1].T + layer[:, -1]
