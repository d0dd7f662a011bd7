"""Plan a validation: how many slides and cells it needs to pass its acceptance limits."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import Any

import numpy as np

from skblood._typing import ArrayLike, RandomState, Report
from skblood._writing import announce, show_progress
from skblood.evaluation._acceptance import count_joint, judge, list_criteria, measure
from skblood.evaluation._differential_correction import check_confusion
from skblood.evaluation._intervals import check_level
from skblood.evaluation._validation_plan import ValidationPlan
from skblood.inference import draw_seed

# Below this number of cells of a class an interval tells little.
_MIN_CELLS = 30
# Numbers of slides that are tried.
_SLIDES = (10, 20, 30, 40, 50, 75, 100, 150, 200, 300)
# A comparison of differential counts needs as many.
_MIN_SLIDES = 3
# Errors vary between slides by a gamma distribution of this shape: their factor has a standard
# deviation of 0.71.
_ERROR_SHAPE = 2


def plan_validation(
    shares: Mapping[str, float],
    limits: Mapping[str, Any],
    *,
    n_slides: int | None = None,
    n_cells: int | Sequence[int] = 200,
    same_cells: bool = True,
    reader_errors: float = 0.03,
    model_errors: float | Report | ArrayLike = 0.03,
    spread: float = 40,
    power: float = 0.9,
    n_simulations: int = 200,
    confidence_level: float = 0.95,
    random_state: RandomState = 0,
    verbose: int = 0,
) -> ValidationPlan:
    """Plan a validation at a new site: how many slides and cells it needs to pass its limits.

    Write the plan to a file before any cell of the study is looked at, and give it to
    :func:`validate_differentials`, which gives no verdict without one.

    Parameters
    ----------
    shares : dict of str to float
        Expected share of each class, e.g. of the white cells of the laboratory's patients. They are
        divided by their sum.
    limits : dict
        Acceptance limits, in 0..1. For each class: "bias", the largest mean difference of the
        shares by the model and by the readers, in either direction; "margin", half the largest
        length of the interval of the bias; "within_limits", the least share of slides on which the
        model is within the 95 % limits of the readers' count. With labels of the same cells also
        "positive_agreement" and "negative_agreement" (least shares of the cells that a reader does,
        or does not, assign to the class on which the model agrees) and "kappa" (Cohen's, of the
        class against all others). "classes" has other limits of some classes ({"basophil": {"bias":
        0.01}}; None is no limit), "overall" those of all cells together, "agreement" and "kappa".
        "min_cells" is the number of cells of a class by a reader below which nothing is decided,
        30 by default.
    n_slides : int, default=None
        Number of slides. None finds the smallest of 10 to 300 that has the power.
    n_cells : int or list of int, default=200
        Cells on a slide by each reader and the model. Of several numbers, the one with the fewest
        cells in all is taken.
    same_cells : bool, default=True
        Whether readers and model label the same cells, or count cells of their own.
    reader_errors : float in [0, 1), default=0.03
        Share of the cells whose label a reader draws from `shares`: errors without a bias on
        average.
    model_errors : float, EvaluationReport or array-like of shape (n_classes, n_classes), \
