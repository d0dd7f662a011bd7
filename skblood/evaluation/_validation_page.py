"""The page of a validation."""

import numpy as np

from skblood._plotting import import_pyplot
from skblood.evaluation._estimates import Estimate
from skblood.evaluation._validation_plan import tabulate_limits
from skblood.pages import figure_image, render

AGREEMENT = ("positive_agreement", "negative_agreement", "kappa")
_WORDS = {
    "bias": "bias, % points",
    "margin": "margin of the bias, % points",
    "within_limits": "slides within limits, %",
    "positive_agreement": "positive agreement, %",
    "negative_agreement": "negative agreement, %",
    "agreement": "agreement, %",
    "kappa": "kappa",
}


def render_validation(report):
    """Return the page of a `ValidationReport` as text."""
    comparison, plan = report.comparison, report.plan
    figures = [_draw(comparison, kind) for kind in ("regression", "bland-altman")]
    criteria = [_criterion(row) for row in report.criteria.to_dict("records")]
    return render(
        "validation.html",
        report=report,
        plan=plan,
        name=report.names[2],
        n_cells=[int(n) for n in report.counts.sum(axis=(1, 2))],
        level=f"{100 * comparison.confidence_level:.4g} %",
        verdicts=dict(zip(report.classes, report.class_verdicts, strict=True)),
        criteria=criteria,
        unmet=[row[:3] for row in criteria if row[1] != "pass"],
        agreement=_agreement_rows(report) if report.same_cells else [],
        overall=[
            (_scaled(each["agreement"][0]), _scaled(each["kappa"][-1], 1))
            for each in (report.measures, report.reader_measures)
            if each and report.same_cells
        ],
        shares=_share_rows(report),
        lines=_regression_rows(comparison),
        limits=_limit_rows(comparison),
        figures=figures,
    )


def _draw(comparison, kind):
    figure = comparison.plot(kind)
    import_pyplot("ValidationReport.to_html").close(figure)
    return figure_image(figure)


def _criterion(row):
    """Return class, verdict, criterion, limit and value of a limit, as text."""
    name, factor = row["criterion"], 1 if row["criterion"] == "kappa" else 100
    sign = {"bias": "within ±", "margin": "at most "}.get(name, "at least ")
    value = Estimate(row["value"], row["low"], row["high"])
    limit = f"{sign}{factor * row['limit']:.4g}"
    return row["class"], row["verdict"], _WORDS[name], limit, _scaled(value, factor)


def _agreement_rows(report):
    """Return the agreement of model and readers, and of both readers, for each class."""
    rows = []
    for i, label in enumerate(report.classes):
        rows.append([label])
        for each in (report.measures, report.reader_measures):
            shares = (each["positive_agreement"][i], each["negative_agreement"][i])
            rows[-1] += [*map(_scaled, shares), _scaled(each["kappa"][i], 1)]
    return rows


def _share_rows(report):
    """Return shares, bias, limits of agreement and slides within limits of each class."""
    both, model = (
        100 * each.shares.mean(axis=0) for each in (report.comparison.a, report.comparison.b)
    )
    by_chance = report.within_by_chance
    return [
        [
            label,
            f"{report.counts[:2, :, i].sum() / 2:,.0f}",
            f"{both[i]:.1f}",
            f"{model[i]:.1f}",
            _scaled(report.measures["bias"][i]),
            f"{100 * report.comparison.lower_limit[i].value:.1f} to "
            f"{100 * report.comparison.upper_limit[i].value:.1f}",
            _scaled(report.measures["within_limits"][i]),
            *([] if by_chance is None else [f"{100 * by_chance[i]:.0f}"]),
        ]
        for i, label in enumerate(report.classes)
    ]


def _regression_rows(comparison):
    rows = []
    for i, label in enumerate(comparison.classes):
        slope, intercept = comparison.slope[i], comparison.intercept[i]
        if np.isnan(slope.value):
            rows.append([label, "", "", "does not apply: the shares do not rise together"])
            continue
        agree = slope.low <= 1 <= slope.high and intercept.low <= 0 <= intercept.high
        found = "no difference shown" if agree else "slope or intercept differ"
        rows.append([label, _scaled(slope, 1), _scaled(intercept), found])
    return rows


def _limit_rows(comparison):
    """Return the limits of counts of the readers' mean share of each class."""
    shares = comparison.a.shares.mean(axis=0)
    columns = [[f"{100 * x:.1f}" for x in shares]]
    for limits in tabulate_limits(shares).values():
        columns.append([f"{100 * low:.1f} to {100 * high:.1f}" for low, high in limits])
    return [list(row) for row in zip(comparison.classes, *columns, strict=True)]


def _scaled(estimate, factor=100):
    """Return an estimate in percent, or unscaled, as text; "" if it is NaN."""
    digits = 1 if factor == 100 else 2
    value, low, high = (factor * np.array(estimate)).round(digits) + 0.0  # no -0.0
    if np.isnan(value):
        return ""
    interval = "" if np.isnan(low) else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{value:.{digits}f}{interval}"
