"""The steps of an adaptation that need no decision."""

import copy

import torch

from ._cells import balance
from ._norms import mix_statistics
from ._output import fit_output
from ._pseudo import add_pseudo_labels, choose_pseudo_labels

N_VIEWS = 4

# Images of the training that the old statistics count for (the N of Schneider et al. 2020).
_PRIOR = 100
# Pixels in the one pass that statistics come from.
_PIXELS = 2**22
# How strongly the output layer is held to its old weights, for one cell a class; for k cells, k
# times less.
_PULL = 0.1


def with_statistics(network, cells, shares):
    """Return a copy of the network whose statistics have the new cells mixed in.

    Parameters
    ----------
    network : CellNetwork
    cells : Cells
    shares : torch.Tensor of shape (n_classes,)
        Share of each class in the training, to which the cells are weighted: other proportions of
        the classes are no change of stain.

    Returns
    -------
    network : CellNetwork
    """
    network = copy.deepcopy(network)
    rows = some_rows(cells)
    x = cells.prepare(network, rows)
    with torch.no_grad():
        codes = network(x).argmax(1).cpu()
    codes = torch.where(cells.codes[rows] >= 0, cells.codes[rows], codes)
    counts = torch.bincount(codes, minlength=len(shares))
    # Half the way: one cell that alone is taken for a class must not stand for all of it.
    weights = (shares / (counts + len(rows) / len(shares)))[codes].to(x)
    mix_statistics(network, x, len(rows) / (len(rows) + _PRIOR), weights / weights.sum())
    return network


def some_rows(cells):
    """Return random positions of as many cells as one pass takes."""
    most = max(16, _PIXELS // cells.images.shape[1:3].numel())
    return torch.randperm(len(cells.images))[:most]


def with_output(network, features, codes, pseudo=None):
    """Return the output layer fitted to labelled cells and, if given, to pseudo-labelled ones.

    Parameters
    ----------
    network : CellNetwork
    features : torch.Tensor of shape (n, n_views, d)
    codes : torch.Tensor of shape (n,)
    pseudo : tuple of (features, codes), default=None
        They count half as much as the labelled cells, all together.

    Returns
    -------
    layer : torch.nn.Linear
    """
    layer = copy.deepcopy(network.head[-1])
    weights = balance(codes)
    if pseudo is not None:
        features = torch.cat([features, pseudo[0]])
        codes, weights = add_pseudo_labels(codes, pseudo[1])
    n_views = features.shape[1]
    fit_output(
        layer,
        features.flatten(0, 1),
        codes.repeat_interleave(n_views),
        weights.repeat_interleave(n_views).to(features) / n_views,
        _PULL * len(codes.unique()) / len(codes),
    )
    return layer


def self_train(network, layer, features, codes, unlabelled):
    """Return the output layer fitted to labelled cells and to what `layer` is sure of.

    None if it is sure of no cell.
    """
    rows, found = choose_pseudo_labels(layer, unlabelled)
    if not len(rows):
        return None
    return with_output(network, features, codes, (unlabelled[rows], found.to(codes)))
