"""Control charts of predictions over batches or days."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import betabinom, norm, t

from skblood._labels import (
    as_column,
    check_complete,
    check_lengths,
    encode_groups,
    encode_labels,
    list_few,
    resolve_classes,
)
from skblood._plotting import COLORS, draws, dress, import_pyplot, wrap
from skblood._typing import ArrayLike, Figure
from skblood._writing import printable
from skblood.pages import TextInNotebooks

# False alarms of all charts together: of as many batches, one in 370 (Shewhart's three sigma).
_ALARMS = 0.0027
# Mean of the range of two normal values, in standard deviations.
_D2 = 1.128
# Degrees of freedom of a mean moving range, for each of the ranges: they overlap.
_DF = 0.6
_MAX_LISTED, _MAX_TICKS = 12, 40


@dataclass(eq=False, repr=False)
class BatchChart(TextInNotebooks):
    """Shares of classes, mean confidence and distance of each batch, with control limits.

    Created by :func:`skblood.evaluation.batch_chart`; ``print`` lists the batches outside of the
    limits, and :meth:`plot` draws the charts.

    Parameters
    ----------
    frame : DataFrame
        A row for each chart and batch: the columns chart ("share of ..." a class, "mean
        confidence", "distance"), batch, n_cells, value, center, low, high and is_out.
    n_reference : int
        Number of batches from which center and limits were computed.

    Attributes
    ----------
    signals : DataFrame
        The rows of `frame` that are outside of the limits.

    See Also
    --------
    batch_chart : Makes it of predictions.

    Examples
    --------
    >>> from skblood.evaluation import batch_chart
    >>> days = [f"day {i}" for i in range(20) for _ in range(100)]
    >>> labels = (["neutrophil"] * 60 + ["lymphocyte"] * 40) * 19
    >>> labels += ["neutrophil"] * 20 + ["lymphocyte"] * 80
    >>> print(batch_chart(labels, days, reference=15))
    20 batches, 2,000 cells; limits from the first 15 batches
      share of lymphocyte: 0.40 to 0.80; center 0.40, widest limits 0.24 to 0.56
      share of neutrophil: 0.20 to 0.60; center 0.60, widest limits 0.44 to 0.76
    1 batch is out of control
      day 19: share of lymphocyte 0.80, not 0.24 to 0.56; share of neutrophil 0.20, not 0.44 to 0.76
    """

    frame: pd.DataFrame
    n_reference: int

    @property
    def signals(self) -> pd.DataFrame:
        """Rows outside of the limits."""
        return self.frame[self.frame["is_out"]]

    def __repr__(self) -> str:
        return (
            f"BatchChart(n_batches={self.frame['batch'].nunique()}, n_signals={len(self.signals)})"
        )

    def __str__(self) -> str:
        sizes = self.frame.groupby("batch", sort=False)["n_cells"].first()
        order = list(sizes.index)
        found = sorted(self.signals.groupby("batch"), key=lambda item: order.index(item[0]))
        lines = [
            f"{len(sizes):,} batches, {sizes.sum():,} cells; limits from the first "
            f"{self.n_reference:,} batches",
            f"{len(found):,} batch{' is' if len(found) == 1 else 'es are'} out of control",
        ]
        for chart, rows in self.frame.groupby("chart", sort=False):
            (center, *_), low, high = rows["center"], rows["low"].min(), rows["high"].max()
            values = f"{rows['value'].min():.2f} to {rows['value'].max():.2f}"
            limits = f"center {center:.2f}, widest limits {low:.2f} to {high:.2f}"
            lines.insert(-1, printable(f"  {chart}: {values}; {limits}", keep=""))
        for batch, rows in found[:_MAX_LISTED]:
            parts = [
                f"{row.chart} {row.value:.2f}, not {row.low:.2f} to {row.high:.2f}"
                for row in rows.itertuples()
            ]
            lines.append(printable(f"  {batch}: {'; '.join(parts)}", keep=""))
        return "\n".join(lines)

    @draws
    def plot(self, *, figure: Figure | None = None) -> Figure:
        """Draw a panel for each chart, one below the other.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        figure : matplotlib Figure or SubFigure

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        charts = list(self.frame.groupby("chart", sort=False))
        if figure is None:
            size = (8, 1.4 * len(charts) + 1)
            figure = import_pyplot("BatchChart.plot").figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(charts), sharex=True, squeeze=False)[:, 0]
        for ax, (chart, rows) in zip(axes, charts, strict=True):
            x, values, out = np.arange(len(rows)), rows["value"].to_numpy(), rows["is_out"]
            ax.fill_between(x, rows["low"], rows["high"], step="mid", color="0.9", label="limits")
            ax.plot(x, rows["center"], color="0.35", linewidth=1, label="center")
            ax.plot(x, values, "-o", color=COLORS[0], label="batch")
            ax.plot(x[out], values[out], "X", color=COLORS[1], markersize=9, label="out of control")
            ax.set_title(wrap(chart, 60), loc="left")
            dress(ax, "y")
        step = -(-len(rows) // _MAX_TICKS)
        names = rows["batch"].astype(str).map(lambda name: printable(name, keep=""))[::step]
        axes[-1].set_xticks(x[::step], names, rotation=90, fontsize=7, parse_math=False)
        axes[-1].set_xlabel("batch")
        axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1.25), ncols=4)
        return figure


