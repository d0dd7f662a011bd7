"""The crop at which the target cells are as large as those of the training."""

import torch
from scipy.special import stdtrit

from skblood.cells import measure_frame

from ._candidates import is_clearly_better
from ._target_cells import balanced_weights

# Confidence level at which labels must speak against the measured crop.
_LEVEL = 0.977


def measure_crops(model, X):
    """Return the crops to read the images at, and what the cells' size says about them.

    Parameters
    ----------
    model : CellClassifier
        Fitted with images.
    X : array-like or sequence
        The images, not read before.

    Returns
    -------
    crops : list of float
        The model's own, then the measured one if it differs.
    note : str
        Sizes of the cells and the crop.
    """
    own = model.spec_.crop
    if model.training_data_.get("cell_size") is None:
        return [own], ""
    frame = measure_frame(model, X)
    return [own] if frame.crop == own else [own, frame.crop], str(frame)


def choose_crop(predictor, images, codes):
    """Return the measured crop, unless the labels speak against it.

    Parameters
    ----------
    predictor : Predictor
    images : dict of float to CellImages
        The cells at the model's own crop, and at the measured one if it differs.
    codes : torch.Tensor of shape (n,)
        Class code of each cell; -1 without a label.

    Returns
    -------
    crop : float
        The measured one, unless the mean probability of the right classes, all classes counting
        alike, is clearly higher at the model's own.
    """
    crops = list(images)
    own, measured = crops[0], crops[-1]
    rows = torch.nonzero(codes >= 0).flatten()
    if measured == own or not len(rows):
        return measured
    weights = balanced_weights(codes[rows])

    def judge(images):
        probabilities = torch.from_numpy(predictor.logits(images[rows.numpy()])).double().softmax(1)
        return probabilities.float()[torch.arange(len(rows)), codes[rows]]

    values = judge(images[own]), judge(images[measured])
    return own if is_clearly_better(*values, weights, _margin(len(rows))) else measured


def _margin(n):
    """Return the standard errors by which n cells must prefer a crop: the fewer cells, the more.

    By Student's t distribution, 2 for many cells and 3.8 for four; one cell is never enough. The
    second factor is there because `is_clearly_better` divides by n, not by n - 1.
    """
    return float(stdtrit(n - 1, _LEVEL) * (n / (n - 1)) ** 0.5) if n > 1 else float("inf")
