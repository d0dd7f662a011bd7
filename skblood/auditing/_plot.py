"""Pairs of images, side by side."""

from skblood.evaluation._cells import read_cells, show_cell
from skblood.evaluation._plotting import import_pyplot

# Pairs beside one another.
_COLUMNS = 4


def plot_pairs(X, pairs, caption, figure=None):
    """Draw pairs, `_COLUMNS` in a row, and return the figure.

    Parameters
    ----------
    X : images
    pairs : list of (int, int)
        Positions in X.
    caption : callable
        Maps a position to the text above the image.
    figure : matplotlib Figure or SubFigure, default=None
    """
    plt = import_pyplot("AuditReport.plot")
    n_columns = min(len(pairs), _COLUMNS)
    n_rows = -(-len(pairs) // n_columns)
    if figure is None:
        figure = plt.figure(figsize=(3.6 * n_columns, 2.3 * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, 2 * n_columns, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    positions = [position for pair in pairs for position in pair]
    for ax, position, image in zip(axes, positions, read_cells(X, positions), strict=False):
        show_cell(ax, image)
        ax.set_title(caption(position), fontsize=7)
    return figure
