"""The reports of a differential count that a laboratory reads, keeps and signs."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from skblood._typing import StrPath
from skblood._writing import escape_formula, printable
from skblood.evaluation._cell_types import find_type
from skblood.evaluation._count_fhir import write_fhir
from skblood.evaluation._count_lines import list_slides, number
from skblood.evaluation._estimates import Estimate
from skblood.pages import TextInNotebooks, render, write

# Slides shown by print.
_MAX_PRINTED = 10
# A model without such a class counts these cells as others, and no rule sees them.
_TELLING = ("blast", "band neutrophil", "variant lymphocyte", "plasma cell")


class CountReports(TextInNotebooks):
    """Reports, as methods of `DifferentialCount`."""

    classes: list[Any]
    groups: list[Any]
    patients: list[Any] | None
    confidence_level: float
    corrected: bool
    preferred: str
    absent_classes: list[Any]
    note: str
    model: str

    def __str__(self) -> str:
        lines = [
            f"{number(len(self.groups), 'slide')}, {len(self.classes)} classes; intervals of "
            f"{100 * self.confidence_level:.4g}% confidence"
        ]
        white = self.white  # type: ignore[attr-defined]
        counts = [white.as_counted, white] if self.corrected and white.classes else [white]
        if self.corrected:
            lines[0] += ", as counted and corrected for known confusions"
            lines.append(f"preferred shares: {self.preferred}")
        if self.absent_classes:
            absent = printable(", ".join(map(str, self.absent_classes)), keep="")
            lines.append(f"no validation cells, assumed to be recognized without error: {absent}")
        for i, slide in enumerate(list_slides(self)[:_MAX_PRINTED]):
            what = "white cell" if slide.apart else "cell"
            parts = [f"{slide.group}: {number(slide.n_white, what)}"]
            parts += [f"and {slide.n_rejected:,} rejected"] if slide.n_rejected else []
            parts += [f"{slide.n_reviewed:,} decided by a reader"] if slide.n_reviewed else []
            lines += ["", ", ".join(parts)]
            width = max((len(line.label) for line in slide.white), default=0)
            shares = [Estimate.each(x.shares[i], x.low[i], x.high[i]) for x in counts]
            for line, *each in zip(slide.white, *shares, strict=True):
                percent = "" if line.percent is None else f"{line.shown_percent:>3} %"
                texts = "  ".join(map(str, each))
                lines.append(f"  {line.label:{width}}  {line.n:6,}  {percent:5}  {texts}")
            apart = [f"{line.label} {line.n:,}{_per_100(line)}" for line in slide.apart]
            lines += [f"  apart: {', '.join(apart)}"] if apart else []
            lines += [f"  manual look: {'; '.join(slide.reasons)}"] if slide.reasons else []
        more = len(self.groups) - _MAX_PRINTED
        if more > 0:
            lines += ["", f"and {number(more, 'slide')} more: to_frame() has them all"]
        return "\n".join(lines)

    @property
    def are_patients(self) -> bool:
        """Whether the counts are those of patients, not of slides."""
        return self.patients is not None and self.patients == self.groups

    @property
    def manual_look(self) -> list[list[str]]:
        """Why each slide should be looked at by a person."""
        return [slide.reasons for slide in list_slides(self)]

    def to_table(self) -> pd.DataFrame:
        """Return the report of the count as a table: one row for each class on each slide.

        Returns
        -------
        pandas.DataFrame
            With the columns slide (not of `by_patient`), patient (if given), class, count,
            reviewed, percent (whole), share, low, high (of nucleated red cells per white cell),
            n_white, n_rejected, n_reviewed, and manual_look: the reasons for one.
        """
        rows = [
            {"slide": slide.group, "patient": slide.patient, "class": line.label, "count": line.n}
            | {"reviewed": line.n_reviewed, "percent": line.percent, "share": line.share}
            | {"low": line.low, "high": line.high, "n_white": slide.n_white}
            | {"n_rejected": slide.n_rejected, "n_reviewed": slide.n_reviewed}
            | {"manual_look": "; ".join(slide.reasons)}
            for slide in list_slides(self)
            for line in slide.white + slide.apart
        ]
        unknown = "slide" if self.are_patients else "patient" if self.patients is None else []
        return pd.DataFrame(rows).drop(columns=unknown)

    def to_csv(self, path: StrPath | None = None) -> str | Path:
        """Write the table of the report, `to_table`, as csv.

        Parameters
        ----------
        path : str or path-like, default=None
            The file to write; an existing one is replaced. None returns the text.

        Returns
        -------
        text or path : str or pathlib.Path
        """
        table = self.to_table().astype({"percent": "Int64"})
        for name in table.select_dtypes(["object", "string"]):
            table[name] = [escape_formula(text) for text in table[name]]
        return write(table.to_csv(index=False, lineterminator="\n"), path)

    def to_html(self, path: StrPath | None = None) -> str | Path:
        """Write the report of the count as a page to look through, print and sign.

        Parameters
        ----------
        path : str or path-like, default=None
            The file to write, which needs no other; an existing one is replaced. None returns the
            page.

        Returns
        -------
        page or path : str or pathlib.Path
        """
        several = self.patients is not None and len(set(self.patients)) < len(self.patients)
        page = render(
            "count.html",
            count=self,
            version=version("skblood"),
            slides=list_slides(self),
            patients=list_slides(self.by_patient) if several else [],  # type: ignore[attr-defined]
            types=[find_type(label) for label in self.classes],
            telling=_TELLING,
        )
        return write(page, path)

    def to_fhir(
        self,
        path: StrPath | None = None,
        *,
        signed_by: str | None = None,
        effective: str | Mapping[str, str] | None = None,
    ) -> dict[str, Any] | Path:
        """Write the report of the count as FHIR R4 JSON, with LOINC codes.

        Parameters
        ----------
        path : str or path-like, default=None
            The file to write; an existing one is replaced. None returns the bundle.
        signed_by : str, default=None
            Who has verified the report and signs it as final. None leaves it preliminary, in the
            terms of FHIR "partial".
        effective : str, or dict of str to str, default=None
            Date, or date and time with its zone, at which the blood was taken, as ISO 8601; of each
            slide by its name, if there are several. Many systems require it.

        Returns
        -------
        bundle or path : dict or pathlib.Path
            A Bundle with a DiagnosticReport of each slide, which contains its Observations. Add
            what your system requires.

        Notes
        -----
        The codes are those of LOINC without a method (panel 69738-3): a classified image is neither
        an "automated count", that of a cell counter, nor a "manual count" of a reader. The method
        is stated as text. Names of codes, which differ between versions of LOINC, are left out. A
        share that rounds to 0 % is "< 1 %". The number of cells and the interval are components.
        """
        return write_fhir(self, path, signed_by, effective)


def _per_100(line):
    is_known = line.type.kind == "red" and line.share == line.share
    return f" ({100 * line.share:.1f} per 100 white cells)" if is_known else ""
