"""Classification scores from counts, vectorized over many sets of counts."""

import numpy as np


def class_scores(sums, undefined=0.0):
    """Return precision, recall and F1 of each class.

    Parameters
    ----------
    sums : ndarray of shape (..., 3 * n_classes)
        Numbers of images of each class: predicted correctly, in truth, and predicted.
    undefined : float, default=0.0
        Replaces a division by zero, like `zero_division` of scikit-learn.

    Returns
    -------
    dict of str to ndarray of shape (..., n_classes)
    """
    hits, true, predicted = np.split(sums, 3, axis=-1)
    return {
        "precision": divide(hits, predicted, undefined),
        "recall": divide(hits, true, undefined),
        "f1": divide(2 * hits, true + predicted, undefined),
    }


def overall_scores(sums):
    """Return the scores over all classes, as `sklearn.metrics` defines them.

    The balanced accuracy leaves out classes without images, and the macro F1 those that are not
    predicted either. Without any image, scores are NaN.

    Parameters
    ----------
    sums : ndarray of shape (..., 3 * n_classes)
        As in `class_scores`.

    Returns
    -------
    dict of str to ndarray of shape (...)
    """
    each = class_scores(sums)
    hits, true, predicted = np.split(sums, 3, axis=-1)
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


def divide(a, b, undefined=0.0):
    """Return a / b, and `undefined` where b is 0."""
    return np.divide(a, b, out=np.full(np.shape(b), undefined), where=b > 0)
