"""The output layer, fitted to labelled cells and held to what it was."""

import torch
from torch.nn import functional as F


def fit_output(layer, features, codes, weights, pull):
    """Fit the output layer by a logistic regression that is pulled to the old weights.

    Parameters
    ----------
    layer : torch.nn.Linear
        Changed in place. The rows of classes without a cell stay as they are.
    features : torch.Tensor of shape (n, d)
    codes : torch.Tensor of shape (n,)
        The class of each row.
    weights : torch.Tensor of shape (n,)
        What each row counts for; they sum to 1.
    pull : float
        How strongly the squared distance from the old weights counts. It is relative to the mean
        square of the features, so that their unit does not matter.
    """
    features = features.double()
    codes, weights = codes.to(features.device), weights.double()
    old = torch.cat([layer.weight, layer.bias[:, None]], 1).detach().double()
    size = (weights @ features.square().sum(1)).sqrt().clamp(min=1e-12)
    rows = torch.cat([features / size, torch.ones_like(features[:, :1])], 1)
    scale = torch.cat([size.expand(old.shape[1] - 1), torch.ones_like(size)[None]])
    present = torch.zeros(len(old), 1, dtype=old.dtype, device=old.device)
    present[codes.unique()] = 1
    change = torch.zeros_like(old, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [change], max_iter=50, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
    )

    def loss():
        optimizer.zero_grad()
        logits = rows @ (old * scale + change * present).T
        value = weights @ F.cross_entropy(logits, codes, reduction="none")
        value = value + pull / 2 * change.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    new = old + (change * present).detach() / scale
    with torch.no_grad():
        layer.weight.copy_(new[:, :-1])
        layer.bias.copy_(new[:, -1])
