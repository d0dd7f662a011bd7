"""The cells of the other laboratory, as the steps of an adaptation take them."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils import column_or_1d

from skblood.estimators._targets import code_targets, is_missing
from skblood.images import to_numpy
from skblood.inference import as_nchw

_BATCH = 64


@dataclass(frozen=True)
class Cells:
    """Cells with and without labels.

    Attributes
    ----------
    images : torch.Tensor of shape (n, h, w, c)
        As the model stores them.
    codes : torch.Tensor of shape (n,)
        The class of each cell; -1 where it is not known.
    augment : callable or None
        Makes a random view of prepared images.
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
        """Positions of the cells without one."""
        return torch.nonzero(self.codes < 0).flatten()

    def prepare(self, network, rows, changed=False):
        """Return some cells as the backbones take them, changed at random if asked for."""
        x = network.prepare(as_nchw(self.images[rows].to(self.device)))
        return self.augment(x) if changed and self.augment is not None else x

    @torch.no_grad()
    def features(self, network, rows, n_views):
        """Return what the output layer is given, ``(n, n_views, d)``; view 0 is the cell itself.

        Cells that cannot be changed have one view.
        """
        network.eval()
        views = [
            torch.cat(
                [
                    network.penultimate(self.prepare(network, batch, view > 0))
                    for batch in rows.split(_BATCH)
                ]
            )
            for view in range(1 if self.augment is None else n_views)
        ]
        return torch.stack(views, 1).float()


def read_labels(y, classes):
    """Return the class code of each label, -1 where there is none.

    Parameters
    ----------
    y : array-like of shape (n,) or (n, 1)
        Labels; None, NaN, and -1 where that is no class, are none.
    classes : ndarray of shape (n_classes,)

    Returns
    -------
    codes : ndarray of shape (n,), dtype int64

    Raises
    ------
    ValueError
        If a label is not among the classes.
    """
    if isinstance(y, torch.Tensor | np.ma.MaskedArray):
        y = to_numpy(y, "y")
    y = column_or_1d(np.asarray(y, dtype=object), warn=True)
    own_minus_one = -1 in classes.tolist()
    known = np.array(
        [not (is_missing(label) or (label == -1 and not own_minus_one)) for label in y], bool
    )
    codes = np.full(len(y), -1)
    if known.any():
        labels = np.array(y[known].tolist())
        if labels.dtype.kind != classes.dtype.kind:
            labels = labels.astype(object)
        try:
            codes[known] = code_targets(labels, classes)[1]
        except ValueError as error:
            raise ValueError(
                f"{error} The model knows no others: fit a new one, or leave these cells "
                "out. A cell without a label has None, or -1."
            ) from error
    return codes


def balance(codes):
    """Return weights in which all classes count alike; they sum to 1."""
    counts = torch.bincount(codes)
    return 1 / (counts[codes] * (counts > 0).sum())
