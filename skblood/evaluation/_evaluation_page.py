"""What the HTML page of an evaluation shows."""

import math
import os
import re

import numpy as np
from markdown_it import MarkdownIt
from markupsafe import Markup

from skblood._plotting import read_some
from skblood.evaluation._absent_classes import describe_absent
from skblood.evaluation._intervals import wilson_interval
from skblood.evaluation._page_figures import draw_calibration, draw_coverage
from skblood.evaluation._report_text import describe_confusions, summarize
from skblood.pages import thumbnail
from skblood.uncertainty import accuracy_coverage_curve

# Title and meaning of each score.
_SCORES = {
    "accuracy": ("accuracy", "share of the images that are predicted correctly"),
    "accuracy_at_shares": ("accuracy at shares", "where the classes occur as in the prior"),
    "balanced_accuracy": ("balanced accuracy", "mean recall of the classes"),
    "f1_macro": ("F1, macro", "mean F1 of the classes"),
    "f1_weighted": ("F1, weighted", "mean F1 of the classes, weighted by their images"),
    "matthews_corrcoef": ("Matthews' coefficient", "correlation of classes, from -1 to 1"),
    "log_loss": ("log loss", "error of the probabilities; lower is better"),
    "brier_score_loss": ("Brier score", "squared error of the probabilities; lower is better"),
    "expected_calibration_error": (
        "calibration error",
        "mean distance of the probabilities from the accuracy; 0 is best",
    ),
}
# A warning names classes with fewer images, and says so if there are fewer groups.
_FEW_IMAGES, _FEW_GROUPS = 10, 10
# By how much the mean probability may exceed the upper end of the accuracy without a warning.
_OVERCONFIDENT = 0.05
_N_CONFUSIONS = 8
_MOST_GROUPS = 30
_COVERAGES = (1, 0.95, 0.9, 0.8, 0.7)
# Height and width of a picture in pixels, for screens of two pixels a point.
_SIDE = 192


def summary_context(report, audit=None):
    """Return scores, warnings and counts for the template ``_scores.html``."""
    names = ["precision", "recall", "f1"]
    rows = zip(report.classes, *(report.class_scores[name] for name in names), strict=True)
    return {
        "summary": summarize(report),
        "warnings": list(find_warnings(report, audit)),
        "scores": [(*_SCORES[name], _as_text(each)) for name, each in report.scores.items()],
        "class_names": names,
        "class_rows": [
            (label, *map(_as_text, row), f"{n:,}")
            for (label, *row), n in zip(rows, report.support.tolist(), strict=True)
        ],
        "classes": report.classes,
        "counts": report.confusion_matrix.tolist(),
        "confusions": describe_confusions(report, _N_CONFUSIONS),
    }


def page_context(report, *, n_errors, audit, card):
    """Return what the template ``evaluation.html`` shows; see `EvaluationReport.to_html`."""
    cells, level = report.cells, report.confidence_level
    if cells is None:
        raise ValueError(
            "The report has no single predictions (`cells`), of which the page is made. Create it "
            "by `evaluate` or `EvaluationReport.from_predictions`."
        )
    correct = (cells["true"] == cells["label"]).to_numpy(bool)
    context = summary_context(report, audit) | {
        "facts": report.model or {},
        "source": _find_source(cells),
        "groups": _list_groups(cells, correct, level),
        "n_groups": report.n_groups,
        "n_wrong": int((~correct).sum()),
        "errors": _list_errors(report, correct, n_errors),
        "calibration": None,
        "audit": None if audit is None else Markup(audit._repr_html_()),
        "card": None if card is None else _as_html(card),
    }
    if "probability" not in cells:
        return context
    probability = cells["probability"].to_numpy(float)
    return context | {
        "calibration": draw_calibration(probability, correct, level),
        "coverage": draw_coverage(cells["true"], cells["label"], probability),
        "coverages": _list_coverages(cells, probability),
    }


def find_warnings(report, audit=None):
    """Yield what a reader must know before the scores are believed, one text each."""
    if report.note:
        yield report.note
    if report.absent_classes:
        yield describe_absent(report.classes, report.confusion_matrix)
    counts = zip(report.classes, report.support, strict=True)
    if few := [f"{label} ({n})" for label, n in counts if 0 < n < _FEW_IMAGES]:
        yield f"Few images: {', '.join(few)}. Their scores are uncertain: see the intervals."
    if report.n_groups is None:
        yield (
            "No slides or patients were given. Cells of one slide are alike: for cells of new "
            "slides the intervals are too narrow."
        )
    elif report.n_groups < _FEW_GROUPS:
        yield f"Only {report.n_groups} groups: they tell little about others. Give ten or more."
    if (warning := _find_overconfidence(report)) is not None:
        yield warning
    if audit is not None:
        leaks = len(audit.crossing_split) + len(audit.crossing_groups)
        if leaks:
            yield f"Copies or groups cross the split ({leaks:,}): the scores are too high."
        if audit.training_overlap:
            yield (
                "Training images of the pretrained models are among the audited images "
                f"({len(audit.training_overlap):,}): scores of these models are too high."
            )
        yield from (f"Another frame: {each.detail}." for each in audit.cell_size)


def _find_overconfidence(report):
    """Return a warning if the probabilities are far above the accuracy, else None."""
    if report.cells is None or "probability" not in report.cells:
        return None
    mean, accuracy = report.cells["probability"].mean(), report.scores["accuracy"]
    if mean <= accuracy.high + _OVERCONFIDENT:
        return None
    return (
        f"The probabilities are too high: {mean:.2f} on average, with an accuracy of "
        f"{accuracy.value:.2f}. So they are on cells of another laboratory, stain, camera or frame "
        "than those of the training."
    )


def _as_text(estimate):
    return "" if math.isnan(estimate.value) else str(estimate)


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


def _list_groups(cells, correct, level):
    """Return rows of group, images, errors and accuracy, those that are surely low first."""
    if "group" not in cells:
        return []
    table = cells.assign(correct=correct).groupby("group", sort=False)["correct"]
    table = table.agg(["size", "sum"]).assign(share=lambda x: x["sum"] / x["size"])
    table["low"], table["high"] = wilson_interval(table["sum"], table["size"], level)
    table = table.sort_values("high", kind="stable")[:_MOST_GROUPS]
    return [
        (group, f"{n:,}", f"{n - hits:,}", f"{share:.3f} [{low:.3f}, {high:.3f}]")
        for group, n, hits, share, low, high in table.itertuples()
    ]


def _list_errors(report, correct, n_most):
    """Return wrong predictions with their pictures, the surest first."""
    cells = report.cells
    wrong = np.flatnonzero(~correct)
    if "probability" in cells:
        wrong = wrong[np.argsort(-cells["probability"].to_numpy()[wrong], kind="stable")]
    images = cells.get("path") if report.images is None else report.images
    folder = _find_source(cells)
    shown = wrong[:n_most].tolist()
    return [
        {
            "source": _read_picture(images, position),
            "alt": f"{cell['true']} predicted as {cell['label']}",
            "name": _name_image(cell, position, folder),
            "true": cell["true"],
            "label": cell["label"],
            "probability": cell.get("probability"),
            "probability_of_true": cell.get(f"p_{cell['true']}"),
            "group": cell.get("group"),
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
