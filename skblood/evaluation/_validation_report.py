"""The report of a validation, as text, table, JSON and page."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skblood._plotting import import_pyplot
from skblood._typing import StrPath
from skblood.evaluation._acceptance import combine
from skblood.evaluation._compare import DifferentialComparison
from skblood.evaluation._estimates import Estimate, format_table, tabulate_estimates
from skblood.evaluation._validation_plan import ValidationPlan, tabulate_limits
from skblood.pages import TextInNotebooks, figure_image, render, write

_AGREEMENT = ("positive_agreement", "negative_agreement", "kappa")


@dataclass(eq=False, repr=False)
class ValidationReport(TextInNotebooks):
    """Result of a validation: agreement, bias and verdicts, class by class.

    Created by :func:`skblood.evaluation.validate_differentials`; ``print`` shows it as a table. All
    values are shares in 0..1; the page shows percent.

    Parameters
    ----------
    plan : ValidationPlan or None
        Without a plan there is no verdict.
    names : tuple of three str
        Names of both readers and the model.
    counts : ndarray of int of shape (3, n_slides, n_classes)
        Cells by both readers and the model.
    same_cells : bool
        Whether they labeled the same cells.
    comparison : DifferentialComparison
        Both readers together (`a`) and the model (`b`).
    measures : dict of str to list of Estimate of length n_classes
        Of the model and the readers: "bias", "margin" and "within_limits"; with labels of the same
        cells "positive_agreement", "negative_agreement", "kappa" (one more at the end, that of all
        classes), and "agreement" (a single one).
    reader_measures : dict
        Of both readers: the same from "positive_agreement" on; empty without such labels.
    within_by_chance : ndarray of shape (n_classes,) or None
        Expected share of slides within the limits if the methods differ by chance only. None for
        labels of the same cells, which do not differ by chance.
    criteria : DataFrame
        One row for each limit of the plan: class, criterion, limit, value, low, high and verdict.
    notes : list of str
        Where the study departs from the plan.
    recorded : datetime, default=None
        When the first label of the study was recorded, if that is known.
    created : str
        Date and time of the analysis.

    Attributes
    ----------
    classes, slides : list
        Class labels and slides.
    verdict : {"pass", "fail", "undecided"} or None
        "pass" if all limits are met, "fail" if one is missed, "undecided" if the study is too
        small to tell.

    See Also
    --------
    validate_differentials : Analyze a study.

    Examples
    --------
    >>> from skblood.evaluation import validate_differentials
    >>> slides = ["A"] * 4 + ["B"] * 4 + ["C"] * 4
    >>> first, second = list("lnnn" "llnn" "llln"), list("lnnn" "llnn" "llnn")
    >>> report = validate_differentials(first, second, first, groups=slides)
    >>> report
    ValidationReport(n_slides=3, n_classes=2, verdict=None)
    """

    plan: ValidationPlan | None
    names: tuple[str, str, str]
    counts: np.ndarray
    same_cells: bool
    comparison: DifferentialComparison
    measures: dict[str, Any]
    reader_measures: dict[str, Any]
    within_by_chance: np.ndarray | None
    criteria: pd.DataFrame
    notes: list[Any]
    recorded: datetime | None = None
    created: str = field(default_factory=lambda: f"{datetime.now():%Y-%m-%d %H:%M}")

    @property
    def classes(self) -> list[Any]:
        """Class labels, in the order of all results."""
        return self.comparison.classes

    @property
    def slides(self) -> list[Any]:
        """Slides, in the order of `counts`."""
        return self.comparison.a.groups

    @property
    def verdict(self) -> str | None:
        """Verdict on all limits, or None without a plan."""
        return None if self.plan is None else combine(self.criteria["verdict"].tolist())

    def __repr__(self) -> str:
        return (
            f"ValidationReport(n_slides={len(self.slides)}, n_classes={len(self.classes)}, "
            f"verdict={self.verdict!r})"
        )

    def __str__(self) -> str:
        stated = "no acceptance limits were stated beforehand: no verdict"
        if plan := self.plan:
            stated = f"{self.verdict}; plan of {plan.created}, fingerprint {plan.fingerprint}"
        columns = {"bias": self.measures["bias"], "within_limits": self.measures["within_limits"]}
        columns |= self._agreement(self.measures)
        columns |= {"verdict": self.class_verdicts} if plan else {}
        lines = [
            f"Validation: {stated}",
            f"{len(self.slides)} slides, {self.counts[2].sum():,} cells by the model; intervals of "
            f"{100 * self.comparison.confidence_level:.4g}% confidence",
            *self.notes,
            "",
            format_table(self.classes, columns),
        ]
        if self.same_cells:
            lines += ["", f"agreement of all cells: {self.measures['agreement'][0]}"]
            lines += [f"kappa of all cells: {self.measures['kappa'][-1]}"]
            lines += [f"kappa of both readers: {self.reader_measures['kappa'][-1]}"]
        return "\n".join(lines)

    def _agreement(self, measures, prefix=""):
        """Return the measures of single cells, by class."""
        n_classes = len(self.classes)
        names = [name for name in _AGREEMENT if name in measures]
        return {f"{prefix}{name}": measures[name][:n_classes] for name in names}

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row for each class.

        Returns
        -------
        pandas.DataFrame
            With the columns n_cells (by a reader), share_readers, share_model, the measures and
            the regression, each with its _low and _high, and verdict.
        """
        names = ("lower_limit", "upper_limit", "slope", "intercept")
        estimates = {
            "bias": self.measures["bias"],
            **{name: getattr(self.comparison, name) for name in names},
            "within_limits": self.measures["within_limits"],
            **self._agreement(self.measures),
            **self._agreement(self.reader_measures, "readers_"),
        }
        frame = tabulate_estimates(self.classes, estimates)
        frame.insert(0, "n_cells", self.counts[:2].sum(axis=(0, 1)) / 2)
        frame.insert(1, "share_readers", self.comparison.a.shares.mean(axis=0))
        frame.insert(2, "share_model", self.comparison.b.shares.mean(axis=0))
        if self.within_by_chance is not None:
            frame["within_by_chance"] = self.within_by_chance
        if self.plan is not None:
            frame["verdict"] = self.class_verdicts
        return frame

    @property
    def class_verdicts(self) -> list[str]:
        """Verdict on each class by its own limits; "" where it has none."""
        groups = self.criteria.groupby("class")["verdict"].agg(list)
        return [combine(groups[x]) if x in groups.index else "" for x in self.classes]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a dict for JSON; NaN means that there is no value.

        Returns
        -------
        dict
            With the keys verdict, notes, names, recorded, created, n_slides, n_cells (by both
            readers and the model), same_cells, confidence_level, classes (the rows of
            `to_frame`), overall, criteria and plan.
        """
        overall = {
            f"{prefix}{name}": measures[name][-1].to_dict()
            for prefix, measures in {"": self.measures, "readers_": self.reader_measures}.items()
            for name in ("agreement", "kappa")
            if name in measures
        }
        recorded = self.recorded and self.recorded.isoformat()
        found = {"verdict": self.verdict, "notes": self.notes, "names": list(self.names)}
        found |= {"recorded": recorded, "created": self.created, "n_slides": len(self.slides)}
        found |= {"n_cells": self.counts.sum(axis=(1, 2)).tolist(), "same_cells": self.same_cells}
        found |= {"confidence_level": self.comparison.confidence_level}
        found |= {"classes": self.to_frame().reset_index().to_dict("records"), "overall": overall}
        found |= {"criteria": self.criteria.to_dict("records")}
        return found | {"plan": self.plan and self.plan.to_dict()}

    def to_html(self, path: StrPath | None = None) -> str | Path:
        """Return the report as one HTML page, which needs no other file and no network.

        Parameters
        ----------
        path : str or path-like, default=None
            File to write; an existing one is replaced.

        Returns
        -------
        page or path : str or pathlib.Path
            The page if `path` is None, else the path.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        figures = [self.comparison.plot(kind) for kind in ("regression", "bland-altman")]
        for figure in figures:
            import_pyplot("ValidationReport.to_html").close(figure)
        shares = [count.shares.mean(axis=0) for count in (self.comparison.a, self.comparison.b)]
        page = render(
            "validation.html",
            report=self,
            version=version("skblood"),
            shares=shares,
            estimate=Estimate,
            limits=tabulate_limits(shares[0]),
            figures=[*map(figure_image, figures)],
        )
        return write(page, path)
