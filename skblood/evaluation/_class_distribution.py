"""How many images each class has."""

import textwrap
from itertools import cycle

import numpy as np

from skblood.evaluation._labels import check_lengths, count_labels
from skblood.evaluation._plotting import import_pyplot

# The hatches tell the splits apart where the colours do not.
_STYLES = (
    {"color": "#0072b2"},
    {"color": "#e69f00", "hatch": "///"},
    {"color": "#009e73", "hatch": "..."},
    {"color": "#cc79a7", "hatch": "xxx"},
)
_NAME_WIDTH = 28  # characters in a line of a class's name
_BAR, _LINE, _GAP = 0.17, 0.15, 0.1  # inches: a bar, a line of a name, what lies between classes


class ClassDistributionDisplay:
    """Images of each class, in all or in each split.

    Each bar has its count and its share written beside it. Use :meth:`from_labels` to make one.

    Parameters
    ----------
    counts : ndarray of int of shape (n_classes, n_splits)
        Numbers of images; one column where there are no splits.
    classes : array-like of shape (n_classes,)
        The labels.
    splits : array-like of str of shape (n_splits,), default=None
        Names of the splits.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure, after :meth:`plot`.
    ax_ : matplotlib Axes
        The axes with the bars.

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

    def __init__(self, counts, classes, splits=None):
        self.counts = counts
        self.classes = classes
        self.splits = splits

    @classmethod
    def from_labels(cls, y, *, split=None, ax=None):
        """Count labels and draw the counts.

        Parameters
        ----------
        y : array-like of shape (n_images,)
            Labels.
        split : array-like of str of shape (n_images,), default=None
            The split that each image is in, such as "train" or "test". Each gets a bar in each
            class, in the order in which they first appear; shares are then those in the split.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, as high as the classes need.

        Returns
        -------
        display : ClassDistributionDisplay
            The display, plotted.

        Raises
        ------
        ValueError
            If `y` is empty or holds labels that cannot be sorted, such as None among str, or the
            lengths differ.
        """
        classes, codes, counts = count_labels(y)
        if split is None:
            return cls(counts[:, None], classes).plot(ax=ax)
        split = np.ravel(split)
        check_lengths(y=len(codes), split=len(split))
        splits = np.array(list(dict.fromkeys(split.tolist())))
        counts = [np.bincount(codes[split == name], minlength=len(classes)) for name in splits]
        return cls(np.stack(counts, axis=1), classes, splits).plot(ax=ax)

    def plot(self, *, ax=None):
        """Draw the bars.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, as high as the classes need.

        Returns
        -------
        display : ClassDistributionDisplay
            This display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot("ClassDistributionDisplay")
        n_classes, n_splits = self.counts.shape
        names = [textwrap.fill(str(name), _NAME_WIDTH) for name in self.classes]
        if ax is None:
            n_lines = 1 + max(name.count("\n") for name in names)
            row = max(n_splits * _BAR, n_lines * _LINE) + _GAP
            size = (7, n_classes * row + 0.8)
            _, ax = plt.subplots(figsize=size, layout="constrained")
        self.ax_, self.figure_ = ax, ax.figure

        positions, height = np.arange(n_classes), 0.8 / n_splits
        totals = self.counts.sum(axis=0)
        for i, (counts, total, style) in enumerate(
            zip(self.counts.T, totals, cycle(_STYLES), strict=False)
        ):
            where = positions + (i - (n_splits - 1) / 2) * height
            label = "" if self.splits is None else f"{self.splits[i]} ({total:,})"
            bars = ax.barh(
                where, counts, 0.92 * height, label=label, edgecolor="white", linewidth=0, **style
            )
            texts = [f"{count:,} ({count / total:.1%})" for count in counts]
            ax.bar_label(bars, texts, padding=3, fontsize=8)
        ax.set_yticks(positions, names)
        # The first class is on top; the largest bar leaves room for its text.
        ax.set(ylim=(n_classes - 0.5, -0.5), xlim=(0, 1.25 * self.counts.max()))
        ax.set_xlabel(f"images ({totals.sum():,})")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.xaxis.set_major_formatter("{x:,.0f}")
        ax.spines[["top", "right"]].set_visible(False)
        if self.splits is not None:
            ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=n_splits, frameon=False)
        return self
