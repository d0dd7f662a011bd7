"""The lines of a differential count in clinical order, and the rules for a manual look."""

from dataclasses import dataclass, field
from numbers import Real

import numpy as np

from skblood._writing import printable
from skblood.evaluation._cell_types import CellType, cell_types, find_type, order_classes
from skblood.evaluation._intervals import wilson_interval

# Rules that are not of a cell type: own choices, except that 100 cells are the usual count.
_RULES = {"min_cells": 100, "max_rejected": 0.1}
# White cells below which a number per white cell has no interval: it would tell nothing.
_FEWEST_WHITE = 30


@dataclass(frozen=True)
class CountLine:
    """A class on a slide. Of cells that are counted apart, `share` is per white cell."""

    label: str
    type: CellType
    n: int
    n_reviewed: int
    share: float
    low: float
    high: float
    percent: int | None = None

    @property
    def shown_percent(self):
        """The whole percent; "<1" of cells that are there, but round to 0."""
        if self.percent is None:
            return ""
        return "<1" if self.n and not self.percent else str(self.percent)

    @property
    def is_adjusted(self):
        """Whether the whole percent is not the nearest one, for the sum of all to be 100."""
        return self.percent is not None and self.percent != np.floor(100 * self.share + 0.5)


@dataclass
class SlideLines:
    """A slide: its white cells, the cells counted apart, and why it needs a manual look."""

    group: str
    patient: str | None
    white: list
    apart: list
    n_rejected: int
    reasons: list = field(default_factory=list)

    @property
    def n_white(self):
        """Number of white cells."""
        return sum(line.n for line in self.white)

    @property
    def n_reviewed(self):
        """Number of cells whose label is that of a reader."""
        return sum(line.n_reviewed for line in self.white + self.apart)

    @property
    def red(self):
        """Lines of nucleated red cells."""
        return [line for line in self.apart if line.type.kind == "red"]


def read_rules(rules, classes):
    """Return all rules for a manual look: the usual ones, changed as given.

    Raises
    ------
    ValueError
        If a name is neither a rule, a cell type nor a class, or a limit is negative.
    """
    known = cell_types().values()
    found = _RULES | {each.name: each.limit for each in known if each.limit is not None}
    types = [*known, *map(find_type, classes)]
    found |= {each.name: 0 for each in types if not each.is_known}
    names, given = {*_RULES, *(each.name for each in types)}, {}
    for name, limit in (rules or {}).items():
        key = name if name in _RULES else find_type(name).name
        if key not in names:
            listed = ", ".join([*_RULES, *sorted(names - {*_RULES})])
            raise ValueError(f"`rules` has the unknown name {name!r}. Known are {listed}.")
        if not isinstance(limit, Real) or isinstance(limit, bool) or not limit >= 0:
            raise ValueError(f"`rules` must hold limits of 0 or more, got {name!r}: {limit!r}.")
        if given.setdefault(key, limit) != limit:
            raise ValueError(f"`rules` has two limits of {key!r}; {name!r} is one of its names.")
    return found | given


def whole_percents(shares):
    """Return whole percents that sum to 100, by the method of the largest remainder.

    Examples
    --------
    >>> whole_percents([1 / 3, 1 / 3, 1 / 3]).tolist(), whole_percents([0.004, 0.996]).tolist()
    ([34, 33, 33], [0, 100])
    """
    exact = np.round(100 * np.asarray(shares) / np.sum(shares), 9)
    whole = np.floor(exact).astype(int)
    largest = np.argsort(whole - exact, kind="stable")
    whole[largest[: 100 - whole.sum()]] += 1
    return whole


def number(n, what):
    """Return "1 cell", "2 cells" and the like."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def list_slides(count):
    """Return a `SlideLines` for each slide of a count, with the preferred shares."""
    count = count.as_counted if count.corrected and count.preferred == "counted" else count
    white = count.white
    return [_list_slide(count, white, i) for i in range(len(count.groups))]


def _list_slide(count, white, i):
    percents = [None] * len(white.classes)
    if np.isfinite(white.shares[i]).all() and len(white.classes):
        percents = whole_percents(white.shares[i]).tolist()
    lines = [_make_line(white, i, j, white, percent) for j, percent in enumerate(percents)]
    apart = [_make_line(count, i, j, white) for j in order_classes(count.classes, False)]
    patient = None if count.patients is None else printable(count.patients[i], keep="")
    group, n_rejected = printable(count.groups[i], keep=""), int(count.n_rejected[i])
    slide = SlideLines(group, patient, lines, apart, n_rejected)
    slide.reasons = _find_reasons(slide, count.rules)
    return slide


def _make_line(count, i, j, white, percent=None):
    """Return the line of class `j` on slide `i`."""
    label, n, of_reader = count.classes[j], int(count.counts[i, j]), int(count.reviewed[i, j])
    kind, values = find_type(label), [v[i, j] for v in (count.shares, count.low, count.high)]
    if kind.kind == "red":
        values = _per_white_cell(count, values, n, i, white)
    elif kind.kind != "white":
        values = [np.nan] * 3
    return CountLine(printable(label, keep=""), kind, n, of_reader, *map(float, values), percent)


def _per_white_cell(count, values, n, i, white):
    """Return a number per white cell and its interval: of one among both, as odds."""
    n_white = white.counts[i].sum()
    if n_white < _FEWEST_WHITE:
        return [n / n_white if n_white and not count.corrected else np.nan, np.nan, np.nan]
    if count.corrected:
        total = count.shares[i][order_classes(count.classes, True)].sum()
        return [value / total if total else np.nan for value in values]
    ends = wilson_interval(n, n + n_white, count.confidence_level)
    return [n / n_white, *(end / (1 - end) for end in ends)]


def _find_reasons(slide, rules):
    """Return why a slide should be looked at by a person, as sentences without a period."""
    found, n_white = [], slide.n_white
    n_all = n_white + sum(line.n for line in slide.apart) + slide.n_rejected
    if n_white < rules["min_cells"]:
        what = f"fewer than {rules['min_cells']:,g}"
        found.append(f"{number(n_white, 'white cell')}, {what}")
    if slide.n_rejected > rules["max_rejected"] * n_all:
        share, limit = 100 * slide.n_rejected / n_all, 100 * rules["max_rejected"]
        found.append(f"{share:.3g} % of the cells rejected, more than {limit:.3g} %")
    by_type = {}
    for line in slide.white + slide.apart:
        by_type.setdefault(line.type, []).append(line)
    for kind, lines in by_type.items():
        limit = rules.get(kind.name)
        share, n = sum(line.share for line in lines), sum(line.n for line in lines)
        if kind.kind in ("platelet", "other") and n_white:
            share = n / n_white
        # Without a limit cells count: a corrected share is never quite 0.
        if limit is None or not (share > limit if limit else n):
            continue
        unit = "%" if kind.kind == "white" else "per 100 white cells"
        any_cell = (
            "looked at if there is any" if kind.is_known else "counted as white: unknown name"
        )
        than = f"more than {100 * limit:.3g} {unit}" if limit else any_cell
        labels = " + ".join(line.label for line in lines if line.n)
        found.append(f"{labels} {100 * share:.3g} {unit} ({n:,}), {than}")
    return found
