"""Losses that weigh each sample."""

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