default=0.03
        The same of the model, or its confusion matrix on other cells, with its biases.
    spread : float, default=40
        How alike the slides are: their shares have a Dirichlet distribution with this sum of
        parameters. With 40, a share of 60 % has a standard deviation of 7.7 % points.
    power : float in (0, 1), default=0.9
        Share of the simulated studies that must pass.
    n_simulations : int, default=200
        Simulated studies of each number of slides and cells; fewer where it cannot reach the power.
    confidence_level : float in (0, 1), default=0.95
        Confidence level of all intervals.
    random_state : int, RandomState instance or None, default=0
        Seed of the simulation.
    verbose : int, default=0
        Above 0, a line is printed for each number of slides and cells.

    Returns
    -------
    plan : ValidationPlan

    Raises
    ------
    ValueError
        If shares, limits or numbers are not possible.

    Warns
    -----
    UserWarning
        If no number of slides has the power; names the criteria that most often fail to pass.

    See Also
    --------
    validate_differentials : Analyze the study.

    Notes
    -----
    In the reference method of CLSI H20 [1]_ two examiners count 200 cells each. A validation in the
    local laboratory, before results are reported, is what [2]_ asks for, and [3]_ reviews for
    digital morphology. The numbers that they do not give are those of the user here: acceptance
    limits come from the clinical use. Criteria pass if the whole interval is within the limit, so
    that the power depends on slides and cells; rare classes need slides on which they are not rare.

    The errors of a slide are multiplied by a factor with mean 1 and a standard deviation of 0.71:
    some slides are harder to read. A simulation does not know the biases of a model at a new site;
    a confusion matrix from there tells them.

    References
    ----------
    .. [1] CLSI H20-Ed3: Reference leukocyte differential count (proportional) and evaluation of
       instrumental methods.
    .. [2] Briggs et al. 2014: ICSH guidelines for the evaluation of blood cell analysers including
       those used for differential leucocyte and reticulocyte counting, International Journal of
       Laboratory Hematology 36:613.
    .. [3] Kratz et al. 2019: Digital morphology analyzers in hematology: ICSH review and
       recommendations, International Journal of Laboratory Hematology 41:437.

    Examples
    --------
    >>> from skblood.evaluation import plan_validation
    >>> shares = {"lymphocyte": 0.3, "monocyte": 0.1, "neutrophil": 0.6}
    >>> limits = {"bias": 0.02, "positive_agreement": 0.85, "overall": {"kappa": 0.85}}
    >>> plan = plan_validation(shares, limits, n_simulations=50)
    >>> plan.n_slides, plan.n_cells
    (20, 200)
    """
    check_level(confidence_level)
    if not 0 < power < 1:
        raise ValueError(f"`power` must be between 0 and 1, got {power}.")
    if not 0 < spread < math.inf:
        raise ValueError(f"`spread` must be above 0 and finite, got {spread}.")
    classes, expected = list(map(str, shares)), _check_shares(shares)
    limits = {"min_cells": _MIN_CELLS} | limits
    criteria = list_criteria(limits, classes, same_cells=same_cells)
    rates = [
        _error_rates(errors, expected, classes, name)
        for name, errors in {"reader_errors": reader_errors, "model_errors": model_errors}.items()
    ]
    sizes = list(product(np.atleast_1d(n_cells), _SLIDES if n_slides is None else [n_slides]))
    if min(map(min, sizes)) < _MIN_SLIDES or n_simulations < 1:
        raise ValueError("`n_slides` and `n_cells` must be 3 or more, `n_simulations` 1 or more.")
    names = {name for _, name, _ in criteria}

    def simulate(rng, *size):
        counts, tables = _draw_study(rng, *size, spread * expected, rates, same_cells)
        measures = measure(counts, tables, names, confidence_level)
        return measures, judge(criteria, classes, limits["min_cells"], counts, measures)

    with show_progress(verbose):
        tried = _search(simulate, sizes, power, n_simulations, draw_seed(random_state))
    enough = [row for row in tried if row["power"] >= power]
    chosen = min(enough or tried[-1:], key=lambda row: row["n_slides"] * row["n_cells"])
    if not enough:
        warnings.warn(_describe_lack(chosen, power), stacklevel=2)
    return ValidationPlan(
        classes=classes,
        shares=expected.tolist(),
        limits=limits,
        same_cells=same_cells,
        table=tried,
        assumptions={
            "reader_rates": rates[0].round(6).tolist(),
            "model_rates": rates[1].round(6).tolist(),
            "spread": spread,
            "n_simulations": n_simulations,
        },
        confidence_level=confidence_level,
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        **{name: chosen[name] for name in ("n_slides", "n_cells", "power")},
    )


def _check_shares(shares):
    """Return the shares as an array with the sum 1."""
    expected = np.array([*shares.values()], float)
    if len(expected) < 2 or not (np.isfinite(expected) & (expected > 0)).all():
        raise ValueError("`shares` must hold a share above 0 for each of two or more classes.")
    return expected / expected.sum()


def _describe_lack(chosen, power):
    rates = [f"{name} of {label} ({x:.0%})" for x, label, name in chosen["hardest"]]
    return (
        f"{chosen['n_slides']} slides of {chosen['n_cells']} cells have a power of "
        f"{chosen['power']:.2f}, not {power}. Least often met: {', '.join(rates)}. Take more "
        "slides or cells, slides on which rare classes are frequent, or wider limits."
    )


def _search(simulate, sizes, power, n_simulations, seed):
    """Return a dict for each number of cells and slides that is tried, until one is enough."""
    tried, enough = [], set()
    # A single size is not compared with others: its power is that of all simulations.
    most_failures = n_simulations
    if len(sizes) > 1:
        most_failures -= math.ceil(round(power * n_simulations, 6))
    for n_cells, n_slides in sizes:
        if n_cells in enough:
            continue
        rng, margins, passed, failures = np.random.default_rng(seed), [], [], 0
        while len(passed) < n_simulations and failures <= most_failures:
            measures, rows = simulate(rng, n_slides, n_cells)
            margins.append([each.value for each in measures["margin"]])
            passed.append([verdict == "pass" for *_, verdict in rows])
            failures += not all(passed[-1])
        reached = (len(passed) - failures) / len(passed)
        announce(f"{n_slides} slides of {n_cells} cells: power {reached:.2f}")
        rates = zip(np.mean(passed, axis=0).tolist(), rows, strict=True)
        tried.append(
            {
                "n_slides": int(n_slides),
                "n_cells": int(n_cells),
                "power": reached,
                "margin": np.mean(margins, axis=0).tolist(),
                "hardest": sorted([rate, str(row[0]), row[1]] for rate, row in rates)[:3],
            }
        )
        if reached >= power:
            enough.add(n_cells)
    return tried


def _draw_study(rng, n_slides, n_cells, concentration, rates, same_cells):
    """Return counts and tables of a simulated study, as `measure` takes them."""
    shares = rng.dirichlet(concentration, n_slides)
    factors = rng.gamma(_ERROR_SHAPE, 1 / _ERROR_SHAPE, n_slides)[:, None, None]
    reader, model = (_vary(each, factors) for each in rates)
    if not same_cells:
        labeled = (np.einsum("st,sti->si", shares, x) for x in (reader, reader, model))
        return np.stack([rng.multinomial(n_cells, x) for x in labeled]), None
    joint = np.einsum("st,sti,stj,stk->sijk", shares, reader, reader, model)
    cells = rng.multinomial(n_cells, joint.reshape(n_slides, -1)).reshape(joint.shape)
    return count_joint(cells)


def _vary(rates, factors):
    """Return the rates of each slide, whose errors are multiplied by a factor."""
    errors = rates - np.eye(len(rates))
    # Of no class more than all cells can be errors.
    return np.eye(len(rates)) + np.minimum(factors, 1 / max(-errors.min(), 1e-9)) * errors


def _error_rates(errors, shares, classes, name):
    """Return the shares of each true class (row) that are labeled as each class."""
    if not np.isscalar(errors):
        matrix = check_confusion(errors, classes, name) + np.eye(len(classes)) * 1e-9
        return matrix / matrix.sum(axis=1, keepdims=True)
    if not 0 <= errors < 1:
        raise ValueError(f"`{name}` must be at least 0 and below 1, or a matrix; got {errors}.")
    return (1 - errors) * np.eye(len(shares)) + errors * shares
