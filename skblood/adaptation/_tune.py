"""The whole network, trained on with small steps on labelled cells."""

import copy

import torch
from torch.nn import functional as F

_N_STEPS = 80
_BATCH = 32
_LR = 1e-3
# How strongly each weight is drawn back to where it started, at each step.
_PULL = 3e-3
# What keeping the logits of classes without a cell counts for, beside the cross entropy, and what
# keeping the evidence for the others together does.
_KEEP = 0.1
_KEEP_EVIDENCE = 0.005


def tune_network(network, cells, rows, codes, weights):
    """Train what the model's fit trained, with random views of the cells.

    The statistics of batch normalisation stay as they are, and all weights are held to their old
    values: the few cells say little about what else the network knows. A class that they do not
    show would be forgotten: it takes no part in the cross entropy, and its logits are drawn to what
    they were (learning without forgetting, Li & Hoiem 2016). So is the evidence for the other
    classes together, the logarithm of the sum of their exponentials: the cross entropy leaves it
    free, and where it grows for all cells, the classes without one are outvoted.

    Parameters
    ----------
    network : CellNetwork
        Changed in place.
    cells : Cells
    rows : torch.Tensor of shape (n,)
        The cells to train on.
    codes : torch.Tensor of shape (n,)
        The class of each, known or believed.
    weights : torch.Tensor of shape (n,)
        How often each is drawn.
    """
    network.eval()
    # The random views are enough.
    predict_views, network.predict_views = network.predict_views, 1
    old = copy.deepcopy(network)
    absent = torch.ones(network.head[-1].out_features, dtype=torch.bool)
    absent[codes] = False
    absent = absent.to(cells.device)
    moving = [p for p in network.parameters() if p.requires_grad]
    start = [p.detach().clone() for p in moving]
    optimizer = torch.optim.Adam(moving, lr=_LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _N_STEPS)
    for _ in range(_N_STEPS):
        drawn = torch.multinomial(weights, _BATCH, replacement=True)
        targets = codes[drawn].to(cells.device)
        optimizer.zero_grad()
        with torch.enable_grad():
            x = cells.prepare(network, rows[drawn], changed=True)
            logits = network(x)
            loss = F.cross_entropy(logits.masked_fill(absent, -torch.inf), targets)
            if absent.any():
                with torch.no_grad():
                    before = old(x)
                loss = loss + _KEEP * F.mse_loss(logits[:, absent], before[:, absent])
                evidence, former = (z[:, ~absent].logsumexp(1) for z in (logits, before))
                loss = loss + _KEEP_EVIDENCE * F.mse_loss(evidence, former)
            loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for parameter, origin in zip(moving, start, strict=True):
                parameter.lerp_(origin, _PULL)
    network.predict_views = predict_views
