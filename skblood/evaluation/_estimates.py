"""Scores with confidence intervals, from class codes and probabilities."""

import math
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from skblood.evaluation._intervals import bootstrap_intervals, f1_interval, wilson_interval
from skblood.uncertainty import expected_calibration_error


class Estimate(NamedTuple):
    """A value and the ends of its confidence interval; NaN if there is no interval."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @classmethod
    def around(cls, value, margin):
        """Return a value with the interval from `value - margin` to `value + margin`."""
        return cls(float(value), float(value - margin), float(value + margin))

    def __str__(self):
        interval = "" if math.isnan(self.low) else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{interval}"

    def to_dict(self):
        """Return value, low and high by name; None in place of NaN, which JSON does not have."""
        return {k: None if math.isnan(v) else v for k, v in self._asdict().items()}


def tabulate_estimates(classes, estimates, **columns):
    """Return a DataFrame with one row for each class.

    Parameters
    ----------
    classes : list of length n_classes
    estimates : dict of str to list of Estimate
        Each becomes the columns name, name_low and name_high.
    **columns : array-like of shape (n_classes,)
        Further columns.
    """
    values = {
        f"{name}{end}": [estimate[place] for estimate in each]
        for name, each in estimates.items()
        for place, end in enumerate(("", "_low", "_high"))
    }
    return pd.DataFrame({**values, **columns}, index=pd.Index(classes, name="class"))


def format_table(classes, columns):
    """Return text with one line for each class; columns are estimates or str by name."""
    texts = {name: list(map(str, each)) for name, each in columns.items()}
    return pd.DataFrame(texts, index=list(map(str, classes))).to_string()


def estimate_scores(true, predicted, groups, confusion, **bootstrap):
    """Return the scores over all classes and those of each class.

    Parameters
    ----------
    true, predicted : ndarray of int of shape (n,)
        Class codes.
    groups : ndarray of int of shape (n,) or None
        Group codes.
    confusion : ndarray of int of shape (n_classes, n_classes)
        Confusion matrix of `true` and `predicted`.
    **bootstrap
        n_resamples, confidence_level and rng; see `bootstrap_intervals`.

    Returns
    -------
    overall : dict of str to Estimate
    each : dict of str to list of Estimate
    """
    confusion = confusion.astype(float)  # int64 overflows in the fourth power of many images
    hits, n_true, n_predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    units = _count_units(true, predicted, groups, len(confusion))
    intervals = bootstrap_intervals(overall_scores, *units, **bootstrap)
    if groups is None:
        level = bootstrap["confidence_level"]
        intervals["accuracy"] = wilson_interval(hits.sum(), n_true.sum(), level)
        intervals["precision"] = wilson_interval(hits, n_predicted, level)
        intervals["recall"] = wilson_interval(hits, n_true, level)
        intervals["f1"] = f1_interval(hits, n_true + n_predicted, level)
    else:
        undefined_as_nan = partial(class_scores, undefined=np.nan)
        intervals |= bootstrap_intervals(undefined_as_nan, *units, **bootstrap)
    sums = np.concatenate([hits, n_true, n_predicted])
    overall, each = overall_scores(sums), class_scores(sums)
    return (
        {name: _add_interval(value, intervals[name])[0] for name, value in overall.items()},
        {name: _add_interval(values, intervals[name]) for name, values in each.items()},
    )


def estimate_losses(true, probabilities, groups, **bootstrap):
    """Return the scores of probabilities as a dict of str to Estimate; see `estimate_scores`."""
    n, n_classes = probabilities.shape
    eps = np.finfo(probabilities.dtype).eps
    clipped = np.clip(probabilities[np.arange(n), true], eps, 1 - eps)
    distances = ((probabilities - np.eye(n_classes)[true]) ** 2).sum(axis=1)
    # Their means are the scores of `sklearn.metrics`.
    losses = {
        "log_loss": -np.log(clipped),
        "brier_score_loss": distances / 2 if n_classes == 2 else distances,
    }
    rows = np.column_stack([*losses.values(), np.ones(n)])
    if groups is not None:
        rows = pd.DataFrame(rows).groupby(groups).sum().to_numpy()

    def means(sums):
        return {name: divide(sums[..., i], sums[..., -1], np.nan) for i, name in enumerate(losses)}

    intervals = bootstrap_intervals(means, rows, np.ones(len(rows), int), **bootstrap)
    scores = {name: _add_interval(x.mean(), intervals[name])[0] for name, x in losses.items()}
    # Resampling raises this error, so that an interval would not contain the value itself.
    error = expected_calibration_error(true, probabilities, labels=np.arange(n_classes))
    return {**scores, "expected_calibration_error": Estimate(error)}


def _add_interval(values, interval):
    return [Estimate(*row) for row in np.column_stack([values, *interval]).tolist()]


def _count_units(true, predicted, groups, n_classes):
    """Return the units that are resampled, and how many there are of each kind.

    A unit is a row of hits, true and predicted of each class. Units are groups or, without groups,
    images: those in one cell of the confusion matrix are of one kind.
    """
    cells, cell_of_image = np.unique(true * n_classes + predicted, return_inverse=True)
    rows, columns = divmod(cells, n_classes)
    true, predicted = np.eye(n_classes)[rows], np.eye(n_classes)[columns]
    units = np.hstack([true * predicted, true, predicted])
    if groups is None:
        return units, np.bincount(cell_of_image)
    return pd.crosstab(groups, cell_of_image).to_numpy() @ units, np.ones(groups.max() + 1, int)


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


def divide(a, b, undefined=0.0):
    """Return a / b, and `undefined` where b is 0."""
    return np.divide(a, b, out=np.full(np.shape(b), undefined), where=b > 0)
