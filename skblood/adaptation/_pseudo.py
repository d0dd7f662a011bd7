"""Labels that the network gives itself, for cells on which it is sure."""

import torch

from ._cells import balance


def choose_pseudo_labels(layer, features, sure=0.8):
    """Return the cells that may count as labelled, and the class of each.

    A cell is taken if all its views get the same class, with a mean probability of at least
    `sure`; of a class, no more than twice the median over the classes that are found, the surest
    first: else the commonest would take over.

    Parameters
    ----------
    layer : torch.nn.Linear
        The output layer.
    features : torch.Tensor of shape (n, n_views, d)
    sure : float

    Returns
    -------
    rows : torch.Tensor of shape (m,)
    codes : torch.Tensor of shape (m,)
    """
    with torch.no_grad():
        probabilities = layer(features).softmax(2)
    surest, codes = probabilities.mean(1).max(1)
    agreed = (probabilities.argmax(2) == codes[:, None]).all(1)
    taken = torch.nonzero(agreed & (surest >= sure)).flatten()
    taken = taken[surest[taken].argsort(descending=True)]
    if not len(taken):
        return taken, codes[taken]
    counts = torch.bincount(codes[taken])
    most = 2 * int(counts[counts > 0].median())
    kept = [taken[codes[taken] == code][:most] for code in codes[taken].unique()]
    rows = torch.cat(kept)
    return rows, codes[rows]


def add_pseudo_labels(codes, found):
    """Return known classes and then those found, and what each cell counts for; they sum to 1.

    The found ones count half as much as the known ones, all together.
    """
    if not len(found):
        return codes, balance(codes)
    share = 1 / 3 if len(codes) else 1.0
    weights = torch.cat([(1 - share) * balance(codes), share * balance(found)])
    return torch.cat([codes, found]), weights


def spread(probabilities):
    """Return the number of classes that mean predictions ``(n, n_classes)`` spread over.

    It is the exponential of their entropy: 1 if all cells get one class.
    """
    return float(torch.special.entr(probabilities.mean(0)).sum().exp())
