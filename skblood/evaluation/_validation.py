"""Validation of a model at a new site, by two readers and the limits of a plan."""

from __future__ import annotations

import warnings
from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd

from skblood._labels import as_column, check_lengths, encode_groups, encode_labels, resolve_classes
from skblood._typing import ArrayLike, Regression
from skblood.evaluation._acceptance import (
    count_joint,
    judge,
    list_criteria,
    measure,
    measure_agreement,
)
from skblood.evaluation._agreement import count_limits
from skblood.evaluation._compare import compare_differentials, in_order_of
from skblood.evaluation._differential import DifferentialCount
from skblood.evaluation._validation_plan import ValidationPlan
from skblood.evaluation._validation_report import ValidationReport

_CRITERIA = ["class", "criterion", "limit", "value", "low", "high", "verdict"]
# Draws of two counts of the same slides, for the share within limits by chance.
_DRAWS = 100
_SEED = 0


def validate_differentials(
    reader_1: DifferentialCount | ArrayLike,
    reader_2: DifferentialCount | ArrayLike,
    model: DifferentialCount | ArrayLike,
    *,
    plan: ValidationPlan | None = None,
    groups: ArrayLike | None = None,
    method: Regression = "passing-bablok",
    recorded: datetime | None = None,
    names: tuple[str, str, str] = ("reader 1", "reader 2", "model"),
) -> ValidationReport:
    """Analyze a validation at a new site: a model against two readers, by the limits of a plan.

    Parameters
    ----------
    reader_1, reader_2, model : DifferentialCount, or array-like of shape (n_cells,)
        Counts of the same slides by the same classes; or labels of the same cells, which also give
        agreement and kappa. The readers must not have seen the labels of the model.
    plan : ValidationPlan, default=None
        Made before the study. Without it the report describes, and gives no verdict: limits that
        are chosen after the data were seen prove nothing.
    groups : array-like of shape (n_cells,), default=None
        Slide of each cell; needed with labels.
    method : {"passing-bablok", "deming"}, default="passing-bablok"
        Regression of :func:`compare_differentials`. It is described, and no criterion.
    recorded : datetime, default=None
        When the first label of the study was recorded, or the data are known to have existed. If
        that is before the plan was made, the analysis is refused.
    names : tuple of three str, default=("reader 1", "reader 2", "model")
        Names in tables and figures.

    Returns
    -------
    report : ValidationReport

    Raises
    ------
    TypeError
        If labels and counts are mixed.
    ValueError
        If lengths, slides or classes differ, there are fewer than three slides, the plan has limits
        for labels of the same cells and there are only counts, or it was made after the data.

    See Also
    --------
    plan_validation : State limits, and find the number of slides and cells.
    compare_differentials : Compare two methods without limits.

    Notes
    -----
    The reference is the count of both readers together, as in CLSI H20 [1]_, where two examiners
    count 200 cells each. A criterion passes if its whole interval is within the limit and fails if
    the whole interval is outside; in between, the study is too small to tell. All must pass, so
    that no correction for their number is needed to pass.

    *Imprecision*: "within_limits" is the share of slides on which the model is within the exact
    binomial 95 % limits of the readers' count, those of the table of Rümke [2]_. Two counts of a
    slide differ by the chance of both, so that fewer than 95 % are within the limits even if
    nothing is wrong; `within_by_chance` tells how many. Labels of the same cells do not differ by
    the chance of counting: there the limits, those of a single reader's number of cells, are a
    measure of how large a difference is.

    *Agreement* is between the model and each reader, both together: "positive_agreement" is the
    share of the cells that a reader assigns to the class on which the model agrees, and
    "negative_agreement" that of the other cells. No reader is the truth, so compare both with the
    agreement of the readers. Their intervals, and that of kappa, hold for new slides.

    *Regression* [3]_ requires that the shares of both methods rise together; where they do not
    (Kendall's tau), there is no line.

    References
    ----------
    .. [1] CLSI H20-Ed3: Reference leukocyte differential count (proportional) and evaluation of
       instrumental methods.
    .. [2] Rümke 1985: The imprecision of the ratio of two percentages observed in differential
       white blood cell counts, Blood Cells 11:137.
    .. [3] Passing, Bablok 1983: A new biometrical procedure for testing the equality of
       measurements from two different analytical methods, Journal of Clinical Chemistry and
       Clinical Biochemistry 21:709.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.evaluation import DifferentialCount, plan_validation, validate_differentials
    >>> shares = {"lymphocyte": 0.3, "neutrophil": 0.7}
    >>> plan = plan_validation(shares, {"bias": 0.05}, same_cells=False, n_simulations=50)
    >>> rng = np.random.default_rng(0)
    >>> true = rng.dirichlet([12, 28], size=plan.n_slides)
    >>> counts = [
    ...     DifferentialCount.from_counts(rng.multinomial(plan.n_cells, true), classes=list(shares))
    ...     for _ in range(3)
    ... ]
    >>> report = validate_differentials(*counts, plan=plan)
    >>> report.verdict
    'pass'
    """
    if len(set(names)) != 3:
        raise ValueError(f"`names` must be three different names, got {names}.")
    if plan is not None and recorded is not None:
        _check_order(plan, recorded)
    readings, level = (reader_1, reader_2, model), 0.95 if plan is None else plan.confidence_level
    kinds = {isinstance(each, DifferentialCount) for each in readings}
    if len(kinds) > 1:
        raise TypeError("Give three DifferentialCount, or three times labels of the same cells.")
    tables, reader_measures = None, {}
    if same_cells := kinds == {False}:
        classes, slides, cells = _cross_labels(readings, groups, plan)
        counts, tables = count_joint(cells)
        pairs = cells.sum(axis=3).astype(float)  # in both directions: no reader is the reference
        reader_measures = measure_agreement(pairs + pairs.swapaxes(1, 2), {"kappa"}, level)
    else:
        classes, slides = reader_1.classes, reader_1.groups
        others = [in_order_of(reader_1, each) for each in readings[1:]]
        counts = np.stack([each.counts for each in (reader_1, *others)])
        found = set(map(str, classes))  # a planned class may occur in no count
        absent = [] if plan is None else [label for label in plan.classes if label not in found]
        classes, counts = [*classes, *absent], np.pad(counts, [(0, 0), (0, 0), (0, len(absent))])
    measures = measure(counts, tables, {"within_limits", "kappa"}, level)
    comparison = _compare(counts, classes, slides, method, level, names[2])
    within = np.array([each.value for each in measures["within_limits"]])
    rows, notes = [], []
    if plan is not None:
        planned = [label for label in classes if str(label) in plan.classes]
        criteria = list_criteria(plan.limits, planned, same_cells=same_cells)
        rows = judge(criteria, classes, plan.limits["min_cells"], counts, measures)
        notes = _departures(plan, counts, same_cells, classes)
    return ValidationReport(
        plan,
        tuple(names),
        counts,
        same_cells,
        replace(comparison, within_limits=within),
        measures,
        reader_measures,
        None if same_cells else _within_by_chance(counts),
        pd.DataFrame(rows, columns=_CRITERIA),
        notes,
        recorded,
    )


