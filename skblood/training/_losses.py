"""Losses that weigh each sample."""

import torch
from torch import nn
from torch.nn import functional as F


class WeightedLoss(nn.Module):
    """The mean over a batch of each sample's loss times its weight.

    Weights average 1 over an epoch, so the scale of the gradient does not depend on them, and a
    batch of rare cells weighs more than a batch of common ones.

    Parameters
    ----------
    loss : {"cross_entropy", "focal"}
        The focal loss (Lin et al. 2017) multiplies the cross-entropy by ``(1 - p) ** 2``, p being
        the probability of the true class.
    label_smoothing : float
        Share of the target that is spread over all classes.
    """

    def __init__(self, loss, label_smoothing):
        super().__init__()
        self.loss = loss
        self.label_smoothing = label_smoothing

    def forward(self, logits, target):
        """Return the loss of logits ``(n, k)`` for target ``(codes, weights)``."""
        codes, weights = target
        losses = F.cross_entropy(
            logits, codes, reduction="none", label_smoothing=self.label_smoothing
        )
        if self.loss == "focal":
            p = logits.softmax(1).gather(1, codes[:, None])[:, 0]
            losses = (1 - p) ** 2 * losses
        return (weights * losses).mean()


class SupervisedContrastiveLoss(nn.Module):
    """Draw projections of one class together, and push those of the others away.

    Of an anchor i among the projections z of a batch, which have length 1, the loss is the mean
    over its positives p, the others of its class, of::

        -log(exp(z_i z_p / temperature) / sum over all a but i of exp(z_i z_a / temperature))

    which is "L_out" of Khosla et al. 2020.

    Parameters
    ----------
    temperature : float
        The smaller, the more the nearest of another class count.
    """

    def __init__(self, temperature):
        super().__init__()
        self.temperature = temperature

    def forward(self, projections, target):
        """Return the mean over the anchors of their loss times their weight.

        Parameters
        ----------
        projections : torch.Tensor of shape (n_views * n, d)
            Those of the first views, then those of the second ones; of any length.
        target : tuple of (codes, weights), each of shape (n,)
            Of an image, and so of all its views.
        """
        codes, weights = (each.repeat(len(projections) // len(each)) for each in target)
        z = F.normalize(projections.float(), dim=1)
        similarity = z @ z.T / self.temperature
        itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
        others = similarity.masked_fill(itself, -torch.inf).logsumexp(1, keepdim=True)
        positive = (codes[:, None] == codes) & ~itself
        # With two views, each anchor has a positive: its other view.
        losses = ((others - similarity) * positive).sum(1) / positive.sum(1)
        return (weights * losses).mean()
