"""Figure of a confusion matrix."""

from typing import NamedTuple

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay

from skblood._plotting import make_axes, text_color, wrap

_NAME_WIDTH = 22  # characters in a line of a class name
_CELL, _CHARACTER = 0.62, 0.062  # inches: a cell, a character of a name
_SMALL_CELL = 30  # points; in smaller ones percents are whole


class Confusion(NamedTuple):
    """Number of images of one class predicted as another, and their share of the true class."""

    true: object
    predicted: object
    count: int
    share: float


def list_confusions(classes, confusion_matrix):
    """Return the confusions that occur, the most frequent first."""
    found = [
        Confusion(true, predicted, int(count), float(count / row.sum()))
        for true, row in zip(classes, confusion_matrix, strict=True)
        for predicted, count in zip(classes, row, strict=True)
        if count and predicted != true
    ]
    return sorted(found, key=lambda each: (-each.count, -each.share))


def plot_confusion(report, ax=None):
    """Draw counts and their shares of the true class; see `EvaluationReport.plot`."""
    counts = report.confusion_matrix
    shares = counts / np.maximum(report.support[:, None], 1)
    names = [wrap(label, _NAME_WIDTH) for label in report.classes]
    side = len(names) * _CELL
    longest = max(len(line) for name in names for line in name.split("\n"))
    edge = 0.7 + _CHARACTER * longest
    ax = make_axes(ax, (side + edge, side + edge + 0.3))
    display = ConfusionMatrixDisplay(shares, display_labels=names).plot(
        ax=ax, cmap="Blues", xticks_rotation=90, im_kw={"vmin": 0, "vmax": 1}, colorbar=False
    )
    # On given axes the cells may be small.
    extent = ax.get_window_extent()
    cell = min(extent.width, extent.height) * 72 / ax.figure.dpi / len(names)
    size, digits = float(np.clip(cell / 4, 4, 8)), 1 if cell > _SMALL_CELL else 0
    for text, count, share in zip(display.text_.flat, counts.flat, shares.flat, strict=True):
        color = text_color(display.im_.cmap(display.im_.norm(share)))
        text.set(text=f"{count:,}\n{share:.{digits}%}" if count else "", size=size, color=color)
    edges = np.arange(len(names) - 1) + 0.5
    ax.set_xticks(edges, minor=True)
    ax.set_yticks(edges, minor=True)
    ax.tick_params(which="both", length=0)
    ax.grid(which="minor", color="0.8", linewidth=0.8)
    ax.set_title(
        f"accuracy {report.scores['accuracy']}\n{report.n_images:,} images, % of the true class",
        fontsize=9,
    )
    ax.set(xlabel="predicted class", ylabel="true class")
    return display
