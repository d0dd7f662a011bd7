"""Differential counts: the share of each class on a slide, with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

import numpy as np
import pandas as pd

from skblood._labels import check_lengths, encode_groups, resolve_classes
from skblood._plotting import draws
from skblood._typing import ArrayLike, Axes, Ints, RandomState, Report
from skblood.evaluation._cell_types import order_classes
from skblood.evaluation._count_lines import read_rules
from skblood.evaluation._count_reports import CountReports
from skblood.evaluation._differential_correction import (
    check_confusion,
    check_counts,
    correct_counts,
)
from skblood.evaluation._differential_plots import plot_shares
from skblood.evaluation._intervals import check_level, wilson_interval
from skblood.inference import draw_seed

# Fields that are added up over slides.
_COUNTS = ("counts", "n_rejected", "reviewed")


@dataclass(eq=False, repr=False)
class DifferentialCount(CountReports):
    """Shares of the classes among the cells of each slide, with confidence intervals.

    Created by :func:`skblood.evaluation.differential_count` or :meth:`from_counts`. ``print`` and
    :meth:`to_html`, :meth:`to_csv` and :meth:`to_fhir` report it as laboratories do; see Notes.

    Parameters
    ----------
    classes : list of length n_classes
        Class labels.
    groups : list of length n_slides
        Slides or patients.
    counts : ndarray of int of shape (n_slides, n_classes)
        Numbers of cells by predicted class, without rejected cells.
    n_rejected : ndarray of int of shape (n_slides,)
        Numbers of rejected cells.
    shares : ndarray of shape (n_slides, n_classes)
        Share of each class among the cells that are not rejected, NaN if there are none. Corrected
        shares are the most likely ones in 0..1. Those without correction are in `as_counted`.
    low, high : ndarray of shape (n_slides, n_classes)
        Ends of the intervals of the shares.
    corrected : bool
        Whether the shares are corrected for confusions.
    confidence_level : float
        Confidence level of the intervals.
    preferred : {"counted", "corrected"}
        Which shares are expected to be nearer to the true ones; see Notes.
    absent_classes : list
        Classes without validation cells, assumed to be recognized without error; empty if the
        shares are not corrected.
    confusion : ndarray of int of shape (n_classes, n_classes) or None
        The confusions that the shares are corrected for.
    reviewed : ndarray of int of shape (n_slides, n_classes)
        Among `counts`, the numbers of cells whose label was decided by a reader.
    patients : list of length n_slides or None
        Patient of each slide.
    rules : dict of str to float or None
        When a slide needs a manual look: changes of the rules of :func:`differential_count`.
    note : str
        What else a reader of the reports should know of the labels.
    model : str
        Name of the model; shown in reports.
    created : str
        Date and time of the count, ISO 8601; shown in reports.

    Attributes
    ----------
    n_cells : ndarray of int of shape (n_slides,)
        Numbers of cells that are not rejected.
    as_counted, white, by_patient : DifferentialCount
        The same cells without correction; the white cells in clinical order, with shares among
        them; the slides of each patient added up, with the patients as groups.
    manual_look : list of length n_slides of list of str
        Why each slide should be looked at by a person; empty if no rule says so.

    See Also
    --------
    differential_count : Count predicted labels.
    compare_differentials : Compare two counts of the same slides.

    Notes
    -----
    **Reports** list white cells in clinical order, with whole percents that sum to 100 (by the
    largest remainder): segmented and band neutrophils, neutrophils that are not distinguished,
    lymphocytes, monocytes, eosinophils, basophils, immature granulocytes, blasts and other white
    cells, then classes of unknown names. Nucleated red cells are given per 100 white cells;
    platelets, red cells, smudge cells and artifacts apart, none of them in the denominator. Types
    are known by common names such as "SNE", "band neutrophil", "ig" or "nRBC". Arrays and
    :meth:`to_frame` have all classes as they were given, with shares among all cells that are not
    rejected; `white` has those of the report. White shares of a corrected count are scaled to sum
    to 1, and so are their intervals, which makes these somewhat too wide.

    **Estimates.** The interval of an uncorrected share is Wilson's [1]_. For the error of
    differential counts see [2]_ and [3]_.

    An uncorrected share is biased if cells of one class are predicted as another. With `rates`, the
    shares of each class predicted as each class, the expected counts are ``shares @ rates``, which
    is solved for the shares [4]_; if the solution has negative shares, the most likely ones in 0..1
    are used. Without any confusion the shares are those counted. Cells that are predicted as a
    class as which no validation cell is predicted stay as counted. A class without validation
    cells, as in a laboratory that does not have it, is assumed to be recognized without error: its
    share is corrected only for cells of other classes that are predicted as it. For the intervals,
    rates and counts are both drawn from their posterior distributions (Dirichlet, with the priors
    of [5]_ for the rows of the confusion matrix and the counts), each draw is solved, and the
    interval contains the central part of the solutions [6]_. If a model hardly distinguishes two
    classes, their intervals are wide, and wider than necessary, since negative solutions are
    among the draws.

    A correction by rates that are hardly known may do more harm than the confusions. `preferred`
    compares both shares with those that are corrected by the rates of the validation cells and, for
    each class, of 20 further correct ones and half an error, as of a usual model: the nearer ones,
    in the mean over classes and slides, are preferred. In simulations (``python -m
    benchmarks.differential``) their mean error was at most 5 % above that of the better ones.

    The method assumes that the cells are a random sample of the slide, and that the confusions on
    the slide are those of the validation cells. This does not hold for another laboratory, another
    stain, or another rejection threshold. Rejected cells are not a random sample either: the share
    of a class that is rejected more often than others is too low, so check both.

    References
    ----------
    .. [1] Wilson 1927: Probable inference, the law of succession, and statistical inference,
       Journal of the American Statistical Association 22:209.
    .. [2] Rümke 1985: The imprecision of the ratio of two percentages observed in differential
       white blood cell counts, Blood Cells 11:137.
    .. [3] CLSI H20-Ed3, the third edition of the standard for the reference leukocyte differential
       count and the evaluation of instruments.
    .. [4] Rogan, Gladen 1978: Estimating prevalence from the results of a screening test, American
       Journal of Epidemiology 107:71.
    .. [5] Berger, Bernardo, Sun 2015: Overall objective priors, Bayesian Analysis 10:189.
    .. [6] Weerahandi 1993: Generalized confidence intervals, Journal of the American Statistical
       Association 88:899.

    Examples
    --------
    >>> from skblood.evaluation import DifferentialCount
    >>> count = DifferentialCount.from_counts(
    ...     [[30, 60], [45, 50]],
    ...     classes=["lymphocyte", "neutrophil"],
    ...     groups=["A", "B"],
    ...     n_rejected=[10, 5],
    ... )
    >>> count
    DifferentialCount(n_slides=2, n_classes=2, n_cells=185, n_rejected=15, corrected=False)
    >>> print(count)
    2 slides, 2 classes; intervals of 95% confidence
    <BLANKLINE>
    A: 90 cells, and 10 rejected
      neutrophil      60   67 %  0.667 [0.564, 0.755]
      lymphocyte      30   33 %  0.333 [0.245, 0.436]
      manual look: 90 white cells, fewer than 100
    <BLANKLINE>
    B: 95 cells, and 5 rejected
      neutrophil      50   53 %  0.526 [0.427, 0.624]
      lymphocyte      45   47 %  0.474 [0.376, 0.573]
      manual look: 95 white cells, fewer than 100
    """

    classes: list[Any]
    groups: list[Any]
    counts: np.ndarray
    n_rejected: np.ndarray
    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    corrected: bool
    confidence_level: float
    preferred: str = "counted"
    absent_classes: list[Any] = field(default_factory=list)
    confusion: np.ndarray | None = None
    reviewed: np.ndarray | None = None
    patients: list[Any] | None = None
    rules: dict[str, Any] | None = None
    note: str = ""
    model: str = ""
    created: str = field(
        default_factory=lambda: datetime.now().astimezone().isoformat("T", "seconds")
    )

    def __post_init__(self):
        self.reviewed = np.zeros_like(self.counts) if self.reviewed is None else self.reviewed
        self.rules = read_rules(self.rules, self.classes)

    @classmethod
    def from_counts(
        cls,
        counts: ArrayLike,
        *,
        classes: ArrayLike,
        groups: ArrayLike | None = None,
        n_rejected: ArrayLike | None = None,
        confusion: Report | ArrayLike | None = None,
        confidence_level: float = 0.95,
        random_state: RandomState = 0,
        reviewed: ArrayLike | None = None,
        patients: ArrayLike | None = None,
        rules: Mapping[str, float] | None = None,
        note: str = "",
        model: str = "",
    ) -> Self:
        """Create a differential count from numbers of cells, e.g. of a reader or an analyzer.

        Parameters
        ----------
        counts : array-like of int of shape (n_slides, n_classes)
            Numbers of cells of each class, without rejected cells.
        classes : array-like of shape (n_classes,)
            Class labels.
        groups : array-like of shape (n_slides,), default=None
            Slides or patients. None numbers them.
        n_rejected : array-like of int of shape (n_slides,), default=None
            Numbers of rejected cells. None means 0.
        confusion, confidence_level, random_state
            As in :func:`differential_count`.
        reviewed : array-like of int of shape (n_slides, n_classes), default=None
            Among `counts`, the numbers of cells that a reader has decided. None means 0.
        patients : array-like of shape (n_slides,), default=None
            Patient of each slide.
        rules, note, model
            As in :func:`differential_count`.

        Returns
        -------
        count : DifferentialCount

        Raises
        ------
        ValueError
            If lengths differ, a slide or class is given twice or has an empty name, or `counts`
            does not hold counts.
        """
        check_level(confidence_level)
        classes = resolve_classes(classes)
        shape = (len(counts), len(classes))
        counts = check_counts(counts, "counts", shape)
        groups = list(range(len(counts))) if groups is None else np.asarray(groups).tolist()
        check_lengths(counts=len(counts), groups=len(groups))
        if len(set(groups)) < len(groups):
            raise ValueError(f"`groups` must be different slides, got {groups}.")
        for name, values in {"classes": classes, "groups": groups, "patients": patients}.items():
            if values is not None and not all(str(value).strip() for value in values):
                raise ValueError(f"`{name}` has an empty name, which no report can state. Name it.")
        n_rejected = np.zeros(len(counts)) if n_rejected is None else n_rejected
        reviewed = np.zeros(shape) if reviewed is None else reviewed
        reviewed = check_counts(reviewed, "reviewed", shape)
        if (reviewed > counts).any():
            raise ValueError("`reviewed` must be among the cells of `counts`, not more.")
        if patients is not None:
            patients = np.asarray(patients).tolist()
            check_lengths(counts=len(counts), patients=len(patients))
        n_rejected = check_counts(n_rejected, "n_rejected", shape[:1])
        settings = {"confidence_level": confidence_level, "reviewed": reviewed, "note": note}
        settings |= {"patients": patients, "rules": rules, "model": model}
        if confusion is None:
            settings |= _count_shares(counts, confidence_level)
            return cls(classes, groups, counts, n_rejected, **settings)
        if reviewed.any():
            raise ValueError(
                "`confusion` corrects the labels of a model, and some are those of a reader. Leave "
                "out `confusion`, or count the labels of the model."
            )
        rng = np.random.default_rng(draw_seed(random_state))
        matrix = check_confusion(confusion, classes)
        shares, low, high, is_better = correct_counts(counts, matrix, confidence_level, rng)
        settings |= {"shares": shares, "low": low, "high": high, "corrected": True}
        settings |= {"preferred": "corrected" if is_better else "counted", "confusion": matrix}
        settings["absent_classes"] = [classes[i] for i in np.flatnonzero(~matrix.any(axis=1))]
        return cls(classes, groups, counts, n_rejected, **settings)

    @property
    def n_cells(self) -> Ints:
        """Numbers of cells of each slide that are not rejected."""
        return self.counts.sum(axis=1)

    @property
    def as_counted(self) -> DifferentialCount:
        """The count without correction."""
        return replace(self, **_count_shares(self.counts, self.confidence_level))

    @property
    def white(self) -> DifferentialCount:
        """The white cells."""
        columns = order_classes(self.classes, True)
        part = select(self, range(len(self.groups)), columns)
        if len(columns) in (0, len(self.classes)):
            return part
        if not self.corrected:
            return part.as_counted
        totals = part.shares.sum(axis=1, keepdims=True)
        totals = np.where(totals > 0, totals, np.nan)
        values = {name: getattr(part, name) / totals for name in ("shares", "low", "high")}
        return replace(part, **{name: np.minimum(each, 1) for name, each in values.items()})

    @property
    def by_patient(self) -> DifferentialCount:
        """The count of each patient."""
        if self.patients is None:
            raise ValueError("There are no patients. Give `patients`, the patient of each slide.")
        names, codes = encode_groups(self.patients, len(self.groups), "patients")
        members = np.eye(len(names), dtype=int)[:, codes]  # slides of each patient
        sums = {name: members @ getattr(self, name) for name in _COUNTS}
        kept = ("classes", "confidence_level", "confusion", "rules", "note", "model")
        settings = {name: getattr(self, name) for name in kept}
        total = self.from_counts(**sums, **settings, groups=names, patients=names)
        return replace(total, created=self.created)

    def __repr__(self) -> str:
        return (
            f"DifferentialCount(n_slides={len(self.groups)}, n_classes={len(self.classes)}, "
            f"n_cells={self.counts.sum()}, n_rejected={self.n_rejected.sum()}, "
            f"corrected={self.corrected})"
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row for each class on each slide.

        Returns
        -------
        pandas.DataFrame
            With the columns group, class, count, share, low, high, and n_cells and n_rejected of
            the slide; of a corrected count also counted_share, counted_low and counted_high.
        """
        values = {"count": self.counts, "share": self.shares, "low": self.low, "high": self.high}
        if self.corrected:
            counted = self.as_counted
            values["counted_share"] = counted.shares
            values |= {"counted_low": counted.low, "counted_high": counted.high}
        for name in ("n_cells", "n_rejected"):
            values[name] = np.repeat(getattr(self, name), len(self.classes))
        rows = pd.MultiIndex.from_product([self.groups, self.classes], names=["group", "class"])
        table = pd.DataFrame({name: np.ravel(array) for name, array in values.items()}, rows)
        return table.reset_index()

    @draws
    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the shares of the white cells and their intervals, by class and slide.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure whose height depends on the number of slides.

        Returns
        -------
        ax : matplotlib Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        return plot_shares(self, ax)


def _count_shares(counts, confidence_level):
    """Return the fields of a count without correction."""
    totals = counts.sum(axis=1, keepdims=True)
    low, high = wilson_interval(counts, totals, confidence_level)
    shares = counts / np.where(totals, totals, np.nan)
    estimates = {"shares": shares, "low": low, "high": high, "corrected": False}
    return estimates | {"preferred": "counted", "absent_classes": [], "confusion": None}


def select(count, rows, columns):
    """Return a count with these slides and classes, in this order, with the same shares."""
    grid = np.ix_(rows, columns)
    names = ("counts", "shares", "low", "high", "reviewed")
    confusion, classes = count.confusion, [count.classes[j] for j in columns]
    return replace(
        count,
        classes=classes,
        groups=[count.groups[i] for i in rows],
        n_rejected=count.n_rejected[list(rows)],
        absent_classes=[label for label in count.absent_classes if label in classes],
        confusion=None if confusion is None else confusion[np.ix_(columns, columns)],
        patients=None if count.patients is None else [count.patients[i] for i in rows],
        **{name: getattr(count, name)[grid] for name in names},
    )
