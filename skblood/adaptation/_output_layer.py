"""The output layer: its inputs, as one matrix, and fitted to labeled cells."""

import copy

import torch
from torch.nn import functional as F

from skblood.augment import make_augment
from skblood.estimators import replace_network

from ._partial_labels import balanced_weights

# L2-SP penalty of biases alone; and of the output layer for one cell a class, for k cells a class
# divided by k.
_BIASES, _OUTPUT = 0.02, 0.03
# Weight of what is asked of predictions for unlabeled cells: that they are sure, and that they
# have the expected shares together.
_UNLABELLED = 0.3
_NO_SHARE = 1e-30


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


def fit_layer(layer, features, codes, shares, *, only_biases=False, unlabeled=None):
    """Return an output layer fitted by logistic regression with an L2-SP penalty.

    All labeled classes count alike. The penalty is on the squared distance from the old weights,
    in units of the root mean square of the features, so that their unit does not matter.

    Parameters
    ----------
    layer : torch.Tensor of shape (n_classes, d + 1), float64
        Weights and, in the last column, biases; not changed.
    features : torch.Tensor of shape (n, n_views, d), float64
        Inputs of the layer for several views of each cell.
    codes : torch.Tensor of shape (n,)
        Class codes. Outputs of classes that are not among them stay as they are.
    shares : torch.Tensor of shape (n_classes,)
        Shares of the classes among the unlabeled cells; 0 if one cannot occur.
    only_biases : bool, default=False
    unlabeled : torch.Tensor of shape (m, d), float64, default=None
        Inputs of the layer for cells without a label. Their predictions are to be sure, and to have
        the shares together (transductive information maximization, Boudiaf et al. 2020).

    Returns
    -------
    layer : torch.Tensor of shape (n_classes, d + 1), float64
    """
    n_views = features.shape[1]
    weights = (balanced_weights(codes) / n_views).repeat_interleave(n_views)
    targets, features = codes.repeat_interleave(n_views), features.flatten(0, 1)
    size = (weights @ features.square().sum(1)).sqrt().clamp(min=1e-12)
    scale = torch.cat([size.expand(features.shape[1]), size.new_ones(1)])
    rows, start = with_ones(features) / scale, layer * scale
    free = torch.zeros_like(layer)
    free[codes, -1 if only_biases else slice(None)] = 1
    penalty = _BIASES if only_biases else _OUTPUT * len(codes.unique()) / len(codes)
    possible, expected = ((s.clamp(min=_NO_SHARE)).log() for s in ((shares > 0).double(), shares))
    others = None if unlabeled is None else with_ones(unlabeled) / scale
    change = torch.zeros_like(layer, requires_grad=True)

    def loss():
        optimizer.zero_grad()
        fitted = start + change * free
        value = weights @ F.cross_entropy(rows @ fitted.T + possible, targets, reduction="none")
        value = value + penalty / 2 * change.square().sum()
        if others is not None:
            p = (others @ fitted.T + expected).softmax(1)
            unsure, found = torch.special.entr(p).sum(1).mean(), p.mean(0)
            differs = -torch.special.entr(found).sum() - found @ expected
            value = value + _UNLABELLED * (unsure + differs)
        value.backward()
        return value

    options = {"max_iter": 30, "tolerance_grad": 1e-5, "line_search_fn": "strong_wolfe"}
    optimizer = torch.optim.LBFGS([change], **options)
    with torch.enable_grad():
        optimizer.step(loss)
    return (start + change.detach() * free) / scale


def with_ones(features):
    """Return features with a last column of ones, for the biases."""
    return torch.cat([features, features.new_ones(len(features), 1)], 1)
