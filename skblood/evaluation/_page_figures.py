"""Figures of the page of an evaluation: calibration, and accuracy against coverage."""

import numpy as np

from skblood._plotting import COLORS, REFERENCE, add_legend, count_axis, dress
from skblood.evaluation._intervals import wilson_interval
from skblood.pages import figure_image
from skblood.uncertainty import AccuracyCoverageDisplay

_SIZE = 5, 3.9  # inches
_N_BINS = 10


def draw_calibration(probability, correct, confidence_level):
    """Draw the accuracy of images of similar probability, and how many there are.

    Parameters
    ----------
    probability : ndarray of shape (n,)
        Of the predicted class.
    correct : ndarray of bool of shape (n,)
    confidence_level : float

    Returns
    -------
    source : Markup
        Value of ``src``.
    """
    bins = np.minimum((probability * _N_BINS).astype(int), _N_BINS - 1)
    n, hits, sums = (
        np.bincount(bins, weights, _N_BINS) for weights in (None, correct, probability)
    )
    used = n > 0
    mean, share = sums[used] / n[used], hits[used] / n[used]
    low, high = wilson_interval(hits[used], n[used], confidence_level)
    figure = _new_figure()
    ax, below = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    ax.plot([0, 1], [0, 1], **REFERENCE, label="accuracy = probability")
    errors = [share - low, high - share]
    ax.errorbar(mean, share, errors, fmt="o-", color=COLORS[0], capsize=3, label="observed")
    ax.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
    add_legend(ax)
    below.bar((np.arange(_N_BINS) + 0.5) / _N_BINS, n, 0.9 / _N_BINS, color=COLORS[0])
    below.set(ylabel="images", xlabel="probability of the predicted class")
    count_axis(below.yaxis)
    dress(ax)
    dress(below, "y")
    return figure_image(figure)


def draw_coverage(true, predicted, probability):
    """Draw the accuracy on the surest images against their share; see `draw_calibration`."""
    figure = _new_figure()
    ax = figure.subplots()
    AccuracyCoverageDisplay.from_predictions(true, predicted, probability, ax=ax)
    return figure_image(figure)


def _new_figure():
    from matplotlib.figure import Figure

    return Figure(figsize=_SIZE, layout="constrained")  # which nobody has to close