def batch_chart(
    y_pred: ArrayLike,
    batches: ArrayLike,
    *,
    confidence: ArrayLike | None = None,
    distances: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    reference: int | None = None,
) -> BatchChart:
    """Follow predictions over batches, slides or days, to see when a stain or a camera drifts.

    Parameters
    ----------
    y_pred : array-like of shape (n_cells,)
        Predicted labels.
    batches : array-like of shape (n_cells,)
        Batch, slide or day of each cell; the order of their first cells is that of the chart.
    confidence : array-like of shape (n_cells,), default=None
        Probability of the predicted label, 0..1: ``predict_proba(X).max(axis=1)``. None leaves the
        chart of its mean out.
    distances : array-like of shape (n_batches,), default=None
        Distance of each batch from the training, in the order of the batches, such as
        :func:`skblood.uncertainty.training_distance`. None leaves the chart out.
    classes : array-like of shape (n_classes,), default=None
        Classes whose shares are followed. None takes those that occur.
    reference : int, default=None
        Number of batches, from the first, that are in order: center and limits are computed from
        them. At least two, better 20 (see Notes). None takes all batches.

    Returns
    -------
    chart : BatchChart

    Raises
    ------
    ValueError
        If lengths differ, entries are missing or not possible, there are fewer than two batches, or
        `reference` is not from 2 to their number.

    Warns
    -----
    UserWarning
        If all shares, or all confidences, are within the limits of a chart, which can then never
        alarm: there are too few cells in the batches, or too few batches in the reference.

    See Also
    --------
    skblood.uncertainty.check_batch : Check of one batch.
    skblood.uncertainty.laboratory_test : Test with known cells.

    Notes
    -----
    These are the control charts of Shewhart [1]_: p-charts of shares, a chart of means and one of
    single values. Blood differs between patients by more than chance, so that limits of a binomial
    distribution would be passed at every second slide. As by Laney [2]_, they are widened by the
    variation between consecutive batches of the reference (mean moving range), and never narrowed.
    A short reference tells this variation poorly, therefore limits are quantiles of Student's t:
    with 5 batches they are so wide that hardly a drift is found. Ends for shares are quantiles of
    the beta-binomial distribution, since normal ones fail for rare classes.

    The limits allow for the number of charts: all of them together aim at a false alarm in one
    batch of 370, as a chart of three standard deviations does. In simulations of slides of 100
    cells whose shares differ (Dirichlet distribution with the sum 40) it is one in 470 or fewer
    with 5 to 60 reference batches and four classes of 10 % or more, but one in 68 with 20 of them
    if three of seven classes have less than 5 %: slides on which a rare class is frequent are
    themselves rare in a reference.

    A share that leaves its limits may be a patient; confidence or distance that do are the stain,
    the camera or the frame.

    References
    ----------
    .. [1] Shewhart 1931: Economic control of quality of manufactured product.
    .. [2] Laney 2002: Improved control charts for attributes, Quality Engineering 14:531.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.evaluation import batch_chart
    >>> rng = np.random.default_rng(0)
    >>> days = np.repeat(np.arange(30), 50)
    >>> labels = rng.choice(["lymphocyte", "monocyte", "neutrophil"], 1500, p=[0.3, 0.1, 0.6])
    >>> confidence = rng.beta(20, 2, 1500)
    >>> confidence[days == 29] -= 0.1  # a pale stain
    >>> chart = batch_chart(labels, days, confidence=confidence, reference=20)
    >>> chart.signals.query("chart == 'mean confidence'")["batch"].tolist()
    [29]
    """
    labels = as_column(y_pred, "y_pred")
    names, codes = encode_groups(batches, len(labels), "batches")
    reference = len(names) if reference is None else reference
    if not 2 <= reference <= len(names):
        raise ValueError(
            f"`reference` must be from 2 to the number of batches, {len(names)}, not {reference}."
        )
    found = resolve_classes(None, y_pred=labels)
    followed = found if classes is None else resolve_classes(classes)
    predicted = encode_labels(labels, found, "y_pred")
    tail = _ALARMS / 2 / (len(followed) + (confidence is not None) + (distances is not None))
    n, charts = np.bincount(codes), {}
    if confidence is not None:
        confidence = _read_numbers(confidence, "confidence", 0, 1)
        check_lengths(y_pred=len(labels), confidence=len(confidence))
        charts["mean confidence"] = _follow_means(confidence, codes, n, reference, tail)
    if distances is not None:
        distances = _read_numbers(distances, "distances")
        check_lengths(batches=len(names), distances=len(distances))
        charts["distance"] = _follow_values(distances, reference, tail)
    for label in followed:
        is_class = predicted == found.index(label) if label in found else np.zeros(len(labels))
        counts = np.bincount(codes, is_class)
        charts[f"share of {label}"] = _follow_shares(counts, n, reference, tail)
    frames = [
        pd.DataFrame({"chart": chart, "batch": names, "n_cells": n}).assign(
            value=value, center=center, low=low, high=high
        )
        for chart, (value, center, low, high) in charts.items()
    ]
    frame = pd.concat(frames, ignore_index=True)
    _warn_of_blind_charts(frame[frame["chart"] != "distance"])
    # A value that equals its limit may differ from it by rounding.
    gap = np.maximum(frame["low"] - frame["value"], frame["value"] - frame["high"])
    return BatchChart(frame.assign(is_out=gap > 1e-12), reference)


