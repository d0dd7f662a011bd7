"""Reports of differential counts: text, csv, and a page to sign."""

import pandas as pd

from skblood._writing import escape_formula, printable
from skblood.evaluation._cell_types import cell_types, find_type
from skblood.evaluation._count_lines import list_slides
from skblood.evaluation._estimates import Estimate
from skblood.pages import render, write

# Slides shown by print.
_MAX_PRINTED = 10
# A model without such a class counts these cells as others, and no rule sees them.
_TELLING = ("blast", "band neutrophil", "variant lymphocyte", "plasma cell")


def format_count(count):
    """Return the text of a count, for print."""
    lines = [
        f"{_number(len(count.groups), 'slide')}, {len(count.classes)} classes; intervals of "
        f"{100 * count.confidence_level:.4g}% confidence"
    ]
    white = count.white
    counts = [white.as_counted, white] if count.corrected and white.classes else [white]
    if count.corrected:
        lines[0] += ", as counted and corrected for known confusions"
        lines.append(f"preferred shares: {count.preferred}")
    if count.absent_classes:
        absent = printable(", ".join(map(str, count.absent_classes)), keep="")
        lines.append(f"no validation cells, assumed to be recognized without error: {absent}")
    width = max((len(printable(label, keep="")) for label in white.classes), default=0)
    for i, slide in enumerate(list_slides(count)[:_MAX_PRINTED]):
        what = "white cell" if slide.apart else "cell"
        parts = [f"{slide.group}: {_number(slide.n_white, what)}"]
        parts += [f"and {slide.n_rejected:,} rejected"] if slide.n_rejected else []
        parts += [f"{slide.n_reviewed:,} decided by a reader"] if slide.n_reviewed else []
        lines += ["", ", ".join(parts)]
        for j, line in enumerate(slide.white):
            shares = [
                Estimate(each.shares[i, j], each.low[i, j], each.high[i, j]) for each in counts
            ]
            percent = f"{line.shown_percent:>3} %" if line.percent is not None else ""
            columns = [f"{line.label:{width}}", f"{line.n:6,}", f"{percent:5}", *map(str, shares)]
            lines.append("  " + "  ".join(columns))
        apart = [f"{line.label} {line.n:,}{_per_100(line)}" for line in slide.apart]
        lines += [f"  apart: {', '.join(apart)}"] if apart else []
        lines += [f"  manual look: {'; '.join(slide.reasons)}"] if slide.reasons else []
    more = len(count.groups) - _MAX_PRINTED
    if more > 0:
        lines += ["", f"and {_number(more, 'slide')} more: to_frame() has them all"]
    return "\n".join(lines)


def _number(n, what):
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _per_100(line):
    is_known = line.type.kind == "red" and line.share == line.share
    return f" ({100 * line.share:.1f} per 100 white cells)" if is_known else ""


def tabulate_report(count):
    """Return the report of a count as a table; see `DifferentialCount.to_table`."""
    rows = [
        {
            "slide": slide.group,
            "patient": slide.patient,
            "class": line.label,
            "count": line.n,
            "reviewed": line.n_reviewed,
            "percent": line.percent,
            "share": line.share,
            "low": line.low,
            "high": line.high,
            "n_white": slide.n_white,
            "n_rejected": slide.n_rejected,
            "n_reviewed": slide.n_reviewed,
            "manual_look": "; ".join(slide.reasons),
        }
        for slide in list_slides(count)
        for line in slide.white + slide.apart
    ]
    table = pd.DataFrame(rows)
    return table if count.patients is not None else table.drop(columns="patient")


def write_csv(count, path):
    """Return the csv report of a count, or write it to a file."""
    table = tabulate_report(count).astype({"percent": "Int64"})
    for name in table.select_dtypes(["object", "string"]):
        table[name] = [escape_formula(text) for text in table[name]]
    return write(table.to_csv(index=False, lineterminator="\n"), path)


def write_html(count, path):
    """Return the page of a count, or write it to a file."""
    types = [find_type(label) for label in count.classes]
    white = [each.name for each in types if each.kind == "white"]
    cells, read = count.counts.sum(axis=0), count.reviewed.sum(axis=0)
    known = {each.name for each in cell_types().values()}
    page = render(
        "count.html",
        count=count,
        slides=list_slides(count),
        patients=_list_patients(count),
        level=f"{100 * count.confidence_level:.4g} %",
        n_white=int(count.white.counts.sum()),
        note=printable(count.note).rstrip(". "),
        names=[each.name for each in types],
        missing=[each for each in _TELLING if not any(each in name for name in white)],
        n_unread=int(cells.sum() - read.sum()),
        only_read=[
            each.name
            for each, n, n_read in zip(types, cells, read, strict=True)
            if n == n_read > 0 and each.kind == "white" and any(t in each.name for t in _TELLING)
        ],
        unknown=[
            printable(label, keep="")
            for label, each in zip(count.classes, types, strict=True)
            if each.name not in known
        ],
    )
    return write(page, path)


def _list_patients(count):
    """Return the added slides of patients, unless each has one."""
    if count.patients is None or len(set(count.patients)) == len(count.patients):
        return []
    return list_slides(count.by_patient)
