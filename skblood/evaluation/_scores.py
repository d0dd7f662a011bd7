"""Scores of classification from counts, for many sets of counts at once."""

import numpy as np

# Equal parts of 0..1 that probabilities are sorted into; 15 as in Guo et al. 2017.
_N_BINS = 15


def class_scores(hits, true, predicted, undefined=0.0):
    """Return the scores of each class.

    Parameters
    ----------
    hits, true, predicted : ndarray of shape (..., n_classes)
        Images of each class that are predicted to be, that are, that are predicted.
    undefined : float, default=0.0
        What takes the place of a division by zero, as scikit-learn's `zero_division`.

    Returns
    -------
    dict of str to ndarray of shape (..., n_classes)
    """
    return {
        "precision": divide(hits, predicted, undefined),
        "recall": divide(hits, true, undefined),
        "f1": divide(2 * hits, true + predicted, undefined),
    }


def overall_scores(hits, true, predicted):
    """Return the scores of all classes together, as `sklearn.metrics` defines them.

    A class without image does not count in the balanced accuracy; one that is not predicted
    either, not in the mean F1. Where there is no image at all, they are NaN.

    Parameters
    ----------
    hits, true, predicted : ndarray of shape (..., n_classes)
        As in `class_scores`.

    Returns
    -------
    dict of str to ndarray of shape (...)
    """
    each = class_scores(hits, true, predicted)
    n, n_hits = true.sum(-1), hits.sum(-1)
    covariance = n_hits * n - (true * predicted).sum(-1)
    spread = (n**2 - (true**2).sum(-1)) * (n**2 - (predicted**2).sum(-1))
    return {
        "accuracy": divide(n_hits, n, np.nan),
        "balanced_accuracy": divide(each["recall"].sum(-1), (true > 0).sum(-1), np.nan),
        "f1_macro": divide(each["f1"].sum(-1), (true + predicted > 0).sum(-1), np.nan),
        "f1_weighted": divide((each["f1"] * true).sum(-1), n, np.nan),
        "matthews_corrcoef": divide(covariance, np.sqrt(spread)),
    }


def image_losses(codes, probabilities):
    """Return the losses of each image, whose means are the scores of `sklearn.metrics`.

    Parameters
    ----------
    codes : ndarray of int of shape (n,)
        True classes.
    probabilities : ndarray of shape (n, n_classes)

    Returns
    -------
    dict of str to ndarray of shape (n,)
    """
    n, n_classes = probabilities.shape
    eps = np.finfo(probabilities.dtype).eps
    clipped = np.clip(probabilities[np.arange(n), codes], eps, 1 - eps)
    distances = ((probabilities - np.eye(n_classes)[codes]) ** 2).sum(axis=1)
    return {
        "log_loss": -np.log(clipped),
        "brier_score_loss": distances / 2 if n_classes == 2 else distances,
    }


def calibration_error(codes, probabilities):
    """Return the expected calibration error (Guo et al. 2017).

    Images are sorted by the probability of their most probable class into bins; the error is the
    mean distance between that probability and the share of them for which the class is right.
    """
    confidences = probabilities.max(axis=1)
    gaps = confidences - (probabilities.argmax(axis=1) == codes)
    bins = np.minimum((confidences * _N_BINS).astype(int), _N_BINS - 1)
    return np.abs(np.bincount(bins, weights=gaps)).sum() / len(codes)


def divide(a, b, undefined=0.0):
    """Return a / b, and `undefined` where b is 0."""
    return np.divide(a, b, out=np.full(np.shape(b), undefined), where=b > 0)
