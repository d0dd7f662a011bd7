"""An evaluation as a picture."""

import textwrap

import numpy as np

from skblood.evaluation._plotting import import_pyplot

_NAME_WIDTH = 16  # characters in a line of a class's name
_CELL = 0.62  # inches


def plot_confusions(report, ax=None):
    """Draw the confusion matrix, counts above shares; see `EvaluationReport.plot`."""
    plt = import_pyplot("EvaluationReport.plot")
    from sklearn.metrics import ConfusionMatrixDisplay

    counts, support = report.confusion_matrix, report.support[:, None]
    shares = counts / np.maximum(support, 1)
    names = [textwrap.fill(str(label), _NAME_WIDTH) for label in report.classes]
    if ax is None:
        side = len(names) * _CELL
        _, ax = plt.subplots(figsize=(side + 3, side + 2), layout="constrained")
    display = ConfusionMatrixDisplay(shares, display_labels=names)
    display.plot(
        ax=ax, cmap="Blues", xticks_rotation=90, im_kw={"vmin": 0, "vmax": 1}, colorbar=False
    )
    for text, count, share in zip(
        display.text_.ravel(), counts.ravel(), shares.ravel(), strict=True
    ):
        text.set_text(f"{count:,}\n{share:.1%}" if count else "")
        text.set_fontsize(8)
    accuracy = report.scores["accuracy"]
    ax.set_title(f"accuracy {accuracy}, {report.n_images:,} images")
    ax.set(xlabel="predicted", ylabel="true")
    return display
