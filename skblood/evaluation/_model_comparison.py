"""Differences between classifiers on the same images: printed, as tables, as a figure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from skblood._plotting import COLORS, REFERENCE, draws, make_rows, wrap
from skblood._typing import Axes
from skblood.evaluation._estimates import Estimate, format_table
from skblood.evaluation._paired import SCORES
from skblood.pages import TextInNotebooks

ALL = "all"  # in the column `class`
# Printed columns by their headings, with the format of their numbers.
_COLUMNS = {
    "images": ("n_images", ","),
    "first": ("value_a", ".3f"),
    "second": ("value_b", ".3f"),
    "difference": ("difference", ".3f"),
    "only first right": ("only_a", ",.0f"),
    "only second": ("only_b", ",.0f"),
    "p": ("pvalue", ".2g"),
    "p (Holm)": ("pvalue_holm", ".2g"),
}


@dataclass(eq=False, repr=False)
class ModelComparison(TextInNotebooks):
    """Differences of the scores of classifiers on the same images, with confidence intervals.

    Created by :func:`skblood.evaluation.compare_models`; ``print`` shows it as tables.

    Parameters
    ----------
    names : list of str
        Names of the classifiers.
    scores : DataFrame
        A row for each classifier, with its scores and their intervals: accuracy, accuracy_low,
        accuracy_high, and the same for balanced_accuracy and f1_macro.
    differences : DataFrame
        A row for each pair of classifiers `a` and `b`, score and class: the columns a, b, score
        ("accuracy", "balanced_accuracy", "f1_macro", or "recall" of a class), class ("all" for the
        first three), n_images, value_a, value_b, difference (`b` minus `a`), low, high. In the
        rows of the accuracy and of recalls also only_a and only_b, the numbers of images on which
        only `a` or only `b` is right, pvalue, and pvalue_holm: adjusted for the number of pairs
        or, of recalls, of pairs and classes.
    by_group : DataFrame or None
        The accuracy on each group, the largest change first: the columns a, b, group, n_images,
        value_a, value_b, difference, only_a, only_b. None without groups.
    n_images : int
        Number of images.
    n_groups : int or None
        Number of groups; None if the images were taken as independent.
    confidence_level : float
        Confidence level of all intervals.

    Attributes
    ----------
    n_images : int
        Number of images.

    See Also
    --------
    compare_models : Compare the reports of two or more classifiers.

    Examples
    --------
    >>> from skblood.evaluation import EvaluationReport, compare_models
    >>> y = ["monocyte"] * 40 + ["platelet"] * 60
    >>> a = EvaluationReport.from_predictions(y, ["monocyte"] * 49 + ["platelet"] * 51)
    >>> b = EvaluationReport.from_predictions(y, ["monocyte"] * 41 + ["platelet"] * 59)
    >>> print(compare_models(a, b, names=["old", "new"]).differences.loc[0, "pvalue"])
    0.0078125
    """

    names: list[Any]
    scores: pd.DataFrame
    differences: pd.DataFrame
    by_group: pd.DataFrame | None
    n_images: int
    n_groups: int | None
    confidence_level: float

    def __repr__(self) -> str:
        return f"ModelComparison(names={self.names}, n_images={self.n_images})"

    def __str__(self) -> str:
        groups = f" in {self.n_groups:,} groups" if self.n_groups else ""
        frame, rows, several = self.scores, self.differences, len(self.names) > 2
        scores = {k: Estimate.each(frame[k], frame[f"{k}_low"], frame[f"{k}_high"]) for k in SCORES}
        rows = rows[rows["class"] == ALL] if several else rows
        return (
            f"{self.n_images:,} images{groups}, {len(self.names)} models; intervals of "
            f"{100 * self.confidence_level:.4g}% confidence\n\n{format_table(self.names, scores)}"
            f"\n\ndifferences, second model minus first\n{_format_differences(rows, several)}"
        )

    @draws
    def plot(self, pair: tuple[str, str] | None = None, *, ax: Axes | None = None) -> Axes:
        """Draw the differences of a pair of classifiers with their intervals.

        Parameters
        ----------
        pair : tuple of two str, default=None
            Names of `a` and `b`; None is the first pair.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure.

        Returns
        -------
        ax : matplotlib Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `pair` is not a pair of this comparison.
        """
        pairs = list(combinations(self.names, 2))
        pair = pairs[0] if pair is None else tuple(pair)
        if pair not in pairs:
            raise ValueError(f"`pair` must be one of {pairs}, not {pair}.")
        rows = self.differences.query("a == @pair[0] and b == @pair[1]").dropna(subset="difference")
        names = [_row_name(each) for each in rows.itertuples()]
        ax, _ = make_rows(ax, names, "score")
        margins = [rows["difference"] - rows["low"], rows["high"] - rows["difference"]]
        style = {"fmt": "o", "capsize": 3, "color": COLORS[0]}
        ax.errorbar(rows["difference"], range(len(rows)), xerr=margins, linewidth=1, **style)
        ax.axvline(0, **REFERENCE)
        ax.set_xlabel(wrap(f"difference of the score: {pair[1]} minus {pair[0]}", 60))
        return ax


def _format_differences(rows, with_pair):
    names = [f"{x.a}, {x.b}: " * with_pair + _row_name(x) for x in rows.itertuples()]
    differences = Estimate.each(rows["difference"], rows["low"], rows["high"])
    columns = {
        heading: ["" if np.isnan(x) else format(x, spec) for x in rows[name]]
        for heading, (name, spec) in _COLUMNS.items()
    }
    columns["difference"] = [each.show() for each in differences]
    return format_table(names, columns)


def _row_name(row):
    label = row._4  # the column `class`, which is no name in Python
    return row.score if row.score != "recall" else f"recall of {label}"
