"""The differential count: the share of each class on a slide, and how sure it is."""

import numpy as np

from skblood.evaluation._differential_correction import correct_counts
from skblood.evaluation._differential_input import check_confusion, check_counts, count_cells
from skblood.evaluation._differential_plot import plot_shares
from skblood.evaluation._intervals import wilson_interval
from skblood.evaluation._labels import check_lengths
from skblood.evaluation._report import EvaluationReport
from skblood.inference import draw_seed

# Slides that are printed.
_MAX_PRINTED = 10


class DifferentialCount:
    """The share of each class among the cells of each slide, with intervals.

    Use :func:`skblood.evaluation.differential_count` or :meth:`from_counts` to make one, and
    ``print`` it for a table.

    Parameters
    ----------
    classes : list of length n_classes
        The labels.
    groups : list of length n_slides
        The slides or patients.
    counts : ndarray of int of shape (n_slides, n_classes)
        Cells by the class that was predicted, the rejected ones left out.
    n_rejected : ndarray of int of shape (n_slides,)
        Cells that were refused a label.
    shares, low, high : ndarray of shape (n_slides, n_classes)
        As below.
    corrected : bool
        Whether the shares are corrected for confusions.
    confidence_level : float
        The share of slides whose intervals hold the truth.

    Attributes
    ----------
    shares : ndarray of shape (n_slides, n_classes)
        The share of each class among the cells that were not rejected, NaN where there are none.
        Corrected, they are the most likely ones in 0..1.
    low, high : ndarray of shape (n_slides, n_classes)
        The ends of their intervals.
    n_cells : ndarray of int of shape (n_slides,)
        Cells that the shares are of.

    See Also
    --------
    differential_count : Makes one of predicted labels.
    compare_differentials : Compares two of the same slides.

    Notes
    -----
    The interval of a share as counted is Wilson's [1]_; of the error of differential counts see
    [2]_ and [3]_.

    The share as counted is off where cells of one class are taken for another. If `rates` are the
    shares of each class that are taken for each, the expected counts are ``shares @ rates``, which
    can be solved for the shares [4]_; where the solution would have shares below zero the most
    likely ones in 0..1 are taken. The rates are measured on a few validation cells, and are not
    exactly known. Hence both rates and counts are drawn at random, as they may be in view of what
    was counted (each row of the confusion matrix, and the counts, has a Dirichlet distribution,
    with the priors of [5]_), each draw is solved, and the interval holds the middle part of the
    solutions [6]_. Where a model can hardly tell two classes apart the intervals of both are very
    wide, wider than they need to be, since solutions below zero are among the draws.

    This takes the cells of a slide for a random draw of its cells, and the confusions on the slide
    for those of the validation cells: of another laboratory, another stain or a rejection at
    another threshold they are not. Rejected cells are no random draw either; where a class is
    rejected more often than others its share among the rest is too low, so look at both.

    References
    ----------
    .. [1] Wilson 1927: Probable inference, the law of succession, and statistical inference,
       Journal of the American Statistical Association 22:209.
    .. [2] Rümke 1985: The imprecision of the ratio of two percentages observed in differential
       white blood cell counts, Blood Cells 11:137.
    .. [3] CLSI H20-A2 2007: Reference leukocyte (WBC) differential count (proportional) and
       evaluation of instrumental methods.
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

    def __init__(
        self, classes, groups, counts, n_rejected, shares, low, high, corrected, confidence_level
    ):
        self.classes, self.groups = classes, groups
        self.counts, self.n_rejected = counts, n_rejected
        self.shares, self.low, self.high = shares, low, high
        self.corrected, self.confidence_level = corrected, confidence_level

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
        """Take cells that are counted already, by a reader or an instrument.

        Parameters
        ----------
        counts : array-like of int of shape (n_slides, n_classes)
            Cells of each class, the rejected ones left out.
        classes : array-like of shape (n_classes,)
            The labels.
        groups : array-like of shape (n_slides,), default=None
            The slides or patients. None numbers them.
        n_rejected : array-like of int of shape (n_slides,), default=None
            Cells that were refused a label.
        confusion, confidence_level, random_state
            As :func:`differential_count` takes them.

        Returns
        -------
        count : DifferentialCount

        Raises
        ------
        ValueError
            If lengths differ, a slide or class is there twice, or anything but counts is given.
        """
        if not 0 < confidence_level < 1:
            raise ValueError(f"`confidence_level` must be between 0 and 1, not {confidence_level}.")
        classes = list(np.asarray(classes).tolist())
        counts = check_counts(counts, "counts", (None, len(classes)))
        groups = list(range(len(counts))) if groups is None else list(np.asarray(groups).tolist())
        n_rejected = [0] * len(counts) if n_rejected is None else n_rejected
        n_rejected = check_counts(n_rejected, "n_rejected", (len(counts),))
        check_lengths(counts=len(counts), groups=len(groups))
        for name, labels in {"classes": classes, "groups": groups}.items():
            if len(set(labels)) < len(labels):
                raise ValueError(f"`{name}` must be different labels, got {labels}.")
        if confusion is None:
            totals = counts.sum(axis=1, keepdims=True)
            shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
            low, high = wilson_interval(counts, totals, confidence_level)
        else:
            rng = np.random.default_rng(draw_seed(random_state))
            confusion = check_confusion(confusion, classes)
            shares, low, high = correct_counts(counts, confusion, confidence_level, rng)
        corrected = confusion is not None
        return cls(
            classes, groups, counts, n_rejected, shares, low, high, corrected, confidence_level
        )

    @property
    def n_cells(self):
        """Cells of each slide that the shares are of."""
        return self.counts.sum(axis=1)

    def __repr__(self):
        return (
            f"DifferentialCount(n_slides={len(self.groups)}, n_classes={len(self.classes)}, "
            f"n_cells={self.counts.sum()}, n_rejected={self.n_rejected.sum()}, "
            f"corrected={self.corrected})"
        )

    def __str__(self):
        corrected = ", corrected for known confusions" if self.corrected else ""
        lines = [
            f"{_number(len(self.groups), 'slide')}, {len(self.classes)} classes; intervals of "
            f"{100 * self.confidence_level:.4g}% confidence{corrected}"
        ]
        width = max(len(str(label)) for label in self.classes)
        for i, group in enumerate(self.groups[:_MAX_PRINTED]):
            rejected = f", and {self.n_rejected[i]:,} rejected" if self.n_rejected[i] else ""
            lines += ["", f"{group}: {_number(self.n_cells[i], 'cell')}{rejected}"]
            lines += [
                f"  {label!s:{width}}  {count:6,}  {share:.3f} [{low:.3f}, {high:.3f}]"
                for label, count, share, low, high in zip(
                    self.classes,
                    *(values[i] for values in (self.counts, self.shares, self.low, self.high)),
                    strict=True,
                )
            ]
        more = len(self.groups) - _MAX_PRINTED
        if more > 0:
            lines += ["", f"and {_number(more, 'slide')} more: to_frame() has them all"]
        return "\n".join(lines)

    def to_frame(self):
        """Return a table, one row for each class on each slide.

        Returns
        -------
        pandas.DataFrame
            With the columns group, class, count, share, low, high, and n_cells and n_rejected of
            the slide.
        """
        import pandas as pd

        n_slides, n_classes = self.counts.shape
        return pd.DataFrame(
            {
                "group": np.repeat(self.groups, n_classes),
                "class": np.tile(self.classes, n_slides),
                "count": self.counts.ravel(),
                "share": self.shares.ravel(),
                "low": self.low.ravel(),
                "high": self.high.ravel(),
                "n_cells": np.repeat(self.n_cells, n_classes),
                "n_rejected": np.repeat(self.n_rejected, n_classes),
            }
        )

    def plot(self, *, ax=None):
        """Draw the shares and their intervals, slide by slide in each class.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, as high as the slides need.

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
    """Count the cells of each class, slide by slide, with intervals.

    Parameters
    ----------
    y_pred : array-like of shape (n_cells,)
        The predicted label of each cell.
    groups : array-like of shape (n_cells,), default=None
        The slide or patient of each cell. None is one slide, "all".
    classes : array-like of shape (n_classes,), default=None
        All labels of the model, also those that no cell has. None takes those of `confusion`, if
        it is a report, else the labels that occur, sorted.
    rejected : array-like of bool of shape (n_cells,), default=None
        The cells that were refused a label. They are counted apart, and their labels are not
        read; shares are those among the other cells.
    confusion : EvaluationReport or array-like of shape (n_classes, n_classes), default=None
        How the model does on validation cells of the same laboratory, rejected ones left out:
        its evaluation, or the numbers of cells of each class (row) by the class that was
        predicted (column), in the order of `classes`. The shares are then corrected for it. None
        leaves them as they are counted.
    confidence_level : float in (0, 1), default=0.95
        The share of slides whose intervals hold the truth.
    random_state : int, RandomState instance or None, default=0
        Seeds the draws that corrected intervals come of.

    Returns
    -------
    count : DifferentialCount

    Raises
    ------
    ValueError
        If lengths differ, nothing is given, a label is not among `classes`, or `confusion` does
        not hold counts for them.

    See Also
    --------
    DifferentialCount.from_counts : The same for cells that are counted already.
    compare_differentials : Two such counts of the same slides.

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

    In validation 30 of 100 monocytes were taken for lymphocytes: there are more monocytes on the
    slide than it seems, and how many is less sure than it seems.

    >>> confusion = [[400, 0, 0], [30, 70, 0], [0, 0, 500]]
    >>> corrected = differential_count(y_pred, confusion=confusion)
    >>> corrected.shares.round(2)
    array([[0.36, 0.04, 0.6 ]])
    """
    if classes is None and isinstance(confusion, EvaluationReport):
        classes = confusion.classes
    counts, n_rejected, groups, classes = count_cells(y_pred, groups, classes, rejected)
    return DifferentialCount.from_counts(
        counts,
        classes=classes,
        groups=groups,
        n_rejected=n_rejected,
        confusion=confusion,
        confidence_level=confidence_level,
        random_state=random_state,
    )
