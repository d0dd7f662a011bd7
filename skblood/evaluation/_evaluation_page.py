"""What the HTML page of an evaluation shows."""

import os
import re
from datetime import datetime
from importlib.metadata import version

import numpy as np
from markdown_it import MarkdownIt
from markupsafe import Markup

from skblood._plotting import COLORS, REFERENCE, add_legend, count_axis, dress, read_some
from skblood.evaluation._estimates import Estimate
from skblood.evaluation._intervals import wilson_interval
from skblood.evaluation._report_text import describe_absent, describe_confusions, summarize
from skblood.pages import figure_image, thumbnail
from skblood.uncertainty import AccuracyCoverageDisplay, accuracy_coverage_curve

_N_CONFUSIONS = 8
_MOST_GROUPS = 30
_COVERAGES = (1, 0.95, 0.9, 0.8, 0.7)
# Height and width of a picture in pixels, for screens of two pixels a point.
_SIDE = 192
_FIGURE = 5, 3.9  # inches
_N_BINS = 10


def summary_context(report, audit=None):
    """Return what the template ``_scores.html`` shows."""
    return {
        "report": report,
        "audit": audit,
        "summary": summarize(report),
        "absent": describe_absent(report),
        "confusions": describe_confusions(report, _N_CONFUSIONS),
    }


def page_context(report, *, n_errors, audit, card):
    """Return what the template ``evaluation.html`` shows; see `EvaluationReport.to_html`."""
    if (cells := report.cells) is None:
        raise ValueError(
            "The report has no single predictions (`cells`), of which the page is made. Create it "
            "by `evaluate` or `EvaluationReport.from_predictions`."
        )
    correct, level = (cells["true"] == cells["label"]).to_numpy(bool), report.confidence_level
    context = summary_context(report, audit) | {
        "made": f"{datetime.now():%Y-%m-%d}",
        "version": version("skblood"),
        "source": _find_source(cells),
        "groups": _rank_groups(cells, correct, level),
        "n_wrong": int((~correct).sum()),
        "errors": _list_errors(report, correct, n_errors),
        "calibration": None,
        "findings": None if audit is None else Markup(audit._repr_html_()),
        "card": None if card is None else _as_html(card),
    }
    if "probability" not in cells:
        return context
    probability = cells["probability"].to_numpy(float)
    return context | {
        "calibration": _draw_calibration(probability, correct, level),
        "coverage": _draw_coverage(cells["true"], cells["label"], probability),
        "coverages": _list_coverages(cells, probability),
    }


def _draw_calibration(probability, correct, confidence_level):
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


def _draw_coverage(true, predicted, probability):
    """Draw the accuracy on the surest images against their share; see `_draw_calibration`."""
    figure = _new_figure()
    ax = figure.subplots()
    AccuracyCoverageDisplay.from_predictions(true, predicted, probability, ax=ax)
    return figure_image(figure)


def _new_figure():
    from matplotlib.figure import Figure

    return Figure(figsize=_FIGURE, layout="constrained")  # which nobody has to close


def _find_source(cells):
    """Return the folder that all images are in, or None."""
    if "path" not in cells:
        return None
    try:
        return os.path.commonpath([os.path.dirname(path) for path in cells["path"]]) or None
    except ValueError:  # absolute and relative paths, or several drives
        return None


def _list_coverages(cells, probability):
    """Return rows of share accepted, least probability and accuracy."""
    coverage, accuracy, thresholds = accuracy_coverage_curve(
        cells["true"], cells["label"], probability
    )
    # The smallest share that reaches the one asked for; ties are accepted together.
    places = np.searchsorted(coverage, np.array(_COVERAGES) - 1e-9)
    rows = {f"{coverage[i]:.1%}": (f"{thresholds[i]:.3f}", f"{accuracy[i]:.3f}") for i in places}
    return [(share, *rest) for share, rest in rows.items()]


def _rank_groups(cells, correct, level):
    """Return (group, images, wrong ones, accuracy) of the groups, the worst first."""
    if "group" not in cells:
        return []
    table = cells.assign(correct=correct).groupby("group", sort=False)["correct"]
    n, hits = table.size(), table.sum()
    accuracy = Estimate.each(hits / n, *wilson_interval(hits, n, level))
    rows = zip(n.index, n, n - hits, accuracy, strict=True)
    return sorted(rows, key=lambda row: row[-1].high)[:_MOST_GROUPS]


def _list_errors(report, correct, n_most):
    """Return the wrong predictions, surest first: the row of `cells`, picture and name of each."""
    cells, wrong = report.cells, np.flatnonzero(~correct)
    if "probability" in cells:
        wrong = wrong[np.argsort(-cells["probability"].to_numpy()[wrong], kind="stable")]
    images = cells.get("path") if report.images is None else report.images
    folder, shown = _find_source(cells), wrong[:n_most].tolist()
    return [
        cell
        | {
            "source": _read_picture(images, position),
            "alt": f"{cell['true']} predicted as {cell['label']}",
            "name": _name_image(cell, position, folder),
        }
        # Not by row, where labels that are numbers would become those of the probabilities.
        for position, cell in zip(shown, cells.iloc[shown].to_dict("records"), strict=True)
    ]


def _name_image(cell, position, folder):
    if "path" not in cell:
        return f"X[{position}]"
    return cell["path"] if folder is None else os.path.relpath(cell["path"], folder)


def _read_picture(images, position):
    """Return a picture for ``src``, or None: rows of features show none, and files may be gone."""
    if images is None:
        return None
    try:
        return thumbnail(read_some(images, [position])[0], _SIDE)
    except (OSError, TypeError, ValueError):
        return None


def _as_html(card):
    """Return a model card as HTML whose headings are below those of the page; its HTML is text."""
    # Without metadata of the Hub, title, and scores, which the page has.
    text = re.sub(r"\A---\n.*?\n---\n\s*(# [^\n]*\n)?", "", card, flags=re.DOTALL)
    text = re.sub(r"^## Evaluation\n.*?(?=^## |\Z)", "", text, flags=re.DOTALL | re.MULTILINE)
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
    return Markup(reader.renderer.render(tokens, reader.options, {}))
