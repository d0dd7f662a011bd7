"""A model in a laboratory: as it is, adapted to the cells, and to a few that are labelled."""

import time

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, ClassifierMixin

from benchmarks.next_lab._figures import LABELLED, OFTEN, Reading
from benchmarks.next_lab._labs import draw_each
from skblood import adapt
from skblood.uncertainty import PredictionSets

LEVEL = 0.9
# Whether the cells that are read have been seen without labels, and how the state is called.
_WITH_REST = {False: "", True: ", rest unlabelled"}
# With fewer cells for calibration, sets of that level hold all labels.
_FEWEST = 9


def read_at_home(model, laboratory, calibration):
    """Return what a model takes the test cells at home for; see `read_elsewhere`."""
    X = laboratory.X
    return {"home": [_read(model, X, np.arange(len(X)), calibration)]}


def read_elsewhere(model, laboratory, calibration, draws, n_jobs=1):
    """Return what a model takes the cells of a laboratory for, in each state.

    Parameters
    ----------
    model : fitted classifier of skblood
    laboratory : Laboratory
    calibration : Laboratory
        Cells at home, which prediction sets are calibrated with as long as no cell of the
        laboratory is labelled.
    draws : int
        Draws of the cells that are labelled; 0 labels none.
    n_jobs : int, default=1
        Draws at a time, each in a process of its own.

    Returns
    -------
    readings : dict of str to list of Reading
    """
    X, codes = laboratory.X, np.searchsorted(model.classes_, laboratory.y)
    everything = np.arange(len(X))
    some, others = np.array_split(np.random.default_rng(0).permutation(everything), 2)
    unseen = [
        _read_adapted(model, X, seen, rows, calibration)
        for seen, rows in ((some, others), (others, some))
    ]
    return {
        "zero-shot": [_read(model, X, everything, calibration)],
        "unlabelled": [_read_adapted(model, X, everything, everything, calibration)],
        "unlabelled, others": [unseen[0].beside(unseen[1])],
        **_read_labelled(model, X, codes, draws, n_jobs),
    }


def _read_adapted(model, X, seen, rows, calibration):
    adapted, account = _adapt(model, X[seen])
    return _read(adapted, X, rows, calibration, **account)


def _read(model, X, rows, calibration, **account):
    proba = model.predict_proba(X[rows])
    sets = prediction_sets(
        model.predict_proba(calibration.X),
        np.searchsorted(model.classes_, calibration.y),
        proba,
    )
    return Reading(rows, proba, sets, **account)


def _read_labelled(model, X, codes, draws, n_jobs):
    """Adapt to some labelled cells of each class, draw by draw, and read the others."""
    counts = np.bincount(codes, minlength=len(model.classes_))
    # Half of the cells of a class at most, so that there are some to be read.
    drawn = {
        k: np.where(counts >= OFTEN, np.minimum(k, counts // 2), 0)
        for k in LABELLED
        if counts.max() >= max(2 * k, OFTEN)
    }
    each_k, states = list(drawn.values()), {}
    for with_rest, beside in _WITH_REST.items() if draws else ():
        readings = Parallel(n_jobs, max_nbytes=None)(
            delayed(_read_draw)(model, X, codes, each_k, draw, with_rest) for draw in range(draws)
        )
        for k, *each in zip(drawn, *readings, strict=True):
            states[f"{k} labelled{beside}"] = each
    return states


def _read_draw(model, X, codes, drawn, draw, with_rest):
    """Return a reading for each number of labelled cells, all from one order of the cells."""
    labelled, proba, readings = np.array([], int), None, []
    for counts in drawn:
        # Those of the smaller number are among them: what the model adapted to these has not seen,
        # or not with labels, calibrates its prediction sets.
        before, labelled = labelled, draw_each(codes, counts, np.random.default_rng(draw))
        fresh, rest = np.setdiff1d(labelled, before), np.setdiff1d(np.arange(len(X)), labelled)
        sets = None
        if proba is not None and len(fresh) >= _FEWEST:
            sets = prediction_sets(proba[fresh], codes[fresh], proba[rest])
        seen = np.concatenate([labelled, rest]) if with_rest else labelled
        y = np.full(len(seen), None, object)
        y[: len(labelled)] = model.classes_[codes[labelled]]
        adapted, account = _adapt(model, X[seen], y, seed=draw)
        proba = adapted.predict_proba(X)
        readings.append(Reading(rest, proba[rest], sets, len(labelled), **account))
    return readings


def _adapt(model, *cells, seed=0):
    """Return the adapted model; and what it did, and the seconds that it took."""
    start = time.perf_counter()
    adapted = adapt(model, *cells, random_state=seed)
    seconds = time.perf_counter() - start
    steps = " + ".join(adapted.adaptation_.steps) or "unchanged"
    return adapted, {"seconds": seconds, "steps": steps}


def prediction_sets(calibration, codes, proba):
    """Return prediction sets of some cells, calibrated with others.

    Parameters
    ----------
    calibration, proba : ndarray of shape (n, n_classes)
        Probabilities of those that calibrate, and of those that the sets are for.
    codes : ndarray of int of shape (n,)
        The true classes of those that calibrate.

    Returns
    -------
    sets : ndarray of bool of shape (n, n_classes)
    """
    known = _Known().fit(calibration, codes)
    return PredictionSets(known, confidence_level=LEVEL).fit(calibration, codes).predict_sets(proba)


class _Known(ClassifierMixin, BaseEstimator):
    """A classifier whose X are probabilities, which it returns: no image is predicted twice."""

    def fit(self, X, y):
        self.classes_ = np.arange(X.shape[1])
        return self

    def predict_proba(self, X):
        return X
