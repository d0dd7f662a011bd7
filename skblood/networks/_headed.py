"""The part of timm's contract that is the same for all networks of our own."""

from torch import nn


class HeadedNetwork(nn.Module):
    """A network with `num_features` and a linear classifier, called `head`, which may be left out.

    A subclass sets `num_features` and calls `reset_classifier` in its constructor.
    """

    def get_classifier(self):
        """Return the classifier layer."""
        return self.head

    def reset_classifier(self, num_classes):
        """Replace the classifier by a fresh one of `num_classes` outputs."""
        self.num_classes = num_classes
        self.head = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
