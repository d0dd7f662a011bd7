"""The plan of a validation: acceptance limits that are stated beforehand, slides and cells."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from skblood._typing import StrPath
from skblood._writing import replace_file
from skblood.evaluation._agreement import count_limits
from skblood.evaluation._estimates import format_table
from skblood.pages import TextInNotebooks

# Numbers of cells whose limits are shown: of a usual count, of a reader and of both in CLSI H20.
_COUNTED = (100, 200, 400)


@dataclass(eq=False, repr=False)
class ValidationPlan(TextInNotebooks):
    """Plan of a validation: acceptance limits, and the slides and cells that it needs.

    Created by :func:`skblood.evaluation.plan_validation`; ``print`` shows it.

    Parameters
    ----------
    classes : list of str of length n_classes
        Class labels.
    shares : list of float of length n_classes
        Expected shares of the classes.
    limits : dict
        Acceptance limits, as given, and "min_cells".
    n_slides, n_cells : int
        Slides, and cells on each of them by each reader and the model.
    same_cells : bool
        Whether readers and model label the same cells.
    power : float
        Share of the simulated studies that pass all limits.
    table : list of dict
        What was tried: numbers of slides and cells, power, the mean margin of the bias of each
        class (half the length of its interval), and the three criteria that pass least often.
    assumptions : dict
        Errors of readers and model, spread of the slides, and number of simulations.
    confidence_level : float
        Confidence level of all intervals.
    created : str
        Date and time, ISO 8601.

    Attributes
    ----------
    fingerprint : str
        First 12 digits of the SHA-256 of all of this. Written on paper, it shows that the plan was
        not changed afterwards.

    See Also
    --------
    plan_validation : Make a plan.
    validate_differentials : Analyze a study by its plan.

    Examples
    --------
    >>> from skblood.evaluation import plan_validation
    >>> shares = {"lymphocyte": 0.3, "neutrophil": 0.7}
    >>> plan = plan_validation(shares, {"bias": 0.05}, n_slides=20, n_simulations=20)
    >>> plan.n_slides, plan.n_cells, plan.limits
    (20, 200, {'min_cells': 30, 'bias': 0.05})
    """

    classes: list[Any]
    shares: list[Any]
    limits: dict[str, Any]
    n_slides: int
    n_cells: int
    same_cells: bool
    power: float
    table: list[Any]
    assumptions: dict[str, Any]
    confidence_level: float
    created: str

    @property
    def fingerprint(self) -> str:
        """First 12 digits of the SHA-256 of the plan."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    def __repr__(self) -> str:
        return (
            f"ValidationPlan(n_slides={self.n_slides}, n_cells={self.n_cells}, "
            f"n_classes={len(self.classes)}, power={self.power:.3g})"
        )

    def __str__(self) -> str:
        frame = pd.DataFrame(
            {
                "share": [f"{share:.1%}" for share in self.shares],
                "margin of bias": [f"{margin:.2%}" for margin in self.chosen["margin"]],
            }
        )
        for n, limits in tabulate_limits(self.shares).items():
            frame[f"95% of {n} cells"] = [f"{low:.1%} to {high:.1%}" for low, high in limits]
        return (
            f"Validation plan of {self.created}, fingerprint {self.fingerprint}\n"
            f"limits: {json.dumps(self.limits)}\n"
            f"{self.n_slides} slides with {self.n_cells} cells by two readers and the model "
            f"({'the same' if self.same_cells else 'each their own'})\n"
            f"power {self.power:.2f}: share of {self.assumptions['n_simulations']:,} simulated "
            f"studies that pass all limits\n\n{format_table(self.classes, frame)}"
        )

    @property
    def chosen(self) -> dict[str, Any]:
        """The row of `table` with the planned numbers of slides and cells."""
        size = (self.n_slides, self.n_cells)
        return next(row for row in self.table if (row["n_slides"], row["n_cells"]) == size)

    def to_frame(self) -> pd.DataFrame:
        """Return what was tried as a table with one row for each number of slides and cells.

        Returns
        -------
        pandas.DataFrame
            With the columns n_slides, n_cells, power, and margin of each class.
        """
        margins = [row["margin"] for row in self.table]
        names = [f"margin {label}" for label in self.classes]
        sizes = pd.DataFrame(self.table, columns=["n_slides", "n_cells", "power"])
        return sizes.join(pd.DataFrame(margins, columns=names))

    def to_dict(self) -> dict[str, Any]:
        """Return the plan and its fingerprint as a dict for JSON."""
        return asdict(self) | {"fingerprint": self.fingerprint}

    def save(self, path: StrPath) -> Path:
        """Write the plan to a JSON file, before the study begins.

        Parameters
        ----------
        path : str or path-like

        Returns
        -------
        path : pathlib.Path
        """
        return replace_file(path, (json.dumps(self.to_dict(), indent=1) + "\n").encode())

    @classmethod
    def load(cls, path: StrPath) -> Self:
        """Read a plan.

        Parameters
        ----------
        path : str or path-like

        Returns
        -------
        plan : ValidationPlan

        Raises
        ------
        ValueError
            If it is no plan, or was changed after it was written.
        """
        try:
            document = json.loads(Path(path).expanduser().read_text("utf-8"))
            fingerprint = document.pop("fingerprint")
            plan = cls(**document)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            message = f"{str(path)!r} is no plan. Make one with `plan_validation` and `save`."
            raise ValueError(message) from error
        if fingerprint != plan.fingerprint:
            raise ValueError(
                f"The plan {str(path)!r} was changed after it was written: its fingerprint is "
                f"{plan.fingerprint}, not {fingerprint}. Restore it, or plan a new study."
            )
        return plan


def tabulate_limits(shares):
    """Return the 95 % limits of counts of shares: {number of cells: ndarray of (low, high)}."""
    return {n: np.stack(count_limits(shares, n), axis=-1) for n in _COUNTED}
