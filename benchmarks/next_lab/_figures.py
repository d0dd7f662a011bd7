"""What predictions are worth: those of several models, or of one adapted to several draws."""

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np

from benchmarks.next_lab._bootstrap import bootstrap_intervals
from skblood.evaluation._estimates import Estimate, divide
from skblood.uncertainty import accuracy_coverage_curve, expected_calibration_error

# Cells that a class has at least where its recall says much, and where cells of it are labelled.
OFTEN = 20
# Cells of a class that a model is adapted to.
LABELLED = (1, 5, 10, 20)
# Shares of the cells that are kept, the surest first: those of the table, those of the picture.
KEPT = (0.9, 0.8, 0.5)
CURVE = np.linspace(0.05, 1, 39)
_RESAMPLES = 1000


@dataclass(frozen=True)
class Reading:
    """What one model takes some cells for.

    Attributes
    ----------
    rows : ndarray of int of shape (n,)
        The cells.
    proba : ndarray of shape (n, n_classes)
    sets : ndarray of bool of shape (n, n_classes), or None
        Prediction sets, maybe of another model; None where they cannot be calibrated.
    labelled : int
        Cells that the model was adapted to and whose labels it was given.
    seconds : float
        Time of the adaptation.
    steps : str
        What the adaptation did.
    """

    rows: np.ndarray
    proba: np.ndarray
    sets: np.ndarray | None = None
    labelled: int = 0
    seconds: float = 0.0
    steps: str = ""

    def beside(self, other):
        """Return this and a reading of other cells as one."""
        return Reading(
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.proba, other.proba]),
            np.concatenate([self.sets, other.sets]),
            seconds=(self.seconds + other.seconds) / 2,
            steps=self.steps if self.steps == other.steps else f"{self.steps} / {other.steps}",
        )


def figures_of(readings, codes):
    """Return the figures of some readings of the same laboratory.

    Parameters
    ----------
    readings : list of Reading
    codes : ndarray of int of shape (n,)
        The true class of each cell of the laboratory.

    Returns
    -------
    figures : dict
        Estimates as dicts of "value", "low" and "high": means over the readings, with an interval
        from resampling the cells. Other figures are means over the readings; "steps" counts what
        the adaptations did.
    """
    figures = {name: each.to_dict() for name, each in _estimates(readings, codes).items()}
    figures["expected_calibration_error"] = _mean(
        expected_calibration_error(codes[each.rows], each.proba, labels=range(each.proba.shape[1]))
        for each in readings
    )
    if readings[0].sets is not None:
        figures["set_size"] = _mean(each.sets.sum(axis=1).mean() for each in readings)
    figures["curve"] = np.mean([_curve(each, codes) for each in readings], axis=0).tolist()
    for name in ("labelled", "seconds"):
        figures[name] = _mean(getattr(each, name) for each in readings)
    figures["steps"] = dict(Counter(each.steps for each in readings if each.steps).most_common())
    return figures | {"n_cells": len(readings[0].rows), "n_readings": len(readings)}


def _mean(values):
    return float(np.mean(list(values)))


def _estimates(readings, codes):
    """Return what is a mean of shares: of cells in classes, classes in readings, and readings."""
    classes, counts = np.unique(codes, return_counts=True)
    often = classes[counts >= OFTEN]
    read = _masks(readings, codes, lambda each: np.ones(len(each.rows), bool))
    right = _masks(readings, codes, lambda each: each.proba.argmax(axis=1) == codes[each.rows])
    among = _masks(
        readings,
        codes,
        lambda each: classes[each.proba[:, classes].argmax(axis=1)] == codes[each.rows],
    )
    shares = {
        "accuracy": (right, read),
        "balanced_accuracy": _each_class(right, read, codes, classes),
        "balanced_accuracy_among_present": _each_class(among, read, codes, classes),
        "balanced_accuracy_often": _each_class(right, read, codes, often),
        "accuracy_rare": (right, read & ~np.isin(codes, often)),
    }
    for share in KEPT:
        kept = _masks(readings, codes, lambda each, share=share: _surest(each.proba, share))
        shares[f"accuracy_at_{share}"] = right, kept
    if readings[0].sets is not None:
        covered = _masks(
            readings, codes, lambda each: each.sets[np.arange(len(each.rows)), codes[each.rows]]
        )
        shares["coverage"] = covered, read
        shares["class_coverage"] = _each_class(covered, read, codes, classes)
    shares = {name: each for name, each in shares.items() if each[1].any()}
    estimates = _mean_shares(shares)
    if len(often):
        hits, cells = shares["balanced_accuracy_often"]
        each = divide(hits.sum(axis=1), cells.sum(axis=1), np.nan).reshape(len(readings), -1)
        spread = np.nanmean(each, axis=1)
        value = estimates["balanced_accuracy_often"].value
        estimates["spread"] = Estimate(value, float(spread.min()), float(spread.max()))
    return estimates


def _masks(readings, codes, of_reading):
    """Return a mask over all cells for each reading, False where it does not read a cell."""
    masks = np.zeros((len(readings), len(codes)), bool)
    for mask, reading in zip(masks, readings, strict=True):
        mask[reading.rows] = of_reading(reading)
    return masks


def _each_class(hits, cells, codes, classes):
    """Return masks for each reading and class, from those for each reading."""
    inside = codes == classes[:, None]
    return tuple((masks[:, None] & inside).reshape(-1, len(codes)) for masks in (hits, cells))


def _surest(proba, share):
    kept = np.zeros(len(proba), bool)
    order = np.argsort(-proba.max(axis=1), kind="stable")
    kept[order[: math.ceil(share * len(proba))]] = True
    return kept


def _curve(reading, codes):
    """Return the accuracy on the surest cells, for each share of `CURVE`."""
    coverage, accuracy, _ = accuracy_coverage_curve(
        codes[reading.rows], reading.proba.argmax(axis=1), reading.proba.max(axis=1)
    )
    return accuracy[np.searchsorted(coverage, CURVE)]


def _mean_shares(shares):
    """Estimate means of shares of cells, all from the same resamples of the cells.

    Parameters
    ----------
    shares : dict of str to (ndarray, ndarray) of bool of shape (n_parts, n_cells)
        Hits among cells, and the cells, of each part that the mean is of.
    """
    n_parts = [len(cells) for _, cells in shares.values()]
    units = np.concatenate([(hits & cells, cells) for hits, cells in shares.values()], axis=1)
    ends = np.cumsum(n_parts)[:-1]

    def means(sums):
        hits, cells = np.split(sums, 2, axis=-1)
        each = divide(hits, cells)
        # A resample without cell of a class counts the others.
        return {
            name: divide(part.sum(axis=-1), (n > 0).sum(axis=-1), np.nan)
            for name, part, n in zip(
                shares, np.split(each, ends, axis=-1), np.split(cells, ends, axis=-1), strict=True
            )
        }

    units = units.reshape(-1, units.shape[-1]).T.astype(float)
    intervals = bootstrap_intervals(
        means,
        units,
        n_resamples=_RESAMPLES,
        confidence_level=0.95,
        rng=np.random.default_rng(0),
    )
    values = means(units.sum(axis=0))
    return {name: Estimate(float(values[name]), *map(float, intervals[name])) for name in shares}
