"""Search for the crop at which a model knows the target cells best."""

import torch
from scipy.special import stdtrit

from skblood.images import CROP_RANGE

from ._candidates import is_clearly_better
from ._fine_tuning import MIN_CONFIDENCE
from ._target_cells import balanced_weights

# Crops that are tried, as multiples of the model's own.
_FACTORS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.15, 1.35, 1.6)
# Confidence level at which a crop must be better; high, because the best of eight is often better
# by chance.
_LEVEL = 0.977


def candidate_crops(crop):
    """Return the crops to read the images at: the model's own, then those to be tried."""
    tried = [round(crop * factor, 3) for factor in _FACTORS]
    return [crop, *(crop for crop in tried if CROP_RANGE[0] <= crop <= CROP_RANGE[1])]


def choose_crop(predictor, images, codes):
    """Return the crop at which the model knows the cells best.

    With labels, that is the crop with the highest mean probability of the right classes, all
    classes counting alike. Without, it is the crop with the highest confidence, if that is at least
    `MIN_CONFIDENCE`.

    Parameters
    ----------
    predictor : Predictor
    images : dict of float to CellImages
        The cells at each crop, the model's own first.
    codes : torch.Tensor of shape (n,)
        Class code of each cell; -1 without a label.

    Returns
    -------
    crop : float
        The model's own unless another one is clearly better.
    note : str
        Probabilities at both crops; empty if the crop stays.
    """
    rows = torch.nonzero(codes >= 0).flatten()
    # Without labels all cells count alike.
    weights = balanced_weights(codes[rows] if len(rows) else torch.zeros_like(codes))

    def judge(images):
        probabilities = torch.from_numpy(predictor.logits(images)).double().softmax(1).float()
        return probabilities[rows, codes[rows]] if len(rows) else probabilities.amax(1)

    values = {crop: judge(images[crop]) for crop in images}
    means = {crop: float(weights @ values[crop]) for crop in values}
    own, *others = images
    best = max(others, key=means.get)
    is_trusted = len(rows) > 0 or means[best] >= MIN_CONFIDENCE
    margin = _margin(len(weights))
    if not is_trusted or not is_clearly_better(values[best], values[own], weights, margin):
        return own, ""
    kind = "mean probability of the " + ("right" if len(rows) else "predicted") + " classes"
    return best, f"crop {best:g}: {kind} {means[best]:.3f}, not {means[own]:.3f}"


def _margin(n):
    """Return the standard errors by which n cells must prefer a crop: the fewer cells, the more.

    By Student's t distribution, 2 for many cells and 3.8 for four; one cell is never enough. The
    second factor is there because `is_clearly_better` divides by n, not by n - 1.
    """
    return float(stdtrit(n - 1, _LEVEL) * (n / (n - 1)) ** 0.5) if n > 1 else float("inf")
