"""What a model is worth in a laboratory: as it is, adapted without labels, and with a few."""

from contextlib import suppress

import numpy as np
from sklearn.metrics import f1_score

from benchmarks._labs import divide
from skblood import adapt, measured_crop, reconfigure
from skblood.estimators import class_factors
from skblood.evaluation import EvaluationReport
from skblood.uncertainty import PredictionSets

# Cells of a class that are labeled; the sets are calibrated with those of CALIBRATED that are new.
LABELLED = (5, 10, 20)
CALIBRATED = 10
LEVEL = 0.9
# With fewer cells for calibration, sets of that level hold all labels.
_FEWEST = 9
# Classes with fewer cells than these are left out of "common".
_COMMON = 10


def measure(model, laboratory, seeds=(), labeled=LABELLED, unlabeled=False, log=print):
    """Return the figures of a model in a laboratory.

    Parameters
    ----------
    model : fitted classifier of skblood
    laboratory : Laboratory
    seeds : sequence of int
        Of the draws of labeled cells; none labels none.
    labeled : tuple of int
        Cells of a class that are labeled, increasing.
    unlabeled : bool
        Whether `adapt` is also given the other cells of the labeled half, without their labels.
    log : callable
        Is told what has been measured.

    Returns
    -------
    figures : dict
        "crop", "steps", "unlabeled" (of each state, see `figures_of`), and with seeds "labeled"
        (the same for 0 and each number of `labeled`, means over the seeds), "draws" (the
        "common" of each seed), "gain" and "sets".
    """
    figures, zero = _without_labels(model, laboratory, log)
    if not seeds:
        return figures
    found = [_draw(model, laboratory, zero, labeled, unlabeled, seed) for seed in seeds]
    draws, sets = zip(*found, strict=True)
    means = average(draws)
    common = {k: each["common"] for k, each in means.items()}
    log("  labeled " + ", ".join(f"{k}: {value:.3f}" for k, value in common.items()))
    figures |= {"labeled": means, "draws": {k: [d[k]["common"] for d in draws] for k in means}}
    figures["gain"] = min(value - common["0"] for k, value in common.items() if k != "0")
    if sets := [each for each in sets if each]:
        covered = [each["coverage"] for each in sets]
        figures["sets"] = average(sets) | {"least": min(covered), "most": max(covered)}
    return figures


def measure_home(model, laboratory):
    """Return the figures of a model at home, as `measure` does."""
    proba = model.predict_proba(laboratory.X)
    return {"unlabeled": {"as they come": figures_of(model, laboratory, proba, interval=True)}}


def _without_labels(model, laboratory, log):
    """Return the figures of each state, and the adapted model with its probabilities."""
    # Models of earlier versions do not know how large their cells were.
    knows_size = "cell_size" in model.training_data_
    crop = float(measured_crop(model, laboratory.X) if knows_size else model.spec_.crop)
    adapted = adapt(model, laboratory.X, random_state=0)
    states = {"as they come": model, "frame": reconfigure(model, crop=crop), "adapt": adapted}
    figures = {}
    for name, state in states.items():
        proba = state.predict_proba(laboratory.X)
        figures[name] = figures_of(state, laboratory, proba, interval=True)
        log(f"  {name}: {figures[name]['balanced_accuracy']:.3f}")
    steps = " + ".join(adapted.adaptation_.steps) or "unchanged"
    return {"crop": crop, "steps": steps, "unlabeled": figures}, (adapted, proba)


def _draw(model, laboratory, zero, labeled, unlabeled, seed):
    """Label some cells of one half of the groups, and read the other half.

    `zero` is the model for 0 labels and its probabilities of all cells. Returns the figures for
    each number of labels, and those of the prediction sets or None.
    """
    rng, X, y = np.random.default_rng(seed), laboratory.X, laboratory.y
    pool, rest = divide(y, laboratory.groups, rng)
    pool = rng.permutation(pool)
    figures = {"0": figures_of(zero[0], laboratory, zero[1][rest], rest)}
    sets, adapted, rows = None, None, np.array([], int)
    for k in labeled:
        # The smaller number is among the larger one.
        seen, rows = rows, np.concatenate([pool[y[pool] == c][:k] for c in np.unique(y)])
        fresh = np.setdiff1d(rows, seen)
        if k == CALIBRATED and adapted is not None and len(fresh) >= _FEWEST:
            found = PredictionSets(adapted, confidence_level=LEVEL).fit(X[fresh], y[fresh])
            found = found.coverage(X[rest], y[rest])
            sets = {"coverage": found.marginal, "size": found.mean_size}
        given = pool if unlabeled else rows
        known = np.where(np.isin(given, rows), y[given], None)
        adapted = adapt(model, X[given], known, random_state=seed)
        figures[str(k)] = figures_of(adapted, laboratory, adapted.predict_proba(X[rest]), rest)
        figures[str(k)]["n_labelled"] = len(rows)
    return figures, sets


def figures_of(model, laboratory, proba, rows=slice(None), interval=False):
    """Return the scores of the probabilities of some cells of a laboratory.

    Returns
    -------
    figures : dict
        "balanced_accuracy" (mean recall of the classes that are there), "accuracy" and "f1_macro";
        "told" and "blood", the same with the classes ruled out that the laboratory does not have,
        and with the shares of normal blood as well; "recall" of each class; "common", the mean
        recall of the classes of which the laboratory has 10 cells and more; and on request
        "interval", of the balanced accuracy (95 %, by groups).
    """
    y, (labels, counts) = laboratory.y[rows], np.unique(laboratory.y, return_counts=True)
    predicted = model.classes_[proba.argmax(axis=1)]
    told = np.where(np.isin(model.classes_, labels), proba, -1)
    figures = _scores(y, predicted) | {
        "told": _scores(y, model.classes_[told.argmax(axis=1)]),
        "recall": _recalls(y, predicted),
        "n_cells": len(y),
    }
    with suppress(ValueError):  # a class of which the shares of blood know nothing
        # What `reconfigure` multiplies with, so that the network runs once.
        blood = np.divide(class_factors(model, labels, "blood"), model.spec_.class_factors or 1)
        figures["blood"] = _scores(y, model.classes_[(proba * blood).argmax(axis=1)])
    known = [figures["recall"].get(label) for label in labels[counts >= _COMMON]]
    figures["common"] = average(known) if known else None
    if interval:
        groups = None if laboratory.groups is None else laboratory.groups[rows]
        report = EvaluationReport.from_predictions(
            y, predicted, classes=model.classes_, groups=groups
        )
        found = report.scores["balanced_accuracy"]
        figures["interval"] = [float(found.low), float(found.high)]
    return figures


def _recalls(y, predicted):
    return {str(c): float(np.mean(predicted[y == c] == c)) for c in np.unique(y)}


def _scores(y, predicted):
    return {
        "balanced_accuracy": float(np.mean([*_recalls(y, predicted).values()])),
        "accuracy": float(np.mean(y == predicted)),
        "f1_macro": float(f1_score(y, predicted, average="macro", zero_division=0)),
    }


def average(figures):
    """Return the means of nested dicts and lists of numbers, None left out; texts are listed."""
    first = figures[0]
    if isinstance(first, dict):
        names = dict.fromkeys(name for each in figures for name in each)
        return {name: average([each[name] for each in figures if name in each]) for name in names}
    if isinstance(first, list):
        return [average(each) for each in zip(*figures, strict=True)]
    if isinstance(first, str):
        return " / ".join(dict.fromkeys(figures))
    known = [each for each in figures if each is not None]
    return float(np.mean(known)) if known else None
