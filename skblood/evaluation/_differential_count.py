"""Differential counts of predicted labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from skblood._labels import as_column, check_lengths, encode_groups, encode_labels, resolve_classes
from skblood._typing import ArrayLike, RandomState, Report
from skblood.evaluation._differential import DifferentialCount
from skblood.evaluation._evaluation_report import EvaluationReport


def differential_count(
    y_pred: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    rejected: ArrayLike | None = None,
    confusion: Report | ArrayLike | None = None,
    confidence_level: float = 0.95,
    random_state: RandomState = 0,
    reviewed: ArrayLike | None = None,
    patients: ArrayLike | None = None,
    rules: Mapping[str, float] | None = None,
    note: str = "",
    model: str = "",
) -> DifferentialCount:
    """Count the cells of each class on each slide, with confidence intervals.

    Parameters
    ----------
    y_pred : array-like of shape (n_cells,)
        Predicted labels.
    groups : array-like of shape (n_cells,), default=None
        Slide or patient of each cell. None means one slide, "all".
    classes : array-like of shape (n_classes,), default=None
        All class labels of the model, also those that no cell has. None takes those of
        `confusion`, if it is a report, or else the labels that occur, sorted.
    rejected : array-like of bool of shape (n_cells,), default=None
        Which cells are rejected. They are counted apart and their labels are not read; shares are
        those among the other cells.
    confusion : EvaluationReport or array-like of shape (n_classes, n_classes), default=None
        Evaluation of the model on validation cells of the same laboratory, without rejected ones,
        or the confusion matrix: numbers of cells by true class (row) and predicted class (column)
        in the order of `classes`, or a DataFrame with classes as index and columns. The shares are
        corrected for these confusions, and reported beside those as counted, with the ones to
        prefer. None does not correct them.
    confidence_level : float in (0, 1), default=0.95
        Confidence level of the intervals.
    random_state : int, RandomState instance or None, default=0
        Seed of the draws for corrected intervals.
    reviewed : array-like of bool of shape (n_cells,), default=None
        Whose labels a reader has decided. They are counted with the others, and named apart.
    patients : array-like of shape (n_cells,), default=None
        Patient of each cell, one for each slide; `by_patient` then adds up the slides.
    rules : dict of str to float, default=None
        Changed rules for a manual look of a slide, e.g. ``{"ig": 0.05, "min_cells": 200}``; see
        Notes.
    note : str, default=""
        What else a reader of the reports should know of the labels.
    model : str, default=""
        Name of the model, for reports.

    Returns
    -------
    count : DifferentialCount

    Raises
    ------
    ValueError
        If lengths differ, there are no labels, a label is empty or not among `classes`, groups are
        missing, a slide is of several patients, a rule is unknown, or `confusion` does not hold
        counts of these classes or is given with `reviewed`.

    See Also
    --------
    DifferentialCount.from_counts : The same for numbers of cells.
    compare_differentials : Compare two counts of the same slides.
    skblood.uncertainty.RejectOption : Reject cells of low confidence.

    Notes
    -----
    Rules for a manual look have limits: "min_cells" (100 white cells), "max_rejected" (share of all
    cells, 0.1), and for a cell type or class the share above which it is looked at; of cells that
    are counted apart, such as nucleated red cells, per white cell. Classes that
    name one type are added up. By default the limits are 0 for blasts, promonocytes, promyelocytes,
    myelocytes and plasma cells, 0.01 for nucleated red cells, 0.02 for metamyelocytes and immature
    granulocytes, and 0.05 for variant lymphocytes, after the criteria of a positive smear in [1]_,
    and 0 for classes of unknown names, which count as white cells. A limit of 1 switches a rule
    off. No rule sees a cell type that the classes do not have.

    References
    ----------
    .. [1] Barnes, McFadden, Machin, Simson 2005: The international consensus group for hematology
       review: suggested criteria for action following automated CBC and WBC differential analysis,
       Laboratory Hematology 11:83.

    Examples
    --------
    >>> from skblood.evaluation import differential_count
    >>> y_pred = ["lymphocyte"] * 37 + ["monocyte"] * 3 + ["neutrophil"] * 60
    >>> print(differential_count(y_pred))
    1 slide, 3 classes; intervals of 95% confidence
    <BLANKLINE>
    all: 100 cells
      neutrophil      60   60 %  0.600 [0.502, 0.691]
      lymphocyte      37   37 %  0.370 [0.282, 0.468]
      monocyte         3    3 %  0.030 [0.010, 0.085]

    In validation, 30 of 100 monocytes were predicted as lymphocytes. The corrected share of
    monocytes is higher:

    >>> confusion = [[400, 0, 0], [30, 70, 0], [0, 0, 500]]
    >>> print(differential_count(y_pred, confusion=confusion))
    1 slide, 3 classes; intervals of 95% confidence, as counted and corrected for known confusions
    preferred shares: corrected
    <BLANKLINE>
    all: 100 cells
      neutrophil      60   60 %  0.600 [0.502, 0.691]  0.600 [0.507, 0.697]
      lymphocyte      37   36 %  0.370 [0.282, 0.468]  0.357 [0.259, 0.455]
      monocyte         3    4 %  0.030 [0.010, 0.085]  0.043 [0.011, 0.113]

    Nucleated red cells and platelets are counted apart:

    >>> y_pred = ["platelet"] * 9 + ["erythroblast"] * 3 + ["ig"] * 4 + ["neutrophil"] * 146
    >>> print(differential_count(y_pred, rules={"ig": 0.05, "nRBC": 0.05}))
    1 slide, 4 classes; intervals of 95% confidence
    <BLANKLINE>
    all: 150 white cells
      neutrophil     146   97 %  0.973 [0.933, 0.990]
      ig               4    3 %  0.027 [0.010, 0.067]
      apart: erythroblast 3 (2.0 per 100 white cells), platelet 9
    """
    labels = as_column(y_pred, "y_pred")
    rejected = _as_mask(rejected, "rejected", len(labels))
    reviewed = _as_mask(reviewed, "reviewed", len(labels))
    groups = np.full(len(labels), "all") if groups is None else groups
    slides, places = encode_groups(groups, len(labels))
    if classes is None and isinstance(confusion, EvaluationReport):
        classes = confusion.classes
    accepted = labels[~rejected]  # the labels of the others are not read
    if classes is None and len(labels) and not len(accepted):
        raise ValueError(
            f"All {len(labels)} cells are rejected. Give `classes`, those of the model."
        )
    classes = resolve_classes(classes, y_pred=accepted)
    cells = np.stack([places[~rejected], encode_labels(accepted, classes, "y_pred")])
    counts, of_reader = np.zeros((2, len(slides), len(classes)), int)
    np.add.at(counts, tuple(cells), 1)
    np.add.at(of_reader, tuple(cells[:, reviewed[~rejected]]), 1)
    return DifferentialCount.from_counts(
        counts,
        classes=classes,
        groups=slides,
        n_rejected=np.bincount(places[rejected], minlength=len(slides)),
        confusion=confusion,
        confidence_level=confidence_level,
        random_state=random_state,
        reviewed=of_reader,
        patients=None if patients is None else _patients_of(slides, places, patients),
        **{"rules": rules, "note": note, "model": model},
    )


def _as_mask(mask, name, n_cells):
    mask = np.zeros(n_cells, bool) if mask is None else as_column(mask, name)
    check_lengths(y_pred=n_cells, **{name: len(mask)})
    if mask.dtype != bool:
        raise ValueError(f"`{name}` must hold True or False, not {mask.dtype}.")
    return mask


def _patients_of(slides, places, patients):
    """Return the patient of each slide."""
    names, codes = encode_groups(patients, len(places), "patients")
    found = np.zeros(len(slides), int)
    found[places] = codes
    if (several := places[found[places] != codes]).size:
        raise ValueError(f"Each slide must be of one patient; {slides[several[0]]!r} has several.")
    return [names[code] for code in found]
