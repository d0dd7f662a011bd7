"""Measure how often the intervals of a differential count hold the truth, on simulated slides.

python -m benchmarks.differential [--quick]
"""

import sys
from functools import partial

import numpy as np

from benchmarks._command import Benchmark, Row, run
from benchmarks._report import Bar
from skblood.evaluation import DifferentialCount

# The shares of a slide, on average: a differential count of an adult, with some immature cells.
SHARES = {
    "neutrophil": 60,
    "lymphocyte": 30,
    "monocyte": 6,
    "eosinophil": 2.5,
    "basophil": 0.5,
    "erythroblast": 0.5,
    "ig": 0.5,
}
CLASSES = list(SHARES)
# Validation cells: those of the `val` images of PBC, or the same in small.
VALIDATION = np.array([300, 109, 128, 281, 110, 140, 260])
SIZES = (100, 200, 400)
# How readily classes are taken for one another, beside all other pairs at 0.3.
ALIKE = {
    ("neutrophil", "ig"): 3,
    ("ig", "monocyte"): 3,
    ("lymphocyte", "monocyte"): 3,
    ("lymphocyte", "erythroblast"): 2,
    ("neutrophil", "eosinophil"): 1.5,
    ("lymphocyte", "basophil"): 1,
    ("ig", "basophil"): 1,
    ("neutrophil", "monocyte"): 1,
}
N_LABS, N_SLIDES = 200, 5

TEXT = """\
Slides with random shares (on average neutrophil 60 %, lymphocyte 30, monocyte 6, eosinophil 2.5,
basophil, erythroblast and ig 0.5 each; of each slide times a log-normal factor of sigma 0.5). 200
laboratories, each with error rates of its own (of each class on average those of the row, times a
log-normal factor of sigma 0.4; to classes at random, more often to similar ones), with validation
cells in which the confusions are counted once (the 1,328 white cells and erythroblasts of a split
of 1,539 images that 211 platelets are in, in the proportions of the `val` images of PBC, or those
of 300 images), and with 5 slides, of which 100, 200 and 400 cells are counted: 1,000 slides of each
size. Coverage is the share of intervals of 95 % that hold the true share of the class on the slide;
the seven columns are those of the classes, over all sizes. The error is the mean of the absolute
error of a share. The last row has the intervals of Wilson, of the shares as they are counted."""

COLUMNS = {
    "coverage": ("coverage", ".3f"),
    "lowest": ("lowest of a size", ".3f"),
    **{f"of_{n}": (f"{n} cells", ".3f") for n in SIZES},
    **{name: (name, ".3f") for name in CLASSES},
    "error_counted": ("error as counted, % points", ".2f"),
    "error": ("error, % points", ".2f"),
}


def measure(error, n_images, correct, options):
    """Simulate laboratories and their slides, and count how often intervals hold the truth."""
    rng = np.random.default_rng(0)
    held, errors, errors_counted = [], [], []
    for _ in range(20 if options.quick else N_LABS):
        rates = draw_rates(error, rng)
        n_validation = np.maximum(np.round(VALIDATION * n_images / 1539).astype(int), 1)
        confusion = np.stack(list(map(rng.multinomial, n_validation, rates)))
        truth = np.repeat([draw_shares(rng) for _ in range(N_SLIDES)], len(SIZES), axis=0)
        sizes = np.tile(SIZES, N_SLIDES)
        counts = np.stack(list(map(rng.multinomial, sizes, truth @ rates)))
        found = DifferentialCount.from_counts(
            counts, classes=CLASSES, confusion=confusion if correct else None, random_state=0
        )
        held.append((found.low <= truth) & (truth <= found.high))
        errors.append(np.abs(found.shares - truth).mean())
        errors_counted.append(np.abs(counts / sizes[:, None] - truth).mean())
    held = np.reshape(held, (-1, len(SIZES), len(CLASSES)))
    of_sizes = held.mean(axis=(0, 2))
    return {
        "coverage": float(held.mean()),
        "lowest": float(of_sizes.min()),
        **{f"of_{n}": float(share) for n, share in zip(SIZES, of_sizes, strict=True)},
        **dict(zip(CLASSES, map(float, held.mean(axis=(0, 1))), strict=True)),
        "error_counted": 100 * float(np.mean(errors_counted)),
        "error": 100 * float(np.mean(errors)),
    }


def draw_shares(rng):
    """Return the true shares of a slide."""
    shares = np.array(list(SHARES.values())) * np.exp(0.5 * rng.standard_normal(len(SHARES)))
    return shares / shares.sum()


def draw_rates(error, rng):
    """Return the shares of each class that a laboratory's model takes for each."""
    n = len(CLASSES)
    weights = np.full((n, n), 0.3)
    for (one, other), weight in ALIKE.items():
        i, j = CLASSES.index(one), CLASSES.index(other)
        weights[i, j] = weights[j, i] = weight
    rates = np.zeros((n, n))
    for i in range(n):
        wrong = min(error * np.exp(0.4 * rng.standard_normal() - 0.08), 0.6)
        others = np.arange(n) != i
        rates[i, others] = wrong * rng.dirichlet(2 * weights[i, others])
        rates[i, i] = 1 - wrong
    return rates


BARS = {"coverage": Bar("<=", 0.97), "lowest": Bar(">=", 0.93)}
# Of a tenth of the slides the coverage itself is known to a percent or two only.
QUICK_BARS = {"coverage": Bar("<=", 0.99), "lowest": Bar(">=", 0.9)}
CASES = {
    "home": ("1 % errors, validated on 1,539 images", 0.01, 1539),
    "home_poor": ("1 % errors, validated on 300 images", 0.01, 300),
    "away": ("20 % errors, validated on 1,539 images", 0.2, 1539),
    "away_poor": ("20 % errors, validated on 300 images", 0.2, 300),
}

BENCHMARK = Benchmark(
    "differential",
    "How often the intervals of a differential count hold the truth",
    TEXT,
    {
        **{
            name: Row(what, partial(measure, error, n, True), BARS, quick_bars=QUICK_BARS)
            for name, (what, error, n) in CASES.items()
        },
        "away_as_counted": Row("20 % errors, not corrected", partial(measure, 0.2, 1539, False)),
    },
    COLUMNS,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
