"""The frame in which the network looks at the cells of the other laboratory."""

import copy

import numpy as np
import torch
from scipy.special import stdtrit

from ._cells import balance
from ._choose import SURE, is_better

# Shares of each side that are tried, times the model's own.
_CROPS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.15, 1.35, 1.6)
# How certain it must be that a frame is better: the best of eight is often better by chance.
_CERTAINTY = 0.977


def choose_frame(model, X, codes):
    """Find the share of each image at which the model knows the cells best.

    Laboratories cut out their cells more or less closely. With labels, the share is taken at which
    the right classes get the highest probability, all classes counting alike; without, that at
    which the model is surest, if it is sure of most cells there.

    Parameters
    ----------
    model : estimator
        Of pixels.
    X : array-like or sequence
        The cells.
    codes : torch.Tensor of shape (n,)
        The class of each cell; -1 where it is not known.

    Returns
    -------
    model : estimator
        The model itself, or a copy with another frame.
    note : str
        What was found; empty if nothing was changed.
    """
    rows = torch.nonzero(codes >= 0).flatten()
    weights = balance(codes[rows]) if len(rows) else torch.full((len(codes),), 1 / len(codes))

    def judge(model):
        probabilities = torch.from_numpy(np.asarray(model.predict_proba(X), np.float32))
        return probabilities[rows, codes[rows]] if len(rows) else probabilities.amax(1)

    before = judge(model)
    framed, after = copy.deepcopy(model), {}  # one copy for all: a backbone may be large
    for crop in (round(model.crop_ * share, 3) for share in _CROPS):
        framed._reframe(crop)
        after[crop] = judge(framed)
    best = max(after, key=lambda crop: float(weights @ after[crop]))
    believed = len(rows) > 0 or float(weights @ after[best]) >= SURE
    if not believed or not is_better(after[best], before, weights, _margin(len(weights))):
        return model, ""
    old, new = (float(weights @ values) for values in (before, after[best]))
    of_what = "the right classes" if len(rows) else "the likeliest classes"
    framed._reframe(best)
    return framed, f"crop {best:g} gives {of_what} {new:.3f} in the mean, not {old:.3f}"


def _margin(n):
    """Return the standard errors by which n cells must speak for a frame: the fewer, the more.

    By Student's distribution, 2 for many cells and 3.8 for four. `is_better` divides by n, not by
    n - 1. One cell is never enough.
    """
    return float(stdtrit(n - 1, _CERTAINTY) * (n / (n - 1)) ** 0.5) if n > 1 else float("inf")
