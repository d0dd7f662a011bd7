"""The whole network, trained on with small steps on labelled cells."""

import torch
from torch.nn import functional as F

_N_STEPS = 40
_BATCH = 32
_LR = 5e-4
# How strongly each weight is drawn back to where it started, at each step.
_PULL = 1e-2


def tune_network(network, cells, rows, weights):
    """Train what the model's fit trained, with random views of the cells.

    The statistics of batch normalisation stay as they are, and all weights are held to their old
    values: the few cells say little about what else the network knows. They must show all classes:
    one that is missing would be forgotten.

    Parameters
    ----------
    network : CellNetwork
        Changed in place.
    cells : Cells
    rows : torch.Tensor of shape (n,)
        The labelled cells to train on.
    weights : torch.Tensor of shape (n,)
        How often each is drawn.
    """
    network.eval()
    moving = [p for p in network.parameters() if p.requires_grad]
    start = [p.detach().clone() for p in moving]
    optimizer = torch.optim.Adam(moving, lr=_LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _N_STEPS)
    for _ in range(_N_STEPS):
        batch = rows[torch.multinomial(weights, _BATCH, replacement=True)]
        codes = cells.codes[batch].to(cells.device)
        optimizer.zero_grad()
        with torch.enable_grad():
            logits = network(cells.prepare(network, batch, changed=True))
            F.cross_entropy(logits, codes).backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for parameter, origin in zip(moving, start, strict=True):
                parameter.lerp_(origin, _PULL)
