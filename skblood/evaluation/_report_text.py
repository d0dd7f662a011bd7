"""An evaluation as text."""

# Confusions that are named.
_MAX_NAMED = 5


def report_text(report):
    """Return the report as a table, in the manner of scikit-learn's classification_report."""
    per = f" in {report.n_groups:,} groups" if report.n_groups else ""
    lines = [
        f"{report.n_images:,} images{per}, {len(report.classes)} classes; "
        f"intervals of {100 * report.confidence_level:.4g}% confidence",
        "",
    ]
    width = max(map(len, report.scores))
    lines += [f"{name:{width}}  {estimate}" for name, estimate in report.scores.items()]
    lines += ["", *_class_lines(report)]
    confusions = report.confusions
    if confusions:
        lines += ["", "most frequent confusions"]
        lines += [
            f"  {each.count:,} of {round(each.count / each.share):,} {each.true} taken for "
            f"{each.predicted} ({each.share:.1%})"
            for each in confusions[:_MAX_NAMED]
        ]
    return "\n".join(lines)


def _class_lines(report):
    names = list(map(str, report.classes))
    width = max(map(len, names))
    heads = "".join(f"  {name:20}" for name in report.class_scores)
    yield f"{'':{width}}{heads}  images"
    for i, name in enumerate(names):
        cells = "".join(f"  {each[i]!s:20}" for each in report.class_scores.values())
        yield f"{name:>{width}}{cells}  {report.support[i]:6,}"
