"""Number of images of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from skblood._labels import count_labels, encode_groups
from skblood._plotting import COLORS, HATCHES, add_legend, count_axis, draws, make_rows, wrap
from skblood._typing import ArrayLike, Axes, Ints

_BAR = 0.17  # inches


class ClassDistributionDisplay:
    """Bar plot of the number of images of each class, in total or by split.

    Each bar is labeled with its count and share. Use :meth:`from_labels` to create a display.

    Parameters
    ----------
    counts : ndarray of int of shape (n_classes, n_splits)
        Numbers of images; one column without splits.
    classes : array-like of shape (n_classes,)
        Class labels.
    splits : array-like of str of shape (n_splits,), default=None
        Names of the splits.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure, after :meth:`plot`.
    ax_ : matplotlib Axes
        Axes with the bars.

    See Also
    --------
    CellSampleDisplay : Cells of each class.

    Examples
    --------
    >>> from skblood.evaluation import ClassDistributionDisplay
    >>> y = ["monocyte", "platelet", "platelet", "monocyte", "platelet"]
    >>> split = ["train", "train", "train", "test", "test"]
    >>> display = ClassDistributionDisplay.from_labels(y, split=split)
    >>> display.classes.tolist(), display.splits.tolist()
    (['monocyte', 'platelet'], ['train', 'test'])
    >>> display.counts
    array([[1, 1],
           [2, 1]])
    """

    def __init__(
        self, counts: Ints, classes: Sequence[Any], splits: Sequence[str] | None = None
    ) -> None:
        self.counts = counts
        self.classes = classes
        self.splits = splits

    @classmethod
    def from_labels(
        cls, y: ArrayLike, *, split: ArrayLike | None = None, ax: Axes | None = None
    ) -> Self:
        """Count labels and draw the counts.

        Parameters
        ----------
        y : array-like of shape (n_images,)
            Labels.
        split : array-like of str of shape (n_images,), default=None
            Split of each image, such as "train" or "test". Each split gets a bar in each class, in
            the order of first appearance; shares are those within the split.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure whose height depends on the number of classes.

        Returns
        -------
        display : ClassDistributionDisplay
            The display, plotted.

        Raises
        ------
        TypeError
            If labels of different types cannot be sorted.
        ValueError
            If `y` is empty, labels or splits are missing, or the lengths differ.
        """
        classes, codes, counts = count_labels(y)
        if split is None:
            return cls(counts[:, None], classes).plot(ax=ax)
        splits, places = encode_groups(split, len(codes), "split")
        counts = pd.crosstab(codes, places).to_numpy()
        return cls(counts, classes, np.array(splits)).plot(ax=ax)

    @draws
    def plot(self, *, ax: Axes | None = None) -> Self:
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure whose height depends on the number of classes.

        Returns
        -------
        display : ClassDistributionDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        n_classes, n_splits = self.counts.shape
        ax, _ = make_rows(ax, self.classes, "class", n_splits * _BAR)
        self.ax_, self.figure_ = ax, ax.figure

        positions, height = np.arange(n_classes), 0.8 / n_splits
        totals = self.counts.sum(axis=0)
        for i, (counts, total) in enumerate(zip(self.counts.T, totals, strict=True)):
            label = "" if self.splits is None else f"{wrap(self.splits[i], 40)} ({total:,})"
            where = positions + (i - (n_splits - 1) / 2) * height
            style = {"color": COLORS[i % 4], "hatch": HATCHES[i % 4], "edgecolor": "white"}
            bars = ax.barh(where, counts, 0.92 * height, label=label, linewidth=0, **style)
            texts = [f"{count:,} ({count / total:.1%})" for count in counts]
            ax.bar_label(bars, texts, padding=3, fontsize=8)
        ax.set_xlim(0, 1.25 * self.counts.max())  # the longest bar leaves room for its label
        share = "share of all" if self.splits is None else "share of the split"
        ax.set_xlabel(f"number of images ({share}), {totals.sum():,} in all")
        count_axis(ax.xaxis)
        if self.splits is not None:
            add_legend(ax)
        return self
