"""A differential count as a picture."""

import textwrap

import numpy as np

from skblood.evaluation._plotting import import_pyplot

_NAME_WIDTH = 16  # characters in a line of a class's name
_GAP = 0.16  # inches between classes
# Of more slides no legend says which is which: they follow each other from top to bottom.
_MAX_IN_LEGEND = 6
_LINE, _LINE_OF_MANY = 0.16, 0.05  # inches: a slide within a class
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
_MARKERS = "osD^vP"


def plot_shares(count, ax=None):
    """Draw a line for each slide in each class; see `DifferentialCount.plot`."""
    plt = import_pyplot("DifferentialCount.plot")
    n_slides, n_classes = count.shares.shape
    told_apart = n_slides <= _MAX_IN_LEGEND
    line = _LINE if told_apart else _LINE_OF_MANY
    row = n_slides * line + _GAP
    if ax is None:
        _, ax = plt.subplots(figsize=(7, n_classes * row + 1.1), layout="constrained")
    step, positions = line / row, np.arange(n_classes)
    for i, group in enumerate(count.groups):
        shares = 100 * count.shares[i]
        ends = np.abs(100 * np.stack([count.low[i], count.high[i]]) - shares)
        rejected = f", {count.n_rejected[i]:,} rejected" if count.n_rejected[i] else ""
        ax.errorbar(
            shares,
            positions + (i - (n_slides - 1) / 2) * step,
            xerr=ends,
            fmt=_MARKERS[i] if told_apart else "o",
            color=_COLOURS[i] if told_apart else _COLOURS[0],
            markersize=4 if told_apart else 2.5,
            linewidth=1.2 if told_apart else 0.8,
            label=f"{group} ({count.n_cells[i]:,} cells{rejected})",
        )
    names = [textwrap.fill(str(label), _NAME_WIDTH) for label in count.classes]
    ax.set_yticks(positions, names)
    ax.tick_params(axis="y", length=0)
    ax.hlines(positions[1:] - 0.5, 0, 100, color="0.85", linewidth=0.8, zorder=0)
    # The first class and the first slide are on top.
    end = min(100, 105 * np.nanmax(count.high, initial=0.01))
    ax.set(ylim=(n_classes - 0.5, -0.5), xlim=(-0.01 * end, end))
    corrected = ", corrected for known confusions" if count.corrected else ""
    ax.set_xlabel(f"% of the cells, {100 * count.confidence_level:.4g}% intervals{corrected}")
    ax.spines[["top", "right"]].set_visible(False)
    if told_apart:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=8)
    return ax
