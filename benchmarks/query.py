"""Measure what the choice of the cells to label is worth, beside a random choice.

    python -m benchmarks.query [--quick] [--only LABORATORY ...] [--model NAME] [--data FOLDER]

The exit status is 1 when chosen cells are, over all numbers of labels, worse than random ones.
"""

import sys
from functools import partial

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from benchmarks._command import Benchmark, Row, run
from benchmarks._labs import SOURCES, divide, load_model, read_laboratory
from benchmarks._measure import summary
from benchmarks._report import Bar, lines_of
from skblood import measured_crop, query, reconfigure

LABS = {
    "chula": "video frames of a low-cost microscope",
    "jhu": "blood of patients with acute leukemia",
    "bionet": "cells on backgrounds of several colors",
    "wbc_tecom": "another stain and camera",
}
LABELS = (5, 10, 20, 40, 80)
# Numbers of labels between which random choices are interpolated.
_CURVE = (3, 5, 7, 10, 14, 20, 28, 40, 56, 80, 110)
_RANDOM_CHOICES = 5
# Classes with fewer cells than these are not scored.
_COMMON = 10
TEXT = """\
Slides or patients are divided at random into two halves of about equal classes (a round each). The
cells of one half are labeled, in the order of `skblood.query` or in five random ones; a logistic
regression with balanced classes is fitted to their standardized inputs of the model's output layer
(it stands for `adapt`, which is slower), and scored on the other half: mean recall of the classes
with 10 cells and more. Images are in the frame of `measured_crop`. *Random* and *query* are means,
*gain* is the median of the rounds (least to most). *As good as* is the number of random labels with
the mean score of the chosen ones (110: as many or more); *expected*, this number by
`CellQuery.n_random`, without labels. Weights of the choice were chosen on these laboratories."""


def measure(name, options):
    """Return the figures of a laboratory: those of each number of labels, as lines."""
    model = load_model(options.model)
    laboratory = read_laboratory(name, options.data.parents[1], model.classes_.tolist(), 250)
    model = reconfigure(model, crop=measured_crop(model, laboratory.X))
    images, y = model.read_images(laboratory.X), laboratory.y
    features = model.predictor_.penultimate(images)
    labels, counts = np.unique(y, return_counts=True)
    common = labels[counts >= _COMMON]
    chosen, randomly, expected = [], [], []
    for seed in range(options.repeats):
        rng = np.random.default_rng(seed)
        pool, rest = divide(y, laboratory.groups, rng)
        inputs = StandardScaler().fit(features[pool]).transform(features)
        found = query(model, images[pool], LABELS[-1], random_state=seed)
        expected.append(found.n_random[np.array(LABELS) - 1])
        orders = [found.indices, *(rng.permutation(len(pool)) for _ in range(_RANDOM_CHOICES))]
        curves = [
            [_score(inputs, y, pool[order[:k]], rest, common) for k in sizes]
            for order, sizes in zip(orders, [LABELS] + [_CURVE] * _RANDOM_CHOICES, strict=True)
        ]
        chosen.append(curves[0])
        randomly.append(np.mean(curves[1:], axis=0))
    chosen, randomly = np.array(chosen), np.array(randomly)
    at_labels = randomly[:, [_CURVE.index(k) for k in LABELS]]
    curve = np.maximum.accumulate(randomly.mean(axis=0))
    figures = {
        "random": at_labels.mean(axis=0),
        "query": chosen.mean(axis=0),
        "as_good_as": np.interp(chosen.mean(axis=0), curve, _CURVE),
        "expected": np.mean(expected, axis=0),
    }
    lines = {
        f"{k} labels": {key: float(values[i]) for key, values in figures.items()}
        | {"gain": summary(chosen[:, i] - at_labels[:, i])}
        for i, k in enumerate(LABELS)
    }
    lines["mean"] = {key: float(figures[key].mean()) for key in ("random", "query")}
    gain = lines["mean"]["mean_gain"] = summary((chosen - at_labels).mean(axis=1))
    return {"lines": lines, "mean_gain": gain}


def _score(inputs, y, rows, rest, common):
    """Return the mean recall in the other half of a head fitted to the labeled rows."""
    known = np.unique(y[rows])
    if len(known) == 1:
        predicted = np.repeat(known, len(rest))
    else:
        head = LogisticRegression(C=0.01, class_weight="balanced", max_iter=500)
        predicted = head.fit(inputs[rows], y[rows]).predict(inputs[rest])
    return np.mean([np.mean(predicted[y[rest] == c] == c) for c in common if c in y[rest]])


BENCHMARK = Benchmark(
    name="query",
    title="Which cells to label",
    text=f"{TEXT}\n\n{SOURCES}",
    rows={
        name: Row(what, partial(measure, name), {"mean_gain": Bar(">=", 0.0)}, True)
        for name, what in LABS.items()
    },
    columns={
        "random": ("random", ".3f"),
        "query": ("query", ".3f"),
        "gain": ("gain", "+.3f"),
        "as_good_as": ("as good as", ".0f"),
        "expected": ("expected", ".0f"),
        "mean_gain": ("mean gain", "+.3f"),
    },
    add_options=lambda parser: parser.add_argument("--model", default="pbc8"),
    lines=lines_of,
)


if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
