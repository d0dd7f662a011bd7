"""Figures of differential counts and of their comparison."""

import numpy as np

from skblood._plotting import (
    COLORS,
    MARKERS,
    REFERENCE,
    add_legend,
    dress,
    import_pyplot,
    make_rows,
    wrap,
)
from skblood.evaluation._agreement import count_limits

_NAME_WIDTH = 24  # characters in a line of a class name
_MANY = 6  # slides above which they are drawn narrower
_MAX_IN_LEGEND = len(COLORS) * len(MARKERS)  # slides that look different

_COLUMNS = 3  # panels in a row
_PANEL, _TITLE = 2.9, 0.4  # inches: side of a panel, what its title and labels need above that
_LABEL_WIDTH = 34  # characters in a line of an axis label of a panel
_POINTS = {"s": 20, "color": COLORS[0], "edgecolor": "white", "linewidth": 0.5, "zorder": 3}
_LINE = COLORS[1]


def plot_shares(count, ax=None):
    """Draw the shares and intervals of each slide; see `DifferentialCount.plot`."""
    count, of_white = (white, "white ") if (white := count.white).classes else (count, "")
    n_slides, n_classes = count.shares.shape
    few = n_slides <= _MANY
    line = 0.16 if few else 0.05  # inches of a slide
    ax, row = make_rows(ax, count.classes, "class", n_slides * line)
    positions, counted = np.arange(n_classes), count.as_counted
    margins = 100 * np.abs(np.stack([count.low, count.high], axis=1) - count.shares[:, None])
    for i, group in enumerate(count.groups):
        place, turn = i % len(COLORS), i // len(COLORS)
        heights = positions + (i - (n_slides - 1) / 2) * line / row
        rejected = f", {count.n_rejected[i]:,} rejected" if count.n_rejected[i] else ""
        cells = f" ({count.n_cells[i]:,} {of_white}cells{rejected})" if few else ""
        label, marker = f"{wrap(group, 40)}{cells}", MARKERS[(i + turn) % len(MARKERS)]
        style = {"fmt": marker, "color": COLORS[place], "markersize": 4 if few else 3}
        x = 100 * count.shares[i]
        ax.errorbar(x, heights, xerr=margins[i], linewidth=1, label=label, **style)
        if count.corrected:
            ax.plot(100 * counted.shares[i], heights, "x", color="0.2", markersize=4, zorder=3)
    ax.hlines(positions[1:] - 0.5, 0, 100, color="0.85", linewidth=0.8, zorder=0)
    end = min(100, 105 * np.nanmax(count.high, initial=0.01))
    ax.set_xlim(-0.01 * end, end)
    corrected = ", corrected for known confusions (x: as counted)" if count.corrected else ""
    level = f"{100 * count.confidence_level:.4g}% intervals"
    ax.set_xlabel(wrap(f"share of the {of_white}cells of a slide (%), {level}{corrected}", 70))
    if n_slides <= _MAX_IN_LEGEND:
        add_legend(ax)
    return ax


def plot_comparison(comparison, kind):
    """Draw a panel for each class; see `DifferentialComparison.plot`."""
    plt, classes, handles = import_pyplot("DifferentialComparison.plot"), comparison.classes, {}
    n_columns = min(len(classes), _COLUMNS)
    n_rows = -(-len(classes) // n_columns)
    size = (n_columns * _PANEL, n_rows * (_PANEL + _TITLE) + 0.5)
    figure = plt.figure(figsize=size, layout="constrained")
    for i, label in enumerate(classes):
        ax = figure.add_subplot(n_rows, n_columns, i + 1)
        ax.set_title(wrap(label, _NAME_WIDTH, max_lines=2), fontsize=9)
        ax.tick_params(labelsize=8)
        dress(ax)
        x, y = (100 * count.shares[:, i] for count in (comparison.a, comparison.b))
        PANELS[kind](ax, comparison, i, x, y)
        handles |= {artist.get_label(): artist for artist in ax.get_legend_handles_labels()[0]}
    where = {"loc": "outside lower center", "ncols": min(len(handles), 2 * len(classes), 6)}
    figure.legend(handles=list(handles.values()), **where)
    return figure


def _draw_regression(ax, comparison, i, a, b):
    name_a, name_b = comparison.names
    end = max(1.08 * max(a.max(), b.max()), 1)
    x = np.linspace(0, end, 200)
    limits = count_limits(np.minimum(x / 100, 1), np.median(comparison.a.n_cells))
    gray = {"color": "0.5", "alpha": 0.25, "linewidth": 0}
    ax.fill_between(
        x, *(100 * np.stack(limits)), **gray, label=f"95% limits of the count of {name_a}"
    )
    ax.plot(x, x, label="identity", **REFERENCE)
    slope, intercept = comparison.slope[i], comparison.intercept[i]
    if np.isfinite(slope.value):
        ax.plot(x, 100 * intercept.value + slope.value * x, color=_LINE, label="regression")
        ax.set_title(f"{ax.get_title()}\nslope {slope.value:.2f}")
    if np.isfinite([*slope, *intercept]).all():
        flat, steep = 100 * intercept.high + slope.low * x, 100 * intercept.low + slope.high * x
        ax.fill_between(x, flat, steep, color=_LINE, alpha=0.2, linewidth=0, label="its band")
    ax.scatter(a, b, label="slides", **_POINTS)
    span = (-0.03 * end, end)
    ax.set(xlim=span, ylim=span, box_aspect=1)
    ax.locator_params(nbins=5, steps=[1, 2, 5, 10])  # the same on both axes
    ax.set_xlabel(wrap(f"{name_a} (% of cells)", _LABEL_WIDTH))
    ax.set_ylabel(wrap(f"{name_b} (% of cells)", _LABEL_WIDTH))


def _draw_bland_altman(ax, comparison, i, a, b):
    name_a, name_b = comparison.names
    ax.axhline(0, label="no difference", **REFERENCE)
    for estimates, style, label in (
        (comparison.bias, "-", "bias"),
        (comparison.lower_limit, ":", "limits of agreement"),
        (comparison.upper_limit, ":", None),
    ):
        value, low, high = 100 * np.array(estimates[i])
        ax.axhline(value, color=_LINE, linestyle=style, label=label)
        ax.axhspan(low, high, color=_LINE, alpha=0.15, linewidth=0, label="intervals of both")
    ax.scatter((a + b) / 2, b - a, label="slides", **_POINTS)
    ax.set_xlabel(wrap(f"mean of {name_a} and {name_b} (%)", _LABEL_WIDTH))
    ax.set_ylabel(wrap(f"{name_b} - {name_a} (% points)", _LABEL_WIDTH))


PANELS = {"regression": _draw_regression, "bland-altman": _draw_bland_altman}
