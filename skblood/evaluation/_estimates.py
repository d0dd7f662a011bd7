"""Scores with their intervals, from coded labels and probabilities."""

import math
from functools import partial
from typing import NamedTuple

import numpy as np

from skblood.evaluation._intervals import (
    bootstrap_intervals,
    f1_interval,
    wilson_interval,
)
from skblood.evaluation._scores import (
    calibration_error,
    class_scores,
    divide,
    image_losses,
    overall_scores,
)


class Estimate(NamedTuple):
    """A score and its interval, whose ends are NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan

    def __str__(self):
        interval = "" if math.isnan(self.low) else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{interval}"

    def to_dict(self):
        """Return the numbers by name, None in place of NaN, which JSON does not have."""
        return {k: None if math.isnan(v) else v for k, v in self._asdict().items()}


def estimate_scores(true, predicted, groups, confusion, **bootstrap):
    """Return the scores of all classes together and those of each class.

    Parameters
    ----------
    true, predicted : ndarray of int of shape (n,)
        Class codes.
    groups : ndarray of int of shape (n,) or None
    confusion : ndarray of int of shape (n_classes, n_classes)
        The same labels, counted.
    **bootstrap
        n_resamples, confidence_level and rng; see `bootstrap_intervals`.

    Returns
    -------
    overall : dict of str to Estimate
    each : dict of str to list of Estimate
    """
    confusion = confusion.astype(float)  # the fourth power of many images overflows int64
    counts = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    overall, each = overall_scores(*counts), class_scores(*counts)
    units = _count_units(true, predicted, groups, len(confusion))
    intervals = bootstrap_intervals(_of_sums(overall_scores), *units, **bootstrap)
    if groups is None:
        level = bootstrap["confidence_level"]
        hits, n_true, n_predicted = counts
        intervals["accuracy"] = wilson_interval(hits.sum(), n_true.sum(), level)
        class_intervals = {
            "precision": wilson_interval(hits, n_predicted, level),
            "recall": wilson_interval(hits, n_true, level),
            "f1": f1_interval(hits, n_true + n_predicted, level),
        }
    else:
        defined = partial(class_scores, undefined=np.nan)
        class_intervals = bootstrap_intervals(_of_sums(defined), *units, **bootstrap)
    return (
        {name: _estimate(value, *intervals[name]) for name, value in overall.items()},
        {
            name: list(map(_estimate, values, *class_intervals[name]))
            for name, values in each.items()
        },
    )


def estimate_losses(true, probabilities, groups, **bootstrap):
    """Return the scores of probabilities, as `estimate_scores` does those of all classes."""
    losses = image_losses(true, probabilities)
    rows = np.column_stack([*losses.values(), np.ones(len(true))])
    if groups is not None:
        sums = np.zeros((groups.max() + 1, rows.shape[1]))
        np.add.at(sums, groups, rows)
        rows = sums

    def means(sums):
        return {name: divide(sums[..., i], sums[..., -1], np.nan) for i, name in enumerate(losses)}

    intervals = bootstrap_intervals(means, rows, np.ones(len(rows), int), **bootstrap)
    return {
        **{name: _estimate(loss.mean(), *intervals[name]) for name, loss in losses.items()},
        # Resampling only adds to this one: an interval would not hold the value itself.
        "expected_calibration_error": _estimate(calibration_error(true, probabilities)),
    }


def _of_sums(scores):
    """Return scores as a function of hits, true and predicted side by side."""
    return lambda sums: scores(*np.split(sums, 3, axis=-1))


def _estimate(*numbers):
    return Estimate(*map(float, numbers))


def _count_units(true, predicted, groups, n_classes):
    """Return what units add to hits, true and predicted of each class, and how many there are.

    Units are groups or, without groups, the cells of the confusion matrix, one for each image in
    them: images of a cell need not be told apart.
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
