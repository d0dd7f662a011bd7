"""The text of an evaluation report."""

import math
import textwrap

from skblood._writing import printable
from skblood.evaluation._absent_classes import describe_absent
from skblood.evaluation._estimates import format_table

# Confusions listed.
_MAX_CONFUSIONS = 5
_LINE_WIDTH = 100  # characters in a line of a note
_UNDEFINED = "undefined, since all images are of one class"


def format_report(report):
    """Return the scores, those of the classes, and the most frequent confusions as text."""
    width = max(map(len, report.scores))
    columns = {
        name: ["" if math.isnan(each.value) else each for each in estimates]
        for name, estimates in report.class_scores.items()
    }
    lines = [
        summarize(report),
        *textwrap.wrap(printable(report.note), _LINE_WIDTH),
        "",
        *(
            f"{name:{width}}  {_UNDEFINED if math.isnan(each.value) else each}"
            for name, each in report.scores.items()
        ),
        "",
        format_table(report.classes, columns | {"images": report.support}),
    ]
    if report.absent_classes:
        text = describe_absent(report.classes, report.confusion_matrix)
        lines += ["", *textwrap.wrap(printable(text), _LINE_WIDTH)]
    if report.confusions:
        lines += ["", "most frequent confusions"]
    lines += [f"  {line}" for line in describe_confusions(report, _MAX_CONFUSIONS)]
    return "\n".join(lines)


def summarize(report):
    """Return how many images, groups and classes there are, in one line."""
    groups = f" in {report.n_groups:,} groups" if report.n_groups else ""
    return (
        f"{report.n_images:,} images{groups}, {len(report.classes)} classes; "
        f"intervals of {100 * report.confidence_level:.4g}% confidence"
    )


def describe_confusions(report, n_most):
    """Return the most frequent confusions, one a line."""
    lines = []
    for each in report.confusions[:n_most]:
        n = report.support[report.classes.index(each.true)]
        pair = printable(f"{each.true} predicted as {each.predicted}", keep="")
        lines.append(f"{each.count:,} of {n:,} {pair} ({each.share:.1%})")
    return lines
