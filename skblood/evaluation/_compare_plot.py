"""The comparison of two differential counts as pictures."""

import numpy as np

from skblood.evaluation._agreement import count_limits
from skblood.evaluation._plotting import import_pyplot

_COLUMNS, _PANEL = 3, 2.9  # panels in a row, and the inches of a side
_POINTS = {"s": 14, "color": "#0072b2", "alpha": 0.7, "linewidth": 0, "zorder": 3}
_LINE, _LIMITS = "#d55e00", "0.88"


def plot_regression(comparison):
    """Draw the shares of b over those of a; see `DifferentialComparison.plot`."""
    figure, panels = _make_panels(comparison)
    n_cells = np.median(comparison.a.n_cells)
    for i, (ax, a, b) in enumerate(panels):
        end = max(1.08 * max(a.max(), b.max()), 1)
        x = np.linspace(0, end, 200)
        limits = 100 * np.stack(count_limits(np.minimum(x / 100, 1), n_cells))
        ax.fill_between(x, *limits, color=_LIMITS, label="95% limits of a's count")
        ax.plot(x, x, color="0.4", linestyle="--", linewidth=1, label="identity")
        slope, intercept = comparison.lines[i]
        if np.isfinite(slope.value):
            _draw_line(ax, x, slope, intercept)
            ax.set_title(f"{ax.get_title()}\nslope {slope.value:.2f}", fontsize=9)
        ax.scatter(a, b, label="slides", **_POINTS)
        span = (-0.03 * end, end)
        ax.set(xlim=span, ylim=span, xlabel="a, %", ylabel="b, %", aspect="equal")
    _add_legend(figure, panels)
    return figure


def _draw_line(ax, x, slope, intercept):
    """Draw a line with its band: that between the steepest and the flattest it may be."""
    ax.plot(x, 100 * intercept.value + slope.value * x, color=_LINE, label="regression")
    ends = [slope.low, slope.high, intercept.low, intercept.high]
    if np.isfinite(ends).all():
        flat, steep = 100 * intercept.high + slope.low * x, 100 * intercept.low + slope.high * x
        ax.fill_between(x, flat, steep, color=_LINE, alpha=0.2, linewidth=0, label="its band")


def plot_bland_altman(comparison):
    """Draw differences over means; see `DifferentialComparison.plot`."""
    figure, panels = _make_panels(comparison)
    for i, (ax, a, b) in enumerate(panels):
        bias, lower, upper = comparison.agreement[i]
        ax.axhline(0, color="0.4", linestyle="--", linewidth=1, label="no difference")
        lines = {"bias": (bias, "-"), "limits of agreement": (lower, ":"), "": (upper, ":")}
        for name, (estimate, style) in lines.items():
            label = {"label": name} if name else {}
            ax.axhspan(
                100 * estimate.low, 100 * estimate.high, color=_LINE, alpha=0.15, linewidth=0
            )
            ax.axhline(100 * estimate.value, color=_LINE, linestyle=style, **label)
        ax.scatter((a + b) / 2, b - a, label="slides", **_POINTS)
        ax.set(xlabel="mean of a and b, %", ylabel="b - a, % points")
    _add_legend(figure, panels)
    return figure


def _make_panels(comparison):
    """Return a figure, and for each class its axes and the two shares in percent."""
    plt = import_pyplot("DifferentialComparison.plot")
    a, b = 100 * comparison.a.shares, 100 * comparison.b.shares
    n_classes = a.shape[1]
    n_columns = min(n_classes, _COLUMNS)
    n_rows = -(-n_classes // n_columns)
    size = (n_columns * _PANEL, n_rows * _PANEL + 0.5)
    figure, axes = plt.subplots(n_rows, n_columns, figsize=size, squeeze=False)
    figure.set_layout_engine("constrained")
    for ax in axes.flat[n_classes:]:
        ax.remove()
    for ax, label in zip(axes.flat, comparison.a.classes, strict=False):
        ax.set_title(str(label), fontsize=9)
        ax.spines[["top", "right"]].set_visible(False)
    return figure, list(zip(axes.flat[:n_classes], a.T, b.T, strict=True))


def _add_legend(figure, panels):
    handles = {}
    for ax, *_ in panels:
        handles |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(), handles, loc="outside lower center", ncols=len(handles), fontsize=8
    )
