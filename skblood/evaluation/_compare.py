"""Comparison of two differential counts of the same slides."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from skblood._plotting import draws
from skblood._typing import ArrayLike, DataFrame, Figure, Regression
from skblood.evaluation._agreement import (
    bland_altman,
    count_limits,
    deming,
    estimate_kappa,
    passing_bablok,
)
from skblood.evaluation._differential import DifferentialCount, select
from skblood.evaluation._differential_plots import PANELS, plot_comparison
from skblood.evaluation._estimates import Estimate, format_table, tabulate_estimates
from skblood.evaluation._intervals import check_level
from skblood.pages import TextInNotebooks

_ESTIMATES = ("slope", "intercept", "bias", "lower_limit", "upper_limit")
# Intervals by the jackknife and of limits of agreement need three points.
_MIN_SLIDES = 3
# With 3 slides that rise together, the p-value of Kendall's tau is 1/6, and with 4 it is 1/24.
_MIN_SLIDES_OF_RANKS = 4


@dataclass(eq=False, repr=False)
class DifferentialComparison(TextInNotebooks):
    """Agreement of two methods of counting over the same slides, class by class.

    Created by :func:`skblood.evaluation.compare_differentials`; ``print`` shows it as a table, and
    :meth:`plot` draws it. All values are shares in 0..1; the figures show percent.

    Parameters
    ----------
    a, b : DifferentialCount
        The two counts, `b` with the slides and classes in the order of `a`.
    method : {"passing-bablok", "deming"}
        Regression method.
    slope, intercept : list of Estimate of length n_classes
        Regression line from the shares of `a` to those of `b`. Each has `value`, `low` and `high`;
        NaN if the shares of a class are constant in `a` or `b` or, for "passing-bablok", do not
        rise together.
    bias : list of Estimate of length n_classes
        Mean of `b` minus `a`.
    lower_limit, upper_limit : list of Estimate of length n_classes
        Limits of agreement, which contain 95 % of the differences.
    within_limits : ndarray of shape (n_classes,)
        Share of the slides on which `b` lies within the 95 % limits of the count of `a`.
    kappa : Estimate or None
        Cohen's kappa of the labels of the same cells, if these were given.
    confidence_level : float
        Confidence level of all intervals.
    names : tuple of two str
        Names of the methods `a` and `b` in the figures.

    Attributes
    ----------
    classes : list of length n_classes
        Class labels, in the order of all results.

    See Also
    --------
    compare_differentials : Compare two counts.

    Examples
    --------
    >>> from skblood.evaluation import DifferentialCount, compare_differentials
    >>> classes = ["lymphocyte", "neutrophil"]
    >>> counts = [[20, 80], [30, 70], [45, 55], [60, 40]]
    >>> reader = DifferentialCount.from_counts(counts, classes=classes)
    >>> counts = [[22, 78], [31, 69], [47, 53], [63, 37]]
    >>> model = DifferentialCount.from_counts(counts, classes=classes)
    >>> comparison = compare_differentials(reader, model, names=("reader", "model"))
    >>> print(comparison.bias[0])
    0.020 [0.007, 0.033]
    >>> comparison.within_limits
    array([1., 1.])
    """

    a: DifferentialCount
    b: DifferentialCount
    method: str
    slope: list[Estimate]
    intercept: list[Estimate]
    bias: list[Estimate]
    lower_limit: list[Estimate]
    upper_limit: list[Estimate]
    within_limits: np.ndarray
    kappa: Estimate | None
    confidence_level: float
    names: tuple[str, str] = ("a", "b")

    @property
    def classes(self) -> list[Any]:
        """Class labels, in the order of all results."""
        return self.a.classes

    def __repr__(self) -> str:
        return (
            f"DifferentialComparison(n_slides={len(self.a.groups)}, "
            f"n_classes={len(self.classes)}, method={self.method!r})"
        )

    def __str__(self) -> str:
        columns = {name: getattr(self, name) for name in ("slope", "intercept", "bias")}
        columns["within limits"] = [f"{share:.1%}" for share in self.within_limits]
        kappa = "" if self.kappa is None else f"\n\nkappa of the same cells: {self.kappa}"
        return (
            f"{len(self.a.groups):,} slides, {len(self.classes)} classes, {self.method} "
            f"regression; intervals of {100 * self.confidence_level:.4g}% confidence\n\n"
            f"{format_table(self.classes, columns)}{kappa}"
        )

    def to_frame(self) -> DataFrame:
        """Return a table with one row for each class.

        Returns
        -------
        pandas.DataFrame
            With the columns slope, slope_low, slope_high, the same for intercept, bias, lower_limit
            and upper_limit, and within_limits.
        """
        estimates = {name: getattr(self, name) for name in _ESTIMATES}
        return tabulate_estimates(self.classes, estimates, within_limits=self.within_limits)

    @draws
    def plot(self, kind: Literal["regression", "bland-altman"] = "regression") -> Figure:
        """Draw a panel for each class in a new figure.

        Parameters
        ----------
        kind : {"regression", "bland-altman"}, default="regression"
            "regression" draws the slides, the line with its band, the identity, and in gray the
            95 % limits of the count of `a` (for its median number of cells). "bland-altman" draws
            differences against means, with bias and limits of agreement and their intervals.

        Returns
        -------
        figure : matplotlib Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `kind` is unknown.
        """
        if kind not in PANELS:
            raise ValueError(f"`kind` must be one of {list(PANELS)}, not {kind!r}.")
        return plot_comparison(self, kind)


def compare_differentials(
    a: DifferentialCount,
    b: DifferentialCount,
    *,
    method: Regression = "passing-bablok",
    cells: tuple[ArrayLike, ArrayLike] | None = None,
    confidence_level: float = 0.95,
    names: tuple[str, str] = ("a", "b"),
) -> DifferentialComparison:
    """Compare two methods of counting, such as a reader and a model, over the same slides.

    Parameters
    ----------
    a, b : DifferentialCount
        Counts of the same slides by the same classes, in any order; `a` is the reference.
    method : {"passing-bablok", "deming"}, default="passing-bablok"
        Regression method. "passing-bablok" makes no assumption about the errors and is robust to
        outliers; "deming" assumes normal errors with variances inverse to the numbers of cells.
    cells : tuple of two array-like of shape (n_cells,), default=None
        Labels of the same cells by both methods, for Cohen's kappa.
    confidence_level : float in (0, 1), default=0.95
        Confidence level of all intervals.
    names : tuple of two str, default=("a", "b")
        Names of the methods in the figures, e.g. ("reader", "model").

    Returns
    -------
    comparison : DifferentialComparison

    Raises
    ------
    TypeError
        If `a` or `b` is not a DifferentialCount.
    ValueError
        If slides or classes differ, there are fewer than three slides, a slide has no cells, the
        lengths of `cells` differ, or `names` are not two different ones.

    Warns
    -----
    UserWarning
        If Passing-Bablok regression does not apply to a class, whose shares by the two methods do
        not rise together (Kendall's tau, one-sided at 5 %), or there are too few slides to tell.
        Its slope and intercept are NaN.

    See Also
    --------
    differential_count : Count predicted labels.
    DifferentialCount.from_counts : Counts of a reader or an analyzer.

    Notes
    -----
    The regressions are those of [1]_, with intervals by ranks, and [2]_, with intervals by the
    jackknife [3]_. That of [1]_ requires that the two methods rise together: with fewer than four
    slides this cannot be shown. Two methods agree if the interval of the slope contains 1 and that
    of the intercept contains 0. For a class that is rare on all slides a line is uninformative; use
    the bias and the limits of agreement [4]_. The interval of kappa is that of [5]_, after
    pseudo-images are added as for the scores of an :class:`EvaluationReport`.

    As in CLSI H20-Ed3 [6]_, the counts of the reference have limits that contain the true share on
    95 % of slides: the exact binomial limits, tabulated in [7]_. They account for the error of `a`
    only. If `b` is a count of as many cells, expect about 83 % of the slides within them, and 95 %
    if `b` is a count of many more.

    References
    ----------
    .. [1] Passing, Bablok 1983: A new biometrical procedure for testing the equality of
       measurements from two different analytical methods, Journal of Clinical Chemistry and
       Clinical Biochemistry 21:709.
    .. [2] Deming 1943: Statistical adjustment of data.
    .. [3] Linnet 1993: Evaluation of regression procedures for methods comparison studies, Clinical
       Chemistry 39:424.
    .. [4] Bland, Altman 1999: Measuring agreement in method comparison studies, Statistical Methods
       in Medical Research 8:135.
    .. [5] Fleiss, Cohen, Everitt 1969: Large sample standard errors of kappa and weighted kappa,
       Psychological Bulletin 72:323.
    .. [6] CLSI H20-Ed3, the third edition of the standard for the reference leukocyte differential
       count and the evaluation of instruments.
    .. [7] Rümke 1985: The imprecision of the ratio of two percentages observed in differential
       white blood cell counts, Blood Cells 11:137.

    Examples
    --------
    >>> from skblood.evaluation import compare_differentials, differential_count
    >>> slides = ["A"] * 4 + ["B"] * 4 + ["C"] * 4
    >>> y_reader = list("lnnn" + "llnn" + "llln")
    >>> y_model = list("lnnn" + "llnn" + "llnn")
    >>> reader = differential_count(y_reader, groups=slides)
    >>> model = differential_count(y_model, groups=slides)
    >>> cells = (y_reader, y_model)
    >>> comparison = compare_differentials(reader, model, method="deming", cells=cells)
    >>> print(comparison.kappa)
    0.833 [0.252, 1.000]
    >>> print(comparison.bias[0])
    -0.083 [-0.442, 0.275]
    """
    check_level(confidence_level)
    b = in_order_of(a, b)
    if len(set(names)) != 2:
        raise ValueError(f"`names` must be two different names, those of `a` and `b`, got {names}.")
    # The variance of a counted share is inverse to the number of cells.
    ratio = np.mean(1 / b.n_cells) / np.mean(1 / a.n_cells)
    methods = {"passing-bablok": passing_bablok, "deming": partial(deming, error_ratio=ratio)}
    if method not in methods:
        raise ValueError(f"`method` must be one of {list(methods)}, got {method!r}.")
    kappa = None if cells is None else estimate_kappa(*cells, confidence_level)
    estimates, unrelated = [], []
    for label, x, y in zip(a.classes, a.shares.T, b.shares.T, strict=True):
        line = methods[method](x, y, confidence_level=confidence_level)
        if np.isnan(line[0].value) and np.ptp(x) > 0 and np.ptp(y) > 0:
            unrelated.append(label)
        estimates.append((*line, *bland_altman(y - x, confidence_level)))
    if unrelated and method == "passing-bablok":
        reason = "whose shares do not rise together (Kendall's tau, p > 0.05)"
        if len(a.groups) < _MIN_SLIDES_OF_RANKS:
            reason = f"since {len(a.groups)} slides are too few, {_MIN_SLIDES_OF_RANKS} are needed"
        warnings.warn(
            f"Passing-Bablok regression does not apply to {unrelated}, {reason}: slope and "
            'intercept are NaN. Compare more slides, or set method="deming".',
            stacklevel=2,
        )
    estimates = map(list, zip(*estimates, strict=True))
    low, high = count_limits(a.shares, a.n_cells[:, None])
    within = ((low <= b.shares) & (b.shares <= high)).mean(axis=0)
    results = (*estimates, within, kappa, confidence_level, tuple(names))
    return DifferentialComparison(a, b, method, *results)


def in_order_of(a, b):
    """Return `b` with the slides and the classes in the order of `a`."""
    for name, count in {"a": a, "b": b}.items():
        if not isinstance(count, DifferentialCount):
            raise TypeError(f"`{name}` must be a DifferentialCount, got {type(count).__name__}.")
        if empty := [count.groups[i] for i in np.flatnonzero(count.n_cells == 0)]:
            raise ValueError(f"`{name}` has slides without cells: {empty}. Leave them out of both.")
    for name in ("groups", "classes"):
        if alone := sorted(set(getattr(a, name)) ^ set(getattr(b, name)), key=str):
            raise ValueError(f"`a` and `b` must have the same {name}; in one of them: {alone}.")
    if (n := len(a.groups)) < _MIN_SLIDES:
        raise ValueError(f"`a` and `b` must have at least {_MIN_SLIDES} slides, got {n}.")
    rows = [b.groups.index(group) for group in a.groups]
    return select(b, rows, [b.classes.index(label) for label in a.classes])
