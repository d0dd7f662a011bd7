"""The text of an evaluation report."""

import textwrap

from skblood._writing import printable
from skblood.evaluation._estimates import format_table

# Confusions listed.
_MAX_CONFUSIONS = 5
_LINE_WIDTH = 100  # characters in a line of a note
_UNDEFINED = "undefined, since all images are of one class"


def format_report(report):
    """Return the scores, those of the classes, and the most frequent confusions as text."""
    width = max(map(len, report.scores))
    columns = {k: [each.show() for each in row] for k, row in report.class_scores.items()}
    lines = [
        summarize(report),
        *textwrap.wrap(printable(report.note), _LINE_WIDTH),
        "",
        *(f"{name:{width}}  {each.show() or _UNDEFINED}" for name, each in report.scores.items()),
        "",
        format_table(report.classes, columns | {"images": report.support}),
    ]
    if absent := describe_absent(report):
        lines += ["", *textwrap.wrap(printable(absent), _LINE_WIDTH)]
    if confusions := describe_confusions(report, _MAX_CONFUSIONS):
        lines += ["", "most frequent confusions", *(f"  {line}" for line in confusions)]
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


def describe_absent(report):
    """Return which classes have no image here, and which scores that moves; "" if all have some."""
    if not (absent := [str(label) for label in report.absent_classes]):
        return ""
    text = (
        f"{len(absent)} of the model's {len(report.classes)} classes "
        f"{'has' if len(absent) == 1 else 'have'} no image here: {', '.join(absent)}. "
        "balanced_accuracy is the mean recall of the others. "
    )
    counts = zip(report.classes, report.support, report.confusion_matrix.sum(axis=0), strict=True)
    wrong = [f"{label} ({n:,})" for label, n_true, n in counts if n and not n_true]
    if not wrong:
        return f"{text}None is predicted, so that f1_macro leaves them out, too."
    return f"{text}f1_macro counts as 0 those that images are predicted as: {', '.join(wrong)}."
