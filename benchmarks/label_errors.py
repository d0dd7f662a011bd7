"""Measure how many wrong labels the audit finds among cells of which 2 % have a wrong label.

python -m benchmarks.label_errors [--quick] [--only NOISE ...] [--model NAME] [--data FOLDER]
"""

import sys
from functools import partial

import numpy as np

from benchmarks._command import Benchmark, Row, run
from benchmarks._labs import load_model
from benchmarks._measure import summary
from benchmarks._report import Bar
from skblood.auditing import confident_errors, out_of_fold_probabilities
from skblood.datasets import load_image_folder

_SHARE, _FIRST = 0.02, 100
# A class needs as many cells as there are folds, also in the quick form.
_QUICK = 800
TEXT = """\
The validation and test cells of PBC (Acevedo et al. 2020, Data in Brief 30:105474, CC BY 4.0; own
split), which the pretrained model has not seen, 4,616 together. 2 % get a wrong label (92): a
random one (*uniform*), or the class that the model takes for the most probable other one
(*confusable*). The labels are checked as by `audit(..., probabilities="out-of-fold")`. *Found* is
how many cells are suspected, *precision* the share of planted ones among them (among the first
100, if there are more), *recall* the share of the planted ones that are suspected, *suggested*
the share of these for which the true class is suggested. *First 100* is the share of planted ones
among the 100 cells with the largest margin against their label, suspected or not (.92 would be
all). Medians over the rounds, least to most. PBC's own label errors count as false alarms."""


def measure(noise, options):
    """Return the figures of one kind of wrong labels."""
    model = load_model(options.model)
    parts = [load_image_folder(options.data, split=s, return_X_y=True) for s in ("val", "test")]
    X, y = (np.concatenate(each) for each in zip(*parts, strict=True))
    if options.quick:
        X, y = (each[np.random.default_rng(0).permutation(len(y))[:_QUICK]] for each in (X, y))
    images = model.read_images(X)
    features, proba = model.predictor_.penultimate(images), model.predict_proba(images)
    truth = np.searchsorted(model.classes_, y)
    rounds = [_plant(noise, features, proba, truth, seed) for seed in range(options.repeats)]
    return {key: summary([each[key] for each in rounds]) for key in rounds[0]}


def _plant(noise, features, proba, truth, seed):
    rng = np.random.default_rng(seed)
    planted = rng.permutation(len(truth))[: round(_SHARE * len(truth))]
    codes, n_classes = truth.copy(), proba.shape[1]
    if noise == "uniform":
        shift = rng.integers(1, n_classes, len(planted))
        codes[planted] = (truth[planted] + shift) % n_classes
    else:
        others = np.where(np.eye(n_classes)[truth[planted]], -1, proba[planted])
        codes[planted] = others.argmax(axis=1)
    found_proba = out_of_fold_probabilities(features, codes, np.arange(len(codes)))
    found, suggested = confident_errors(codes, found_proba)
    hit = np.isin(found, planted)
    given = found_proba[np.arange(len(codes)), codes]
    others = np.where(np.eye(n_classes)[codes], -1, found_proba).max(axis=1)
    first = np.argsort(given - others, kind="stable")[:_FIRST]
    return {
        "found": len(found),
        "precision": hit[:_FIRST].mean(),
        "recall": hit.sum() / len(planted),
        "suggested": (suggested == truth[found])[hit].mean(),
        "first": np.isin(first, planted).mean(),
    }


BARS = {"precision": Bar(">=", 0.85), "recall": Bar(">=", 0.8)}
BENCHMARK = Benchmark(
    name="label_errors",
    title="Wrong labels that the audit finds",
    text=TEXT,
    rows={
        noise: Row(what, partial(measure, noise), BARS, True)
        for noise, what in {
            "uniform": "a random other class",
            "confusable": "the most similar other class",
        }.items()
    },
    columns={
        "found": ("found", ".0f"),
        "precision": ("precision", ".3f"),
        "recall": ("recall", ".3f"),
        "suggested": ("suggested", ".3f"),
        "first": ("first 100", ".2f"),
    },
    add_options=lambda parser: parser.add_argument("--model", default="blood8-2"),
)


if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
