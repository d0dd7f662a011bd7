"""Two differential counts of the same slides, compared class by class."""

import numpy as np

from skblood.evaluation._agreement import bland_altman, count_limits, estimate_kappa
from skblood.evaluation._compare_plot import plot_bland_altman, plot_regression
from skblood.evaluation._differential import DifferentialCount
from skblood.evaluation._labels import check_lengths
from skblood.evaluation._regression import deming, passing_bablok

_METHODS = ("passing-bablok", "deming")
_PLOTS = {"regression": plot_regression, "bland-altman": plot_bland_altman}
_ESTIMATES = ("slope", "intercept", "bias", "lower_limit", "upper_limit")
# Jackknife intervals and those of limits of agreement need one point more than a line does.
_MIN_SLIDES = 3


class DifferentialComparison:
    """How well two methods of counting agree over the same slides, class by class.

    Use :func:`skblood.evaluation.compare_differentials` to make one, ``print`` it for a table and
    :meth:`plot` it. Everything is in shares, 0..1, but for the pictures, which are in percent.

    Parameters
    ----------
    a, b : DifferentialCount
        The two counts, `b` with the slides and classes of `a` in the same order.
    method : {"passing-bablok", "deming"}
        The regression.
    lines : list of Line of length n_classes
        The slope and the intercept of each class.
    agreement : list of tuple of Estimate of length n_classes
        The bias and the limits of agreement of each class.
    within_limits : ndarray of shape (n_classes,)
        As below.
    kappa : Estimate or None
        As below.
    confidence_level : float
        That of all intervals.

    Attributes
    ----------
    slope, intercept : list of Estimate of length n_classes
        Of the line from the shares of `a` to those of `b`. Each has `value`, `low` and `high`.
        NaN where a class does not vary.
    bias, lower_limit, upper_limit : list of Estimate of length n_classes
        The mean of `b` less `a`, and the limits that hold 95 % of these differences.
    within_limits : ndarray of shape (n_classes,)
        The share of the slides on which `b` lies within the 95 % limits of the count of `a`.
    kappa : Estimate or None
        Cohen's kappa of the labels of the same cells, if there are any.

    See Also
    --------
    compare_differentials : Makes one.

    Examples
    --------
    >>> from skblood.evaluation import DifferentialCount, compare_differentials
    >>> classes = ["lymphocyte", "neutrophil"]
    >>> reader = DifferentialCount.from_counts([[20, 80], [30, 70], [45, 55]], classes=classes)
    >>> model = DifferentialCount.from_counts([[22, 78], [31, 69], [47, 53]], classes=classes)
    >>> comparison = compare_differentials(reader, model)
    >>> print(comparison.bias[0])
    0.017 [0.002, 0.031]
    >>> comparison.within_limits
    array([1., 1.])
    """

    def __init__(self, a, b, method, lines, agreement, within_limits, kappa, confidence_level):
        self.a, self.b, self.method = a, b, method
        self.lines, self.agreement = lines, agreement
        self.slope, self.intercept = (list(each) for each in zip(*lines, strict=True))
        self.bias, self.lower_limit, self.upper_limit = (
            list(each) for each in zip(*agreement, strict=True)
        )
        self.within_limits, self.kappa = within_limits, kappa
        self.confidence_level = confidence_level

    def __repr__(self):
        return (
            f"DifferentialComparison(n_slides={len(self.a.groups)}, "
            f"n_classes={len(self.a.classes)}, method={self.method!r})"
        )

    def __str__(self):
        names = [str(label) for label in self.a.classes]
        width = max(map(len, names))
        lines = [
            f"{len(self.a.groups):,} slides, {len(names)} classes, {self.method} regression; "
            f"intervals of {100 * self.confidence_level:.4g}% confidence",
            "",
            f"{'':{width}}  {'slope':22}  {'intercept':24}  {'bias':24}  within limits",
        ]
        lines += [
            f"{name:{width}}  {self.slope[i]!s:22}  {self.intercept[i]!s:24}  "
            f"{self.bias[i]!s:24}  {self.within_limits[i]:13.1%}"
            for i, name in enumerate(names)
        ]
        if self.kappa is not None:
            lines += ["", f"kappa of the same cells: {self.kappa}"]
        return "\n".join(lines)

    def to_frame(self):
        """Return a table, one row for each class.

        Returns
        -------
        pandas.DataFrame
            Rows by label; the columns slope, slope_low, slope_high, the same of intercept, bias,
            lower_limit and upper_limit, and within_limits.
        """
        import pandas as pd

        columns = {
            f"{name}{end}": [each[place] for each in getattr(self, name)]
            for name in _ESTIMATES
            for place, end in enumerate(("", "_low", "_high"))
        }
        index = pd.Index(self.a.classes, name="class")
        return pd.DataFrame({**columns, "within_limits": self.within_limits}, index=index)

    def plot(self, kind="regression"):
        """Draw a panel for each class, in a new figure.

        Parameters
        ----------
        kind : {"regression", "bland-altman"}, default="regression"
            "regression" draws the slides, the line with its band, the line of identity, and in
            grey the 95 % limits of the count of `a` (of its median number of cells).
            "bland-altman" draws differences over means, with the bias and the limits of
            agreement, and the intervals of all three.

        Returns
        -------
        figure : matplotlib Figure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there is no such picture.
        """
        if kind not in _PLOTS:
            raise ValueError(f"`kind` must be one of {list(_PLOTS)}, not {kind!r}.")
        return _PLOTS[kind](self)


