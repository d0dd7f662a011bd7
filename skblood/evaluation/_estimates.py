"""Scores with confidence intervals, from class codes and probabilities."""

import math
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from skblood.evaluation._intervals import bootstrap_intervals, f1_interval, wilson_interval
from skblood.evaluation._scores import (
    class_scores,
    divide,
    image_losses,
    overall_scores,
)
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
    sums = np.concatenate([confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)])
    units = _count_units(true, predicted, groups, len(confusion))
    intervals = bootstrap_intervals(overall_scores, *units, **bootstrap)
    if groups is None:
        level = bootstrap["confidence_level"]
        hits, n_true, n_predicted = np.split(sums, 3)
        intervals["accuracy"] = wilson_interval(hits.sum(), n_true.sum(), level)
        intervals["precision"] = wilson_interval(hits, n_predicted, level)
        intervals["recall"] = wilson_interval(hits, n_true, level)
        intervals["f1"] = f1_interval(hits, n_true + n_predicted, level)
    else:
        defined = partial(class_scores, undefined=np.nan)
        intervals |= bootstrap_intervals(defined, *units, **bootstrap)
    overall, each = overall_scores(sums), class_scores(sums)
    return (
        {name: _add_interval(value, intervals[name])[0] for name, value in overall.items()},
        {name: _add_interval(values, intervals[name]) for name, values in each.items()},
    )


def estimate_losses(true, probabilities, groups, **bootstrap):
    """Return the scores of probabilities as a dict of str to Estimate; see `estimate_scores`."""
    losses = image_losses(true, probabilities)
    rows = np.column_stack([*losses.values(), np.ones(len(true))])
    if groups is not None:
        rows = pd.DataFrame(rows).groupby(groups).sum().to_numpy()

    def means(sums):
        return {name: divide(sums[..., i], sums[..., -1], np.nan) for i, name in enumerate(losses)}

    intervals = bootstrap_intervals(means, rows, np.ones(len(rows), int), **bootstrap)
    scores = {name: _add_interval(x.mean(), intervals[name])[0] for name, x in losses.items()}
    # Resampling raises this error, so that an interval would not contain the value itself.
    labels = np.arange(probabilities.shape[1])
    error = Estimate(expected_calibration_error(true, probabilities, labels=labels))
    return {**scores, "expected_calibration_error": error}


def _add_interval(values, interval):
    return [Estimate(*row) for row in np.column_stack([values, *interval]).tolist()]


def _count_units(true, predicted, groups, n_classes):
    """Return the units that are resampled, and how many there are of each kind.

    A unit is a row of hits, true and predicted of each class. Units are groups or, without groups,
    images: those in one cell of the confusion matrix are of one kind.
    """
    cells, cell_of_image = np.unique(true * n_classes + predicted, return_inverse=True)
    rows, columns = divmod(cells, n_classes)
    one_hot = np.eye(n_classes)
    hits = one_hot[rows] * (rows == columns)[:, None]
    units = np.hstack([hits, one_hot[rows], one_hot[columns]])
    if groups is None:
        return units, np.bincount(cell_of_image)
    n_groups, n_cells = groups.max() + 1, len(cells)
    counts = np.bincount(groups * n_cells + cell_of_image, minlength=n_groups * n_cells)
    return counts.reshape(n_groups, n_cells) @ units, np.ones(n_groups, int)
