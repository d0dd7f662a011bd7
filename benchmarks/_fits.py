"""Fits of one row of a benchmark, each scored once and kept with the results."""

import time

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from benchmarks._measure import summary
from benchmarks._report import read_rows
from skblood.datasets import load_image_folder


def draw(y, n_per_class, seed):
    """Return the positions of as many cells of each class, or of all (None)."""
    if n_per_class is None:
        return np.arange(len(y))
    rng = np.random.default_rng(seed)
    return np.concatenate(
        [rng.permutation(np.flatnonzero(y == c))[:n_per_class] for c in np.unique(y)]
    )


def fit_and_score(file, row, wanted, options, part="test"):
    """Fit what has no scores in a file of results yet, and return the scores of all fits.

    Parameters
    ----------
    file : Path or None
        The file of results, if there is one.
    row : str
        The row of the benchmark.
    wanted : dict of str to (callable, int or None, int)
        For each fit: what fits paths and labels, the number of training cells of each class (None:
        all), and the seed.
    options : argparse.Namespace
    part : str
        The cells to score.

    Returns
    -------
    fits : dict of str to dict
        `accuracy`, `f1_macro` and `minutes` of each fit.
    """
    known = {} if file is None else read_rows(file)
    fits = dict(known.get(row, {}).get("figures", {}).get("fits", {}))
    X, y = load_image_folder(options.data, split="train", return_X_y=True)
    X_test, y_test = load_image_folder(options.data, split=part, return_X_y=True)
    for key, (fit, n_per_class, seed) in wanted.items():
        if key in fits:
            continue
        rows = draw(y, n_per_class, seed)
        start = time.perf_counter()
        model = fit(X[rows], y[rows])
        minutes = (time.perf_counter() - start) / 60
        predicted = model.predict(X_test)
        fits[key] = {
            "accuracy": accuracy_score(y_test, predicted),
            "f1_macro": f1_score(y_test, predicted, average="macro"),
            "minutes": minutes,
        }
        print(f"  {key}: {fits[key]}", flush=True)
    return fits


def spread(fits, prefix, name):
    """Return mean, least and most of the fits whose keys begin so, as figures of a name."""
    runs = [fit for key, fit in fits.items() if key.startswith(prefix)]
    keys = ("accuracy", "f1_macro", "minutes") if runs else ()
    return {f"{key}_{name}": summary([run[key] for run in runs]) for key in keys}