def _warn_of_blind_charts(frame):
    """Warn of batches and charts whose limits contain all values that there can be."""
    blind = frame[(frame["low"] <= 0) & (frame["high"] >= 1)]
    if len(blind):
        charts, batches = list_few([*blind["chart"].unique()], most=3), blind["batch"].nunique()
        warnings.warn(
            f"{batches} of {frame['batch'].nunique()} batches, of {blind['n_cells'].min()} to "
            f"{blind['n_cells'].max()} cells, can never be out of control ({charts}): their limits "
            "contain all values. Join batches, or give more `reference` batches: better 20, of 100 "
            "cells.",
            stacklevel=3,
        )


def _read_numbers(values, name, low=-np.inf, high=np.inf):
    """Return finite numbers; one that is missing would switch off its chart."""
    column = as_column(values, name)
    check_complete(column, name, "Leave out the cells or batches of which nothing is known.")
    column = column.astype(float)
    if wrong := int((~np.isfinite(column) | (column < low) | (column > high)).sum()):
        allowed = f" from {low} to {high}" if high < np.inf else ""
        raise ValueError(f"`{name}` must be finite numbers{allowed}; {wrong} entries are not.")
    return column


def _spread(values, reference, tail):
    """Return the standard deviation between batches of the reference, and the factor of a limit.

    The factor is a quantile of Student's t, since few batches tell a standard deviation poorly.
    """
    ranges = np.abs(np.diff(values[:reference]))
    return ranges.mean() / _D2, t.isf(tail, _DF * len(ranges))


def _widening(z, reference, tail):
    """Return the limits from the variation between batches, in those expected by chance."""
    spread, factor = _spread(z, reference, tail)
    return max(1.0, spread * factor / norm.isf(tail))


def _follow_shares(counts, n, reference, tail):
    """Return the share of a class in each batch, the center, and the limits."""
    n_known = n[:reference].sum()
    # A class that did not occur is not impossible.
    center = (counts[:reference].sum() + 0.5) / (n_known + 1)
    z = (counts / n - center) / np.sqrt(center * (1 - center) / n)
    effect = _widening(z, reference, tail) ** 2 * (1 + n / n_known)
    alike = np.clip((effect - 1) / np.maximum(n - 1, 1), 1e-9, 1 - 1e-9)
    sizes = 1 / alike - 1  # sums of the parameters of beta distributions
    ends = [_count_limits(*each, center, tail) for each in zip(n, sizes, strict=True)]
    low, high = np.transpose(ends) / n
    return counts / n, center, low, high


def _count_limits(n, size, center, tail):
    """Return both quantiles of a beta-binomial count of `n` cells."""
    shares = betabinom.pmf(np.arange(n + 1), n, size * center, size * (1 - center))
    return np.searchsorted(np.cumsum(shares), [tail, 1 - tail]).clip(max=n)


def _follow_means(values, codes, n, reference, tail):
    known, means = codes < reference, np.bincount(codes, values) / n
    center = values[known].mean()
    errors = np.sqrt(((values - means[codes])[known] ** 2).mean() / n)
    wider = _widening((means - center) / np.maximum(errors, 1e-12), reference, tail)
    margin = norm.isf(tail) * wider * errors * np.sqrt(1 + n / known.sum())
    return means, center, center - margin, center + margin


def _follow_values(values, reference, tail):
    center, (spread, factor) = values[:reference].mean(), _spread(values, reference, tail)
    margin = factor * spread * np.sqrt(1 + 1 / reference)
    return values, center, center - margin, center + margin
