"""Cells of the target laboratory: images, partial labels, and random views of them."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skblood._labels import as_column, encode_labels, is_missing
from skblood.estimators import CellClassifier
from skblood.inference import as_nchw

# Views of each cell, the cell itself included.
_N_VIEWS = 4
_BATCH = 64
# Pixels in a single pass over a sample of the cells.
_SAMPLE_PIXELS = 2**22


@dataclass(frozen=True)
class TargetCells:
    """Cells with and without labels.

    Attributes
    ----------
    images : torch.Tensor of shape (n, h, w, c)
        As `model.read_images` returns them.
    codes : torch.Tensor of shape (n,)
        Class code of each cell; -1 without a label.
    augment : callable or None
        Maps a batch of prepared images to a random view of it.
    device : torch.device
    """

    images: torch.Tensor
    codes: torch.Tensor
    augment: object
    device: torch.device

    @property
    def labelled(self):
        """Positions of the cells with a label."""
        return torch.nonzero(self.codes >= 0).flatten()

    @property
    def unlabelled(self):
        """Positions of the cells without a label."""
        return torch.nonzero(self.codes < 0).flatten()

    def sample(self):
        """Return random positions of as many cells as fit into one pass."""
        most = max(16, _SAMPLE_PIXELS // self.images.shape[1:3].numel())
        return torch.randperm(len(self.images))[:most]

    def prepare(self, network, rows, random_view=False):
        """Return the cells at `rows` as the backbones take them, or a random view of them."""
        x = network.prepare(as_nchw(self.images[rows].to(self.device)))
        return self.augment(x) if random_view and self.augment is not None else x

    @torch.no_grad()
    def features(self, network, rows):
        """Return the inputs of the output layer for several views of each cell.

        Parameters
        ----------
        network : CellNetwork
        rows : torch.Tensor of shape (n,)
            Positions of the cells.

        Returns
        -------
        features : torch.Tensor of shape (n, n_views, d)
            View 0 is the cell itself. Without an augmentation it is the only view.
        """
        network.eval()
        views = []
        for view in range(1 if self.augment is None else _N_VIEWS):
            batches = (self.prepare(network, batch, view > 0) for batch in rows.split(_BATCH))
            views.append(torch.cat([network.penultimate(batch) for batch in batches]))
        return torch.stack(views, 1).float()


def check_classifier(model, caller):
    """Raise an error that names the caller unless the model is a fitted classifier of skblood."""
    if not isinstance(model, CellClassifier):
        raise TypeError(
            f"{caller} takes a fitted classifier of skblood, got a {type(model).__name__}. Of a "
            "Pipeline, give its last step, and the images as that step gets them."
        )
    check_is_fitted(model)


def encode_partial_labels(y, classes):
    """Return the class code of each label, -1 for a missing label.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, 1)
        Labels. None, NaN, and -1 (unless it is a class) are missing labels.
    classes : ndarray of shape (n_classes,)

    Returns
    -------
    codes : ndarray of shape (n,), dtype int64

    Raises
    ------
    ValueError
        If a label is not among the classes.
    """
    y = as_column(y, "y")
    no_label = () if -1 in classes.tolist() else (-1,)
    known = np.array([not is_missing(v) and v not in no_label for v in y.tolist()], bool)
    codes = np.full(len(y), -1)
    codes[known] = encode_labels(y[known], classes)
    return codes


def balanced_weights(codes):
    """Return weights that sum to 1, with the same total for each class."""
    counts = torch.bincount(codes)
    return 1 / (counts[codes] * (counts > 0).sum())