def _check_order(plan, recorded):
    made = datetime.fromisoformat(plan.created)
    if recorded.astimezone() < made:
        raise ValueError(
            f"The data are of {recorded.astimezone():%Y-%m-%d %H:%M:%S} and the plan is of "
            f"{made:%Y-%m-%d %H:%M:%S}: its limits were not stated beforehand. Analyze without a "
            "plan, which describes and gives no verdict, or collect new slides."
        )


def _cross_labels(readings, groups, plan):
    """Return classes, slides, and the cells of each slide by the labels of all three."""
    columns = dict(zip(("reader_1", "reader_2", "model"), readings, strict=True))
    columns = {name: as_column(y, name) for name, y in columns.items()}
    check_lengths(**{name: len(y) for name, y in columns.items()})
    if groups is None:
        raise ValueError("`groups` must name the slide of each cell.")
    slides, places = encode_groups(groups, len(columns["reader_1"]))
    classes = resolve_classes(None, **columns)
    if plan is not None:
        classes = [*plan.classes, *(label for label in classes if label not in plan.classes)]
    codes = [encode_labels(y, classes, name) for name, y in columns.items()]
    cells = np.zeros((len(slides), *[len(classes)] * 3), int)
    np.add.at(cells, (places, *codes), 1)
    return classes, slides, cells


def _compare(counts, classes, slides, method, level, name):
    readers, model = (
        DifferentialCount.from_counts(each, classes=classes, groups=slides)
        for each in (counts[0] + counts[1], counts[2])
    )
    options = {"method": method, "confidence_level": level, "names": ("readers", name)}
    with warnings.catch_warnings():  # the report tells where there is no line
        warnings.filterwarnings("ignore", "Passing-Bablok regression does not apply")
        return compare_differentials(readers, model, **options)


def _within_by_chance(counts):
    """Return the expected share of slides within limits of two methods that differ by chance."""
    rng, totals = np.random.default_rng(_SEED), counts.sum(axis=2)[:, :, None]
    shares, n_read = counts.sum(axis=0) / totals.sum(axis=0), totals[:2].sum(axis=0)
    read = rng.binomial(n_read, shares, (_DRAWS, *shares.shape)) / n_read
    found = rng.binomial(totals[2], shares, (_DRAWS, *shares.shape)) / totals[2]
    low, high = count_limits(read, n_read)
    return ((low <= found) & (found <= high)).mean(axis=(0, 1))


def _departures(plan, counts, same_cells, classes):
    """Return sentences on where the study departs from its plan."""
    n_slides, n_cells = counts.shape[1], counts.sum(axis=2)
    notes = []
    n_read = dict(zip(map(str, classes), counts[:2].sum(axis=(0, 1)).tolist(), strict=True))
    if new := [f"{label} ({n:,})" for label, n in n_read.items() if label not in plan.classes]:
        notes.append(
            f"Classes that are not in the plan, with cells by both readers: {', '.join(new)}. They "
            "have no limits: the verdict is on the planned classes."
        )
    if n_slides < plan.n_slides:
        notes.append(f"The plan has {plan.n_slides} slides, the study {n_slides}.")
    if fewer := int((n_cells.min(axis=0) < plan.n_cells).sum()):
        notes.append(f"{fewer} slides have fewer than the {plan.n_cells} planned cells.")
    if same_cells != plan.same_cells:
        kinds = {True: "labels of the same cells", False: "separate counts"}
        notes.append(f"The plan has {kinds[plan.same_cells]}, the study {kinds[same_cells]}.")
    return notes
