"""Fitting the output layer or the whole network to labelled and pseudo-labelled cells."""

import copy

import torch
from torch.nn import functional as F

from ._target_cells import balanced_weights

# Mean probability of the predicted class from which a prediction is trusted without labels. A model
# that does not know the cells becomes a little more confident by wrong steps, too.
MIN_CONFIDENCE = 0.8

# L2-SP penalty of the output layer for one cell a class; for k cells a class, divided by k.
_L2SP_OUTPUT = 0.1

# Training of the network.
_N_STEPS = 80
_BATCH = 32
_LR = 1e-3
# Share of the way back to its starting value that each weight goes after each step (decoupled
# L2-SP).
_L2SP_NETWORK = 3e-3
# Weight of the two distillation losses beside the cross entropy: logits of absent classes, and
# log-sum-exp of the others.
_DISTILL_ABSENT = 0.1
_DISTILL_PRESENT = 0.005


def fit_output_layer(layer, features, codes, weights):
    """Return the output layer fitted by logistic regression with an L2-SP penalty.

    The penalty is on the squared distance from the old weights, relative to the mean square of the
    features, so that their unit does not matter.

    Parameters
    ----------
    layer : torch.nn.Linear
        Not changed.
    features : torch.Tensor of shape (n, n_views, d)
        Inputs of the layer for several views of each cell.
    codes : torch.Tensor of shape (n,)
        Class codes. Weights of classes that are not among them stay as they are.
    weights : torch.Tensor of shape (n,)
        Weight of each cell; they sum to 1.

    Returns
    -------
    layer : torch.nn.Linear
    """
    penalty = _L2SP_OUTPUT * len(codes.unique()) / len(codes)
    n_views = features.shape[1]
    codes = codes.to(features.device).repeat_interleave(n_views)
    weights = (weights.to(features) / n_views).repeat_interleave(n_views).double()
    features = features.flatten(0, 1).double()
    size = (weights @ features.square().sum(1)).sqrt().clamp(min=1e-12)
    rows = torch.cat([features / size, torch.ones_like(features[:, :1])], 1)
    old = torch.cat([layer.weight.double() * size, layer.bias.double()[:, None]], 1).detach()
    present = torch.zeros_like(old[:, :1])
    present[codes] = 1
    change = torch.zeros_like(old, requires_grad=True)
    options = {"max_iter": 50, "tolerance_grad": 1e-6, "line_search_fn": "strong_wolfe"}
    optimizer = torch.optim.LBFGS([change], **options)

    def loss():
        optimizer.zero_grad()
        logits = rows @ (old + change * present).T
        value = weights @ F.cross_entropy(logits, codes, reduction="none")
        value = value + penalty / 2 * change.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    new = old + (change * present).detach()
    layer = copy.deepcopy(layer)
    with torch.no_grad():
        layer.weight.copy_(new[:, :-1] / size)
        layer.bias.copy_(new[:, -1])
    return layer


def pseudo_label(layer, features, codes):
    """Add confident predictions for cells without a label to the labels of others.

    A cell is taken if all its views get the same class with a mean probability of at least
    `MIN_CONFIDENCE`. Of each class the most confident cells are taken, at most twice the median
    number of cells over the classes found, so that the most frequent class does not take over.

    Parameters
    ----------
    layer : torch.nn.Linear
        Output layer.
    features : torch.Tensor of shape (n, n_views, d)
        Inputs of the layer for the cells without a label.
    codes : torch.Tensor of shape (n_labelled,)
        Labels of the other cells.

    Returns
    -------
    rows : torch.Tensor of shape (m,)
        Positions of the cells taken.
    codes : torch.Tensor of shape (n_labelled + m,)
        The labels given, then the pseudo-labels.
    weights : torch.Tensor of shape (n_labelled + m,)
        Weight of each label; they sum to 1. Together pseudo-labels weigh half as much as labels.
    """
    with torch.no_grad():
        probabilities = layer(features).softmax(2).cpu()
    confidence, found = probabilities.mean(1).max(1)
    agreed = (probabilities.argmax(2) == found[:, None]).all(1)
    rows = torch.nonzero(agreed & (confidence >= MIN_CONFIDENCE)).flatten()
    rows = rows[confidence[rows].argsort(descending=True)]
    if len(rows):
        counts = torch.bincount(found[rows])
        most = 2 * int(counts[counts > 0].median())
        rows = torch.cat([rows[found[rows] == code][:most] for code in found[rows].unique()])
    weights = torch.cat([2 * balanced_weights(codes), balanced_weights(found[rows])])
    return rows, torch.cat([codes, found[rows]]), weights / weights.sum()


def fine_tune(network, cells, rows, codes, weights):
    """Train the weights that the model's fit trained, on random views of the cells, in place.

    The statistics of batch normalization are not updated, and all weights are drawn back to their
    starting values (L2-SP). Classes without a cell would be forgotten: they take no part in the
    cross entropy, and their logits are kept by distillation (learning without forgetting, Li &
    Hoiem 2016). So is the log-sum-exp of the other logits: the cross entropy leaves it free, and if
    it grew for all cells, the classes without a cell would never be predicted.

    Parameters
    ----------
    network : CellNetwork
    cells : TargetCells
    rows : torch.Tensor of shape (n,)
        Positions of the cells to train on.
    codes : torch.Tensor of shape (n,)
        Their labels or pseudo-labels.
    weights : torch.Tensor of shape (n,)
        Sampling weight of each cell.
    """
    network.eval()
    old = copy.deepcopy(network)
    absent = ~torch.isin(torch.arange(network.head[-1].out_features), codes).to(cells.device)
    pairs = zip(network.parameters(), old.parameters(), strict=True)
    pairs = [pair for pair in pairs if pair[0].requires_grad]
    optimizer = torch.optim.Adam([parameter for parameter, _ in pairs], lr=_LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _N_STEPS)
    for _ in range(_N_STEPS):
        drawn = torch.multinomial(weights, _BATCH, replacement=True)
        x = cells.prepare(network, rows[drawn], random_view=True)
        optimizer.zero_grad()
        with torch.enable_grad():
            _distilled_loss(network, old, x, codes[drawn].to(cells.device), absent).backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for parameter, start in pairs:
                parameter.lerp_(start, _L2SP_NETWORK)


def _distilled_loss(network, old, x, codes, absent):
    """Return the cross entropy over present classes, plus distillation if classes are absent."""
    logits = network(x)
    loss = F.cross_entropy(logits.masked_fill(absent, -torch.inf), codes)
    if absent.any():
        with torch.no_grad():
            before = old(x)
        loss = loss + _DISTILL_ABSENT * F.mse_loss(logits[:, absent], before[:, absent])
        present, former = (z[:, ~absent].logsumexp(1) for z in (logits, before))
        loss = loss + _DISTILL_PRESENT * F.mse_loss(present, former)
    return loss
