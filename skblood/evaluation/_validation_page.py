"""The page of a validation."""

import numpy as np

from skblood._plotting import import_pyplot
from skblood.evaluation._validation_plan import tabulate_limits
from skblood.pages import figure_image, render


def render_validation(report):
    """Return the page of a `ValidationReport` as text."""
    figures = [report.comparison.plot(kind) for kind in ("regression", "bland-altman")]
    for figure in figures:
        import_pyplot("ValidationReport.to_html").close(figure)
    shares = [x.shares.mean(axis=0) for x in (report.comparison.a, report.comparison.b)]
    context = {"report": report, "plan": report.plan, "comparison": report.comparison}
    context |= {"shares": shares, "percent": _percent, "limits": tabulate_limits(shares[0])}
    return render("validation.html", **context, figures=[*map(figure_image, figures)])


def _percent(estimate, factor=100):
    """Return an estimate in percent, or with another factor, as text; "" if it is NaN."""
    digits = 1 if factor == 100 else 2
    value, low, high = (factor * np.array(estimate)).round(digits) + 0.0  # no -0.0
    if np.isnan(value):
        return ""
    interval = "" if np.isnan(low) else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{value:.{digits}f}{interval}"
