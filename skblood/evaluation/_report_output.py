"""The evaluation report as text and as a figure."""

import textwrap

import numpy as np
from sklearn.metrics import ConfusionMatrixDisplay

from skblood._plotting import import_pyplot
from skblood.evaluation._estimates import format_table

# Confusions listed in the text.
_MAX_CONFUSIONS = 5
_NAME_WIDTH = 16  # characters in a line of a class name
_CELL = 0.62  # inches


def format_report(report):
    """Return the report as a table like that of scikit-learn's classification_report."""
    groups = f" in {report.n_groups:,} groups" if report.n_groups else ""
    width = max(map(len, report.scores))
    lines = [
        f"{report.n_images:,} images{groups}, {len(report.classes)} classes; "
        f"intervals of {100 * report.confidence_level:.4g}% confidence",
        "",
        *(f"{name:{width}}  {estimate}" for name, estimate in report.scores.items()),
        "",
        format_table(report.classes, report.class_scores | {"images": report.support}),
    ]
    if report.confusions:
        lines += ["", "most frequent confusions"]
    for each in report.confusions[:_MAX_CONFUSIONS]:
        n = report.support[report.classes.index(each.true)]
        pair = f"{each.true} predicted as {each.predicted}"
        lines.append(f"  {each.count:,} of {n:,} {pair} ({each.share:.1%})")
    return "\n".join(lines)


def plot_confusions(report, ax=None):
    """Draw the confusion matrix; see `EvaluationReport.plot`."""
    plt = import_pyplot("EvaluationReport.plot")
    counts = report.confusion_matrix
    shares = counts / np.maximum(report.support[:, None], 1)
    names = [textwrap.fill(str(label), _NAME_WIDTH) for label in report.classes]
    if ax is None:
        side = len(names) * _CELL
        _, ax = plt.subplots(figsize=(side + 3, side + 2), layout="constrained")
    display = ConfusionMatrixDisplay(shares, display_labels=names).plot(
        ax=ax, cmap="Blues", xticks_rotation=90, im_kw={"vmin": 0, "vmax": 1}, colorbar=False
    )
    for text, count, share in zip(display.text_.flat, counts.flat, shares.flat, strict=True):
        text.set(text=f"{count:,}\n{share:.1%}" if count else "", fontsize=8)
    ax.set_title(f"accuracy {report.scores['accuracy']}, {report.n_images:,} images")
    ax.set(xlabel="predicted", ylabel="true")
    return display
