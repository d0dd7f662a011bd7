"""Acceptance limits of a validation: their list, the measures they apply to, and verdicts."""

from numbers import Real

import numpy as np

from skblood._labels import list_few
from skblood.evaluation._agreement import bland_altman, count_limits, kappa_of_tables
from skblood.evaluation._estimates import Estimate, divide
from skblood.evaluation._intervals import proportion_interval, wilson_interval

# The limits of bias and margin are maxima, those of the others minima.
_OF_CLASSES = ("bias", "margin", "within_limits", "positive_agreement", "negative_agreement")
_OF_CLASSES += ("kappa",)
_OVERALL = ("kappa", "agreement")
# These need labels of the same cells.
_OF_CELLS = (*_OF_CLASSES[3:], *_OVERALL)
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
    own, overall = limits.get("classes", {}), limits.get("overall", {})
    if not (isinstance(own, dict) and isinstance(overall, dict)):
        raise ValueError("`classes` and `overall` of `limits` must be dicts.")
    least = limits.get("min_cells", 0)
    if not (_is_number(least) and 0 <= least < np.inf):
        raise ValueError(f"`min_cells` of `limits` must be a number, 0 or more, not {least!r}.")
    if unknown := [name for name in own if name not in map(str, classes)]:
        raise ValueError(f"`limits` name the classes {unknown}; the plan has {list(classes)}.")
    if odd := [name for name, each in own.items() if not isinstance(each, dict)]:
        raise ValueError(
            f"`classes` of `limits` must hold a dict for each class, such as {{'bias': 0.01}}, in "
            f"which None is no limit; those of {odd} are none."
        )
    common = {k: v for k, v in limits.items() if k not in ("classes", "overall", "min_cells")}
    stated = {label: common | own.get(str(label), {}) for label in classes}
    criteria = []
    for label, each in [*stated.items(), (ALL_CELLS, overall)]:
        allowed = _OVERALL if label == ALL_CELLS else _OF_CLASSES
        for name, limit in each.items():
            if name not in allowed:
                raise ValueError(f"`limits` hold {name!r}; possible are {list_few(allowed)}.")
            if limit is None:
                continue
            if not (_is_number(limit) and 0 < limit <= 1):
                raise ValueError(f"The limit of {name!r} must be a share above 0, at most 1.")
            if name in _OF_CELLS and not same_cells:
                raise ValueError(f"{name!r} needs labels of the same cells: there are only counts.")
            criteria.append((label, name, limit))
    if not criteria:
        raise ValueError("`limits` must hold a limit, such as {'bias': 0.03}.")
    return criteria


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool)


def count_joint(cells):
    """Return counts and tables, as `measure` takes them.

    Parameters
    ----------
    cells : ndarray of int of shape (n_slides, n_classes, n_classes, n_classes)
        Cells of each slide by the labels of the first reader, the second, and the model.

    Returns
    -------
    counts : ndarray of int of shape (3, n_slides, n_classes)
    tables : ndarray of int of shape (n_slides, n_classes, n_classes)
    """
    counts = np.stack([cells.sum(axis=axes) for axes in ((2, 3), (1, 3), (1, 2))])
    return counts, cells.sum(axis=2) + cells.sum(axis=1)


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
        measures["within_limits"] = Estimate.each(within / len(found), *ends)
    if tables is not None:
        measures |= measure_agreement(tables.astype(float), names, confidence_level)
    return measures


def measure_agreement(tables, names, confidence_level):
    """Return agreement and kappa of the same cells, with intervals that hold for new slides."""
    hits = np.diagonal(tables, axis1=1, axis2=2)
    first, second = tables.sum(axis=2), tables.sum(axis=1)
    n = first.sum(axis=1, keepdims=True)
    neither = n - first - second + hits

    def proportion(successes, trials):
        ends = proportion_interval(successes, trials, confidence_level, grouped=True)
        return Estimate.each(divide(successes.sum(axis=0), trials.sum(axis=0), np.nan), *ends)

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


def decide(criterion, limit, estimate):
    """Return "pass", "fail" or "undecided".

    The interval decides, not the value: a study that is too small passes nothing.
    """
    value, low, high = estimate
    if criterion == "margin":
        passed, failed = value <= limit, False
    elif criterion == "bias":
        passed, failed = max(-low, high) <= limit, low > limit or high < -limit
    else:
        passed, failed = low >= limit, high < limit
    return "pass" if passed else "fail" if failed else "undecided"


def judge(criteria, classes, min_cells, counts, measures):
    """Return (class, criterion, limit, value, low, high, verdict) of each criterion.

    Nothing is decided on a class with fewer than `min_cells` by a reader.
    """
    n_read, rows = counts[:2].sum(axis=(0, 1)) / 2, []
    places = {label: place for place, label in enumerate(classes)}
    for label, name, limit in criteria:
        estimate = measures[name][places.get(label, -1)]  # the last is that of all cells
        few = label in places and n_read[places[label]] < min_cells
        verdict = "undecided" if few else decide(name, limit, estimate)
        rows.append((label, name, limit, *estimate, verdict))
    return rows


def combine(verdicts):
    """Return the verdict on all: one failure fails, and all must pass."""
    return next((each for each in ("fail", "undecided") if each in verdicts), "pass")
