"""Scores of predictions, after all checks of what was given."""

import numpy as np

from skblood._labels import (
    check_lengths,
    check_probabilities,
    encode_groups,
    encode_labels,
    resolve_classes,
)
from skblood.evaluation._cell_table import tabulate_cells
from skblood.evaluation._estimates import estimate_losses, estimate_scores
from skblood.evaluation._intervals import check_level
from skblood.inference import draw_seed


def score_predictions(
    y_true, y_pred, y_proba, classes, groups, shares, names, *, random_state, **settings
):
    """Return what an `EvaluationReport` has of its predictions, by parameter.

    See `EvaluationReport.from_predictions`.
    """
    level = settings["confidence_level"]
    check_level(level)
    if settings["n_resamples"] < 1:
        raise ValueError(f"`n_resamples` must be at least 1, got {settings['n_resamples']}.")
    classes = resolve_classes(classes, y_true=y_true, y_pred=y_pred)
    true = encode_labels(y_true, classes, "y_true")
    predicted = encode_labels(y_pred, classes, "y_pred")
    check_lengths(y_true=len(true), y_pred=len(predicted))
    if not len(true):
        raise ValueError("`y_true` is empty. Give the labels of at least one image.")
    if y_proba is not None:
        y_proba = check_probabilities(y_proba, len(true), classes)
    cells = tabulate_cells(true, predicted, y_proba, classes, groups=groups, names=names)
    n_groups, places = None, np.zeros(len(true), int)
    if groups is not None:
        distinct, places = encode_groups(groups, len(true))
        n_groups = len(distinct)
    if n_groups == 1:
        raise ValueError("`groups` holds a single group: give several, or leave `groups` out.")
    tables = np.zeros((n_groups or 1, len(classes), len(classes)), int)
    np.add.at(tables, (places, true, predicted), 1)
    if shares is not None:
        from skblood.estimators import read_prior

        shares = read_prior(shares, classes, tables.sum(axis=(0, 2)) > 0, "shares")
    grouped = n_groups is not None
    scores, class_scores = estimate_scores(tables, level, grouped=grouped, shares=shares)
    if y_proba is not None:
        rng = np.random.default_rng(draw_seed(random_state))
        scores |= estimate_losses(true, y_proba, places if grouped else None, rng=rng, **settings)
    return settings | {
        "classes": classes,
        "confusion_matrix": tables.sum(axis=0),
        "scores": scores,
        "class_scores": class_scores,
        "n_groups": n_groups,
        "cells": cells,
    }
