"""Measure the loop of a new laboratory: query, label, adapt, evaluate on slides not seen.

    python -m benchmarks.whole_loop [--quick] [--only LABORATORY ...] [--data FOLDER]

The exit status is 1 when 40 labeled cells do not raise the balanced accuracy.
"""

import sys
from functools import partial

import numpy as np

from benchmarks._command import Benchmark, Row, run
from benchmarks._labs import SOURCES, divide, load_model, read_laboratory
from benchmarks._measure import summary
from benchmarks._report import Bar
from skblood import adapt, query, reconfigure
from skblood.evaluation import evaluate

# Each with a model that was not trained on it.
LABS = {
    "chula": ("pbc8", "video frames of a low-cost microscope"),
    "jhu": ("blood8-2", "blood of patients with acute leukemia"),
    "bionet": ("blood8-2", "cells on backgrounds of several colors"),
}
N_LABELS = 40
TEXT = f"""\
Slides or patients are divided at random into two halves of about equal classes (a round each). Of
one half, `skblood.query` chooses {N_LABELS} cells, which get their labels, as by `skblood review`;
`skblood.adapt` takes these alone, or with the cells of this half that have no label. Balanced
accuracy on the other half, whose slides nobody has seen; medians of the rounds (least to most).
*Its crop* is the model as it was at the crop of the adapted one, from which the gain is counted.
*Corrected* are the labels among the {N_LABELS} that differ from the prediction. The models choose
among all of their 8 classes. blood8-2 was trained on chula, which is therefore left to pbc8."""


def measure(name, options):
    """Return balanced accuracies before and after the adaptation to a laboratory."""
    model = load_model(LABS[name][0])
    cells = read_laboratory(name, options.data.parents[1], model.classes_.tolist(), 250)
    rounds = [_measure_round(model, cells, seed) for seed in range(options.repeats)]
    return {key: summary([each[key] for each in rounds]) for key in rounds[0]}


def _measure_round(model, cells, seed):
    pool, rest = divide(cells.y, cells.groups, np.random.default_rng(seed))
    X, y, groups = cells.X[pool], cells.y[pool].astype(object), cells.groups[pool]
    chosen = query(model, X, N_LABELS, random_state=seed).indices
    partial_y = np.full(len(y), None)
    partial_y[chosen] = y[chosen]
    adapted = {
        "after": adapt(model, X[chosen], y[chosen], groups=groups[chosen], random_state=seed),
        "with_rest": adapt(model, X, partial_y, groups=groups, random_state=seed),
    }
    framed = reconfigure(model, crop=adapted["after"].spec_.crop)
    models = {"before": model, "framed": framed, **adapted}
    scores = {key: _score(each, cells, rest) for key, each in models.items()}
    wrong = int((model.predict(X[chosen]) != y[chosen]).sum())
    gain = scores["after"] - scores["framed"]
    return {**scores, "gain": gain, "corrected": wrong, "n_unseen": len(rest)}


def _score(model, cells, rest):
    report = evaluate(model, cells.X[rest], cells.y[rest], groups=cells.groups[rest])
    return report.scores["balanced_accuracy"].value


BENCHMARK = Benchmark(
    name="whole_loop",
    title="From a folder of cells to an adapted model",
    text=f"{TEXT}\n\n{SOURCES}",
    rows={
        name: Row(f"{model}; {what}", partial(measure, name), {"gain": Bar(">=", 0.0)}, True)
        for name, (model, what) in LABS.items()
    },
    columns={
        "corrected": ("corrected", ".0f"),
        "before": ("before", ".3f"),
        "framed": ("its crop", ".3f"),
        "after": (f"{N_LABELS} labels", ".3f"),
        "with_rest": ("and cells without a label", ".3f"),
        "gain": ("gain of the labels", "+.3f"),
        "n_unseen": ("cells of unseen slides", ".0f"),
    },
    repeats=3,
)


if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