def compare_differentials(a, b, *, method="passing-bablok", cells=None, confidence_level=0.95):
    """Compare two methods, or a reader and a model, over the same slides.

    Parameters
    ----------
    a, b : DifferentialCount
        The counts of the same slides, by the same classes, in any order; `a` is the reference.
    method : {"passing-bablok", "deming"}, default="passing-bablok"
        The regression. "passing-bablok" asks nothing of the errors, and outliers hardly move it;
        "deming" takes the errors for normal, and their variances for inverse to the numbers of
        cells.
    cells : tuple of two array-like of shape (n_cells,), default=None
        The labels that `a` and `b` gave to the same cells, for Cohen's kappa.
    confidence_level : float in (0, 1), default=0.95
        That of all intervals.

    Returns
    -------
    comparison : DifferentialComparison

    Raises
    ------
    TypeError
        If `a` or `b` is no DifferentialCount.
    ValueError
        If slides or classes are not the same, there are less than three slides, or one of them
        has no cells.

    See Also
    --------
    differential_count : Counts predicted labels.
    DifferentialCount.from_counts : Takes what a reader or an instrument has counted.

    Notes
    -----
    The regressions are those of [1]_, with its intervals by ranks, and of [2]_, with intervals by
    the jackknife [3]_. Methods agree if the slope's interval holds 1 and the intercept's holds 0.
    Of a class that is rare on all slides little can be learned by a line; the bias and the limits
    of agreement [4]_ tell more. The interval of kappa is that of [5]_.

    In the manner of CLSI H20-A2 [6]_ the counts of the reference have limits: those within which
    the true share lies in 95 % of slides, the exact ones of the binomial, which are tabulated in
    [7]_. They know only of the error of `a`. If `b`, too, is a count of as many cells, no more
    than 83 % or so of the slides are to be expected within them, and 95 % if it is a count of many
    more.

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
    .. [6] CLSI H20-A2 2007: Reference leukocyte (WBC) differential count (proportional) and
       evaluation of instrumental methods.
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
    >>> comparison = compare_differentials(reader, model, cells=(y_reader, y_model))
    >>> print(comparison.kappa)
    0.833 [0.525, 1.000]
    >>> print(comparison.bias[0])
    -0.083 [-0.442, 0.275]
    """
    if method not in _METHODS:
        raise ValueError(f"`method` must be one of {list(_METHODS)}, not {method!r}.")
    if not 0 < confidence_level < 1:
        raise ValueError(f"`confidence_level` must be between 0 and 1, not {confidence_level}.")
    b = _in_the_order_of(a, b)
    # The variances of two counts of one share are as the numbers of cells are, inversely.
    ratio = np.mean(1 / b.n_cells) / np.mean(1 / a.n_cells)
    lines, agreement = [], []
    for x, y in zip(a.shares.T, b.shares.T, strict=True):
        if method == "deming":
            lines.append(deming(x, y, ratio, confidence_level))
        else:
            lines.append(passing_bablok(x, y, confidence_level))
        agreement.append(bland_altman(y - x, confidence_level))
    low, high = count_limits(a.shares, a.n_cells[:, None])
    within = ((low <= b.shares) & (b.shares <= high)).mean(axis=0)
    kappa = None if cells is None else _kappa(*cells, confidence_level)
    return DifferentialComparison(a, b, method, lines, agreement, within, kappa, confidence_level)


def _in_the_order_of(a, b):
    """Return `b` with the slides and the classes of `a`, in their order."""
    for name, count in {"a": a, "b": b}.items():
        if not isinstance(count, DifferentialCount):
            raise TypeError(
                f"`{name}` must be a DifferentialCount, not {type(count).__name__}. Make one with "
                "differential_count, or with DifferentialCount.from_counts."
            )
        empty = [group for group, n in zip(count.groups, count.n_cells, strict=True) if n == 0]
        if empty:
            raise ValueError(f"`{name}` has slides without cells: {empty}. Leave them out of both.")
    order = {}
    for name in ("groups", "classes"):
        ours, theirs = getattr(a, name), getattr(b, name)
        if set(ours) != set(theirs):
            alone = [each for each in [*ours, *theirs] if (each in ours) != (each in theirs)]
            raise ValueError(
                f"`a` and `b` must have the same {name}; in one of them only: {alone}. Count both "
                f"on the same slides, with the same `classes`."
            )
        order[name] = [theirs.index(each) for each in ours]
    if len(a.groups) < _MIN_SLIDES:
        raise ValueError(
            f"A comparison needs at least {_MIN_SLIDES} slides, got {len(a.groups)}. Say with "
            "`groups` which slide each cell is from."
        )
    rows, grid = order["groups"], np.ix_(order["groups"], order["classes"])
    return DifferentialCount(
        a.classes,
        a.groups,
        b.counts[grid],
        b.n_rejected[rows],
        b.shares[grid],
        b.low[grid],
        b.high[grid],
        b.corrected,
        b.confidence_level,
    )


def _kappa(labels_a, labels_b, confidence_level):
    check_lengths(**{"cells[0]": len(labels_a), "cells[1]": len(labels_b)})
    return estimate_kappa(labels_a, labels_b, confidence_level)
