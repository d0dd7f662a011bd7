"""Scores with confidence intervals, from class codes and probabilities."""

import math
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from skblood._writing import printable
from skblood.evaluation._intervals import (
    bootstrap_mean,
    f1_interval,
    mean_interval,
    proportion_interval,
)
from skblood.evaluation._score_intervals import count_images, score_interval
from skblood.uncertainty import expected_calibration_error

# Lower end of the range of scores that are not in 0..1.
_LOWEST = {"matthews_corrcoef": -1}


class Estimate(NamedTuple):
    """A value and the ends of its confidence interval; NaN if there is no interval."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @classmethod
    def around(cls, value, margin):
        """Return a value with the interval from `value - margin` to `value + margin`."""
        return cls(float(value), float(value - margin), float(value + margin))

    @classmethod
    def each(cls, values, low, high):
        """Return a list of estimates from arrays of values and ends."""
        return list(map(cls, *np.stack([values, low, high]).tolist()))

    def __str__(self) -> str:
        return self.show() or "nan"

    def show(self, factor=1, digits=3):
        """Return the value, multiplied by a factor, and its interval as text; "" for NaN."""
        value, low, high = (round(factor * each, digits) + 0.0 for each in self)  # no -0.0
        if math.isnan(value):
            return ""
        interval = "" if math.isnan(low) else f" [{low:.{digits}f}, {high:.{digits}f}]"
        return f"{value:.{digits}f}{interval}"

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
    return pd.DataFrame(texts, index=[printable(each, keep="") for each in classes]).to_string()


def estimate_scores(tables, confidence_level, *, grouped, shares=None):
    """Return the scores over all classes and those of each class.

    Parameters
    ----------
    tables : ndarray of int of shape (n_groups, n_classes, n_classes)
        Confusion matrix of each group, or of all images.
    confidence_level : float
    grouped : bool
        Whether the images of a table are alike.
    shares : ndarray of shape (n_classes,), default=None
        Adds "accuracy_at_shares", the accuracy where the classes have these shares.

    Returns
    -------
    overall : dict of str to Estimate
    each : dict of str to list of Estimate
    """
    tables = tables.astype(float)  # int64 overflows in the fourth power of many images
    sums = count_images(tables)
    hits, true, predicted = np.split(sums, 3, axis=-1)
    interval = partial(proportion_interval, confidence_level=confidence_level, grouped=grouped)
    overall = {}
    for name, value in overall_scores(sums.sum(axis=0), shares).items():
        if name == "accuracy":
            low, high = interval(hits.sum(axis=1), true.sum(axis=1))
        else:
            score = partial(_overall_score, name=name, shares=shares)
            low, high = score_interval(score, tables, confidence_level, grouped=grouped)
            low, high = max(low, _LOWEST.get(name, 0)), min(high, 1)
        overall[name] = Estimate(float(value), float(low), float(high))
    n_hits, n_true, n_predicted = np.split(sums.sum(axis=0), 3)
    f1 = divide(2 * n_hits, n_true + n_predicted, np.nan)
    precision, recall = (divide(n_hits, n, np.nan) for n in (n_predicted, n_true))
    return overall, {
        "precision": Estimate.each(precision, *interval(hits, predicted)),
        "recall": Estimate.each(recall, *interval(hits, true)),
        "f1": Estimate.each(f1, *f1_interval(interval(hits, true + predicted - hits))),
    }


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
    if groups is None:
        interval = partial(bootstrap_mean, **bootstrap)
    else:
        level = bootstrap["confidence_level"]
        interval = partial(mean_interval, groups=groups, confidence_level=level)
    scores = {name: Estimate(float(x.mean()), *interval(x)) for name, x in losses.items()}
    # Resampling raises this error, so that an interval would not contain the value itself.
    error = expected_calibration_error(true, probabilities, labels=np.arange(n_classes))
    return {**scores, "expected_calibration_error": Estimate(error)}


def overall_scores(sums, shares=None):
    """Return the scores over all classes, as `sklearn.metrics` defines them.

    The balanced accuracy leaves out classes without images, and the macro F1 those that are not
    predicted either. Without any image, scores are NaN, and so is Matthews' coefficient with images
    of one class, where scikit-learn returns 0.

    Parameters
    ----------
    sums : ndarray of shape (..., 3 * n_classes)
        As of `count_images`.
    shares : ndarray of shape (n_classes,), default=None
        See `estimate_scores`. Those of classes without images are left out.

    Returns
    -------
    dict of str to ndarray of shape (...)
    """
    hits, true, predicted = np.split(sums, 3, axis=-1)
    n, n_hits, n_present = true.sum(-1), hits.sum(-1), (true > 0).sum(-1)
    f1 = divide(2 * hits, true + predicted)
    at_shares = {}
    if shares is not None:
        hit, found = (shares * divide(hits, true)).sum(-1), (shares * (true > 0)).sum(-1)
        at_shares["accuracy_at_shares"] = divide(hit, found, np.nan)
    covariance = n_hits * n - (true * predicted).sum(-1)
    spread = (n**2 - (true**2).sum(-1)) * (n**2 - (predicted**2).sum(-1))
    correlation = divide(covariance, np.sqrt(np.maximum(spread, 0)))
    return {
        "accuracy": divide(n_hits, n, np.nan),
        **at_shares,
        "balanced_accuracy": divide(divide(hits, true).sum(-1), n_present, np.nan),
        "f1_macro": divide(f1.sum(-1), (true + predicted > 0).sum(-1), np.nan),
        "f1_weighted": divide((f1 * true).sum(-1), n, np.nan),
        "matthews_corrcoef": np.where(n_present > 1, correlation, np.nan),
    }


def _overall_score(sums, name, shares):
    return overall_scores(sums, shares)[name]


def divide(a, b, undefined=0.0):
    """Return a / b, and `undefined` where b is 0."""
    return np.divide(a, b, out=np.full(np.shape(b), undefined), where=b > 0)
