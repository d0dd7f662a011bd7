"""Differential counts: the share of each class on a slide, with confidence intervals."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from skblood._labels import as_column, check_lengths, encode_groups, encode_labels, resolve_classes
from skblood._writing import printable
from skblood.evaluation._differential_correction import (
    check_confusion,
    check_counts,
    correct_counts,
)
from skblood.evaluation._differential_plots import plot_shares
from skblood.evaluation._estimates import Estimate
from skblood.evaluation._evaluation_report import EvaluationReport
from skblood.evaluation._intervals import check_level, wilson_interval
from skblood.inference import draw_seed

# Slides shown by print.
_MAX_PRINTED = 10


@dataclass(eq=False, repr=False)
class DifferentialCount:
    """Shares of the classes among the cells of each slide, with confidence intervals.

    Created by :func:`skblood.evaluation.differential_count` or :meth:`from_counts`; ``print`` shows
    it as a table.

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

    Attributes
    ----------
    n_cells : ndarray of int of shape (n_slides,)
        Numbers of cells that are not rejected.
    as_counted : DifferentialCount
        The same cells without correction.

    See Also
    --------
    differential_count : Count predicted labels.
    compare_differentials : Compare two counts of the same slides.

    Notes
    -----
    The interval of an uncorrected share is Wilson's [1]_. For the error of differential counts see
    [2]_ and [3]_.

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
    classes, their intervals are very wide, and wider than necessary, since negative solutions are
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
      lymphocyte      30  0.333 [0.245, 0.436]
      neutrophil      60  0.667 [0.564, 0.755]
    <BLANKLINE>
    B: 95 cells, and 5 rejected
      lymphocyte      45  0.474 [0.376, 0.573]
      neutrophil      50  0.526 [0.427, 0.624]
    """

    classes: list
    groups: list
    counts: np.ndarray
    n_rejected: np.ndarray
    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    corrected: bool
    confidence_level: float
    preferred: str = "counted"
    absent_classes: list = field(default_factory=list)

    @classmethod
    def from_counts(
        cls,
        counts,
        *,
        classes,
        groups=None,
        n_rejected=None,
        confusion=None,
        confidence_level=0.95,
        random_state=0,
    ):
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

        Returns
        -------
        count : DifferentialCount

        Raises
        ------
        ValueError
            If lengths differ, a slide or class is given twice, or `counts` does not hold counts.
        """
        check_level(confidence_level)
        classes = resolve_classes(classes)
        counts = check_counts(counts, "counts", (len(counts), len(classes)))
        groups = list(range(len(counts))) if groups is None else np.asarray(groups).tolist()
        check_lengths(counts=len(counts), groups=len(groups))
        if len(set(groups)) < len(groups):
            raise ValueError(f"`groups` must be different slides, got {groups}.")
        n_rejected = [0] * len(counts) if n_rejected is None else n_rejected
        n_rejected = check_counts(n_rejected, "n_rejected", (len(counts),))
        if confusion is None:
            totals = counts.sum(axis=1, keepdims=True)
            shares = counts / np.where(totals, totals, np.nan)
            values = (shares, *wilson_interval(counts, totals, confidence_level))
            return cls(classes, groups, counts, n_rejected, *values, False, confidence_level)
        rng = np.random.default_rng(draw_seed(random_state))
        matrix = check_confusion(confusion, classes)
        *shares, is_better = correct_counts(counts, matrix, confidence_level, rng)
        preferred = "corrected" if is_better else "counted"
        absent = [label for label, row in zip(classes, matrix, strict=True) if not row.any()]
        settings = (True, confidence_level, preferred, absent)
        return cls(classes, groups, counts, n_rejected, *shares, *settings)

    @property
    def n_cells(self):
        """Numbers of cells of each slide that are not rejected."""
        return self.counts.sum(axis=1)

    @property
    def as_counted(self):
        """The count without correction."""
        names = ("classes", "groups", "n_rejected", "confidence_level")
        return self.from_counts(self.counts, **{name: getattr(self, name) for name in names})

    def __repr__(self):
        return (
            f"DifferentialCount(n_slides={len(self.groups)}, n_classes={len(self.classes)}, "
            f"n_cells={self.counts.sum()}, n_rejected={self.n_rejected.sum()}, "
            f"corrected={self.corrected})"
        )

    def __str__(self):
        lines = [
            f"{_number(len(self.groups), 'slide')}, {len(self.classes)} classes; intervals of "
            f"{100 * self.confidence_level:.4g}% confidence"
        ]
        names = [printable(label, keep="") for label in self.classes]
        width = max(map(len, names))
        counts = [self]
        if self.corrected:
            counts = [self.as_counted, self]
            lines[0] += ", as counted and corrected for known confusions"
            lines.append(f"preferred shares: {self.preferred}")
        if self.absent_classes:
            absent = printable(", ".join(map(str, self.absent_classes)), keep="")
            lines.append(f"no validation cells, assumed to be recognized without error: {absent}")
        for i, group in enumerate(self.groups[:_MAX_PRINTED]):
            rejected = f", and {self.n_rejected[i]:,} rejected" if self.n_rejected[i] else ""
            slide = printable(group, keep="")
            lines += ["", f"{slide}: {_number(self.n_cells[i], 'cell')}{rejected}"]
            columns = [map(Estimate, each.shares[i], each.low[i], each.high[i]) for each in counts]
            lines += [
                f"  {name:{width}}  {n:6,}  {'  '.join(map(str, shares))}"
                for name, n, *shares in zip(names, self.counts[i], *columns, strict=True)
            ]
        more = len(self.groups) - _MAX_PRINTED
        if more > 0:
            lines += ["", f"and {_number(more, 'slide')} more: to_frame() has them all"]
        return "\n".join(lines)

    def to_frame(self):
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

    def plot(self, *, ax=None):
        """Draw the shares and their intervals by class and slide.

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


def _number(n, what):
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def differential_count(
    y_pred,
    *,
    groups=None,
    classes=None,
    rejected=None,
    confusion=None,
    confidence_level=0.95,
    random_state=0,
):
    """Count the cells of each class on each slide, with confidence intervals.

    Parameters
    ----------
    y_pred : array-like of shape (n_cells,)
        Predicted labels.
    groups : array-like of shape (n_cells,), default=None
        Slide or patient of each cell. None means one slide, "all".
    classes : array-like of shape (n_classes,), default=None
        All class labels of the model, also those that no cell has. None takes those of
        `confusion`, if it is a report, or else the labels that occur, sorted.
    rejected : array-like of bool of shape (n_cells,), default=None
        Which cells are rejected. They are counted apart and their labels are not read; shares are
        those among the other cells.
    confusion : EvaluationReport or array-like of shape (n_classes, n_classes), default=None
        Evaluation of the model on validation cells of the same laboratory, without rejected ones,
        or the confusion matrix: numbers of cells by true class (row) and predicted class (column)
        in the order of `classes`, or a DataFrame with classes as index and columns. The shares are
        corrected for these confusions, and reported beside those as counted, with the ones to
        prefer. None does not correct them.
    confidence_level : float in (0, 1), default=0.95
        Confidence level of the intervals.
    random_state : int, RandomState instance or None, default=0
        Seed of the draws for corrected intervals.

    Returns
    -------
    count : DifferentialCount

    Raises
    ------
    ValueError
        If lengths differ, there are no labels, a label is not among `classes`, groups are missing,
        or `confusion` does not hold counts of these classes.

    See Also
    --------
    DifferentialCount.from_counts : The same for numbers of cells.
    compare_differentials : Compare two counts of the same slides.
    skblood.uncertainty.RejectOption : Reject cells of low confidence.

    Examples
    --------
    >>> from skblood.evaluation import differential_count
    >>> y_pred = ["lymphocyte"] * 37 + ["monocyte"] * 3 + ["neutrophil"] * 60
    >>> print(differential_count(y_pred))
    1 slide, 3 classes; intervals of 95% confidence
    <BLANKLINE>
    all: 100 cells
      lymphocyte      37  0.370 [0.282, 0.468]
      monocyte         3  0.030 [0.010, 0.085]
      neutrophil      60  0.600 [0.502, 0.691]

    In validation, 30 of 100 monocytes were predicted as lymphocytes. The corrected share of
    monocytes is higher:

    >>> confusion = [[400, 0, 0], [30, 70, 0], [0, 0, 500]]
    >>> print(differential_count(y_pred, confusion=confusion))
    1 slide, 3 classes; intervals of 95% confidence, as counted and corrected for known confusions
    preferred shares: corrected
    <BLANKLINE>
    all: 100 cells
      lymphocyte      37  0.370 [0.282, 0.468]  0.357 [0.259, 0.455]
      monocyte         3  0.030 [0.010, 0.085]  0.043 [0.011, 0.113]
      neutrophil      60  0.600 [0.502, 0.691]  0.600 [0.507, 0.697]
    """
    labels = as_column(y_pred, "y_pred")
    rejected = np.zeros(len(labels), bool) if rejected is None else as_column(rejected, "rejected")
    check_lengths(y_pred=len(labels), rejected=len(rejected))
    if rejected.dtype != bool:
        raise ValueError(f"`rejected` must hold True or False, not {rejected.dtype}.")
    groups = np.full(len(labels), "all") if groups is None else groups
    slides, places = encode_groups(groups, len(labels))
    if classes is None and isinstance(confusion, EvaluationReport):
        classes = confusion.classes
    accepted = labels[~rejected]  # the labels of the others are not read
    classes = resolve_classes(classes, y_pred=accepted)
    codes = encode_labels(accepted, classes, "y_pred")
    counts = np.zeros((len(slides), len(classes)), int)
    np.add.at(counts, (places[~rejected], codes), 1)
    return DifferentialCount.from_counts(
        counts,
        classes=classes,
        groups=slides,
        n_rejected=np.bincount(places[rejected], minlength=len(slides)),
        confusion=confusion,
        confidence_level=confidence_level,
        random_state=random_state,
    )
