"""Acceptance limits of a validation: their list, the measures they apply to, and verdicts."""

from functools import partial
from numbers import Real

import numpy as np

from skblood._labels import list_few
from skblood.evaluation._agreement import bland_altman, count_limits, kappa_of_tables
from skblood.evaluation._estimates import Estimate, divide
from skblood.evaluation._intervals import proportion_interval, wilson_interval

# The limit of these is a maximum, that of the others a minimum.
_MAXIMA = ("bias", "margin")
_OF_CELLS = ("kappa", "agreement", "positive_agreement", "negative_agreement")
_OF_CLASSES = (*_MAXIMA, "within_limits", "positive_agreement", "negative_agreement", "kappa")
_OVERALL = ("kappa", "agreement")
# Stands for a class in criteria of all classes together.
ALL_CELLS = "all cells"


def list_criteria(limits, classes, *, same_cells):
    """Return the acceptance limits as a list of (class, criterion, limit); see `plan_validation`.

    The class of the criteria of all classes together is `ALL_CELLS`.

    Raises
    ------
    ValueError
        If there is no limit, a name is unknown, a value is not in 0..1, or a criterion needs labels
        of the same cells and there are only counts.
    """
    if not all(isinstance(limits.get(name, {}), dict) for name in ("classes", "overall")):
        raise ValueError("`classes` and `overall` of `limits` must be dicts.")
    if not isinstance(limits.get("min_cells", 0), Real):
        raise ValueError("`min_cells` of `limits` must be a number.")
    common = {k: v for k, v in limits.items() if k not in ("classes", "overall", "min_cells")}
    own, overall = limits.get("classes", {}), limits.get("overall", {})
    if unknown := [name for name in own if name not in map(str, classes)]:
        raise ValueError(f"`limits` name the classes {unknown}; the plan has {list(classes)}.")
    listed = [
        (label, name, limit)
        for label in classes
        for name, limit in {**common, **own.get(str(label), {})}.items()
    ]
    listed += [(ALL_CELLS, name, limit) for name, limit in overall.items()]
    for label, name, limit in listed:
        allowed = _OVERALL if label == ALL_CELLS else _OF_CLASSES
        if name not in allowed:
            raise ValueError(f"`limits` hold {name!r}; possible are {list_few(allowed)}.")
        if limit is not None and not (isinstance(limit, Real) and 0 < limit <= 1):
            raise ValueError(f"The limit of {name!r} must be a share above 0, at most 1 (or None).")
        if limit is not None and name in _OF_CELLS and not same_cells:
            raise ValueError(f"{name!r} needs labels of the same cells: there are only counts.")
    if not (listed := [each for each in listed if each[2] is not None]):
        raise ValueError("`limits` must hold a limit, such as {'bias': 0.03}.")
    return listed


def measure(counts, tables, names, confidence_level):
    """Return the measures of a study that limits can apply to.

    Parameters
    ----------
    counts : ndarray of int of shape (3, n_slides, n_classes)
        Cells counted by both readers and the model.
    tables : ndarray of int of shape (n_slides, n_classes, n_classes), or None
        Cells by the class of a reader (row) and of the model, of both readers together; None
        without labels of the same cells.
    names : set of str
        Criteria that are needed; measures that take no time are there in any case.
    confidence_level : float

    Returns
    -------
    measures : dict of str to list of Estimate of length n_classes
        "agreement" has a single one, and "kappa" one more, that of all classes together.
    """
    readers = counts[0] + counts[1]
    n_read = readers.sum(axis=1, keepdims=True)
    expected, found = readers / n_read, counts[2] / counts[2].sum(axis=1, keepdims=True)
    bias = [bland_altman(each, confidence_level)[0] for each in (found - expected).T]
    measures = {"bias": bias, "margin": [Estimate((x.high - x.low) / 2) for x in bias]}
    if "within_limits" in names:
        # Two labels of one cell are no two cells.
        low, high = count_limits(expected, n_read if tables is None else n_read / 2)
        within = ((low <= found) & (found <= high)).sum(axis=0)
        ends = wilson_interval(within, len(found), confidence_level)
        measures["within_limits"] = list(map(Estimate, within / len(found), *ends))
    if tables is not None:
        measures |= measure_agreement(tables.astype(float), names, confidence_level)
    return measures


def measure_agreement(tables, names, confidence_level):
    """Return agreement and kappa of the same cells, with intervals that hold for new slides."""
    hits = np.diagonal(tables, axis1=1, axis2=2)
    first, second = tables.sum(axis=2), tables.sum(axis=1)
    n = first.sum(axis=1, keepdims=True)
    neither = n - first - second + hits
    proportion = partial(_proportions, confidence_level=confidence_level)
    measures = {
        "agreement": proportion(hits.sum(axis=1, keepdims=True), n),
        "positive_agreement": proportion(hits, first),
        "negative_agreement": proportion(neither, n - first),
    }
    if "kappa" in names:
        pairs = np.stack([hits, first - hits, second - hits, neither], axis=-1)
        each = [*np.moveaxis(pairs, 1, 0).reshape(-1, len(tables), 2, 2), tables]
        measures["kappa"] = [kappa_of_tables(x, confidence_level, grouped=True) for x in each]
    return measures


def _proportions(successes, trials, confidence_level):
    ends = proportion_interval(successes, trials, confidence_level, grouped=True)
    shares = divide(successes.sum(axis=0), trials.sum(axis=0), np.nan)
    return [Estimate(*map(float, each)) for each in zip(shares, *ends, strict=True)]


def decide(criterion, limit, estimate):
    """Return "pass", "fail" or "undecided".

    The interval decides, not the value: a study that is too small passes nothing.
    """
    value, low, high = estimate
    if criterion == "margin":
        return "pass" if value <= limit else "undecided"
    if criterion == "bias":
        passed, failed = max(-low, high) <= limit, low > limit or high < -limit
    else:
        passed, failed = low >= limit, high < limit
    return "pass" if passed else "fail" if failed else "undecided"


def decide_all(criteria, measures, n_cells, classes, min_cells):
    """Return the estimate and the verdict of each criterion.

    Parameters
    ----------
    criteria : list of (class, criterion, limit)
    measures : dict
        As of `measure`.
    n_cells : ndarray of shape (n_classes,)
        Cells of each class by a reader. With fewer than `min_cells` nothing is decided.
    classes : list of length n_classes
    min_cells : int
    """
    places, verdicts = {label: place for place, label in enumerate(classes)}, []
    for label, name, limit in criteria:
        place = places.get(label, -1)  # the last is that of all cells
        estimate = measures[name][place]
        few = label in places and n_cells[place] < min_cells
        verdicts.append((estimate, "undecided" if few else decide(name, limit, estimate)))
    return verdicts


def combine(verdicts):
    """Return the verdict on all: one failure fails, and all must pass."""
    if "fail" in verdicts:
        return "fail"
    return "undecided" if "undecided" in verdicts else "pass"
