"""Fitting the output layer, or its biases only, to labelled cells."""

import torch
from torch.nn import functional as F

from ._partial_labels import balanced_weights

# L2-SP penalty of biases alone; and of the output layer for one cell a class, for k cells a class
# divided by k.
_BIASES, _OUTPUT = 0.02, 0.03
# Weight of what is asked of predictions for unlabelled cells: that they are sure, and that they
# have the expected shares together.
_UNLABELLED = 0.3
_NO_SHARE = 1e-30


def fit_layer(layer, features, codes, shares, *, only_biases=False, unlabelled=None):
    """Return an output layer fitted by logistic regression with an L2-SP penalty.

    All labelled classes count alike. The penalty is on the squared distance from the old weights,
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
        Shares of the classes among the unlabelled cells; 0 if one cannot occur.
    only_biases : bool, default=False
    unlabelled : torch.Tensor of shape (m, d), float64, default=None
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
    others = None if unlabelled is None else with_ones(unlabelled) / scale
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
