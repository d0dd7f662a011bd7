"""matplotlib, an optional dependency; the style of all figures; cell images on an axes."""

from __future__ import annotations

import functools
import math
import re
import textwrap
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np

from skblood._sklearn import safe_indexing

P = ParamSpec("P")
R = TypeVar("R")

# Okabe and Ito's colors, those with most contrast to white first. Lines also differ in their
# markers and dashes, bars in their hatches, so that no meaning lies in color alone.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
MARKERS = "osD^vP"
DASHES = ("-", "--", "-.", ":")
HATCHES = ("", "///", "...", "xxx")
REFERENCE = {
    "color": "0.4",
    "linestyle": "--",
    "linewidth": 1,
}  # identity, best epoch, no difference
# Texts on white in these colors have a contrast of at least 4.5 to 1.
RIGHT, WRONG = "#0072b2", "#b34700"

# Sizes in points. Colors of texts and background are left to the user's theme.
STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "axes.grid": False,  # but where `dress` draws one
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
    "hatch.linewidth": 1,
    "text.parse_math": True,  # which `wrap` relies on
    "text.usetex": False,
}
_GRID = {"color": "0.5", "alpha": 0.25, "linewidth": 0.8, "linestyle": "-"}
# Widths in font sizes: a mean character, and the handle and the gap of an entry of a legend.
_CHARACTER, _HANDLE = 0.55, 4.3
# Characters in a line of a name of a row; inches of such a line, and between rows.
_ROW_NAME, _LINE, _GAP = 28, 0.15, 0.15


def draws(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate a method that draws: it needs matplotlib, and draws in the style of the package."""

    @functools.wraps(method)
    def draw(*args: P.args, **options: P.kwargs) -> R:
        with import_pyplot(method.__qualname__).rc_context(STYLE):
            return method(*args, **options)

    return draw


def import_pyplot(what):
    """Return `matplotlib.pyplot`, or raise an ImportError that says how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{what} needs matplotlib, which is not installed. Run: pip install skblood[plot]"
        ) from error
    return plt


def make_axes(ax, size):
    """Return the axes to draw on: those given, or new ones of a size in inches."""
    if ax is not None:
        return ax
    return import_pyplot("A figure").subplots(figsize=size, layout="constrained")[1]


def make_rows(ax, labels, ylabel, least=0.0):
    """Return axes with a named row for each label, the first on top, and the height of a row.

    Parameters
    ----------
    ax : Axes or None
        None creates a figure whose height depends on the number of rows.
    labels : sequence
    ylabel : str
    least : float, default=0.0
        Height of what a row holds, in inches. Names of several lines may need more.

    Returns
    -------
    ax : Axes
    row : float
        In inches, if `ax` was None.
    """
    names = [wrap(label, _ROW_NAME) for label in labels]
    row = max(least, _LINE * (1 + max(name.count("\n") for name in names))) + _GAP
    ax = make_axes(ax, (7, len(names) * row + 1))
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", length=0)
    ax.set(ylim=(len(names) - 0.5, -0.5), ylabel=ylabel)
    dress(ax, grid="x")
    return ax, row


def dress(ax, grid="both"):
    """Draw a light grid behind the data, and no frame where there is no scale."""
    ax.set_axisbelow(True)
    ax.grid(axis=grid, **_GRID)
    ax.spines[["top", "right"]].set_visible(False)


def count_axis(axis):
    """Have ticks at integers only, with thousands separated."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(
        MaxNLocator(nbins="auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    )
    axis.set_major_formatter("{x:,.0f}")


def add_legend(ax, title=""):
    """Add a legend above the axes, in as many columns as fit, and a title above the legend."""
    size = STYLE["legend.fontsize"]
    labels = ax.get_legend_handles_labels()[1]
    if not labels:
        return
    widths = [_HANDLE + _CHARACTER * max(map(len, label.split("\n"))) for label in labels]
    width = ax.get_window_extent().width * 72 / ax.figure.dpi / size
    n_columns = len(labels) if sum(widths) <= width else max(1, int(width / max(widths)))
    where = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.3}
    ax.legend(**where, ncols=n_columns, columnspacing=1.5, fontsize=size, frameon=False)
    n_lines = math.ceil(len(labels) / n_columns) * max(1 + label.count("\n") for label in labels)
    if title:
        ax.set_title(title, pad=size * (1.6 * n_lines + 1))


def wrap(name, width, max_lines=4):
    """Return a name in lines that end after spaces, "_", "/" or "-"; also "$" is shown as it is."""
    lines = [""]
    for part in re.findall(r".+?(?:[\s_/-]+|$)", " ".join(str(name).split())):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    lines = [piece for line in lines for piece in textwrap.wrap(line, width) or [""]]
    if len(lines) > max_lines:
        lines = [*lines[: max_lines - 1], lines[max_lines - 1][: width - 1] + "…"]
    return "\n".join(lines).replace("$", r"\$")


def text_color(background):
    """Return black or white, whichever has more contrast (at least 4.58 to 1) to a color."""
    from matplotlib.colors import to_rgb

    rgb = np.array(to_rgb(background))
    # Relative luminance and contrast of the W3C's guidelines, WCAG 2.
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    return "black" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "white"


def read_some(X, positions):
    """Return the images at some positions as a list of uint8 arrays; no others are read."""
    from skblood.images import CellImages, is_table, read_images, unflatten_rows

    if isinstance(X, CellImages):
        return list(X.pixels[positions])
    # One by one, since images of different sizes do not make one array.
    read = (lambda x: unflatten_rows(np.asarray(x))) if is_table(X) else read_images
    return [read(safe_indexing(X, [position]))[0] for position in positions]


def show_cell(ax, image, **options):
    """Draw an image (height, width, channels) with `ax.imshow`, gray if it has one channel."""
    gray = image.shape[-1] == 1
    pixels = image[..., 0] if gray else image
    ax.imshow(pixels, cmap="gray" if gray else None, vmin=0, vmax=255, **options)
