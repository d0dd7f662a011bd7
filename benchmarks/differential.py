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

# Laboratories whose model confuses one pair: (true class, predicted class, rate).
PAIRS = {
    "monocyte as lymphocyte, 20 %": [("monocyte", "lymphocyte", 0.2)],
    "lymphocyte and monocyte, 5 % each": [
        ("lymphocyte", "monocyte", 0.05),
        ("monocyte", "lymphocyte", 0.05),
    ],
    "lymphocyte as monocyte, 2 %": [("lymphocyte", "monocyte", 0.02)],
    "eosinophil as neutrophil, 10 %": [("eosinophil", "neutrophil", 0.1)],
    "neutrophil as ig, 2 %": [("neutrophil", "ig", 0.02)],
    "neutrophil as ig, 5 %": [("neutrophil", "ig", 0.05)],
}

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
error of a share; the preferred shares are those that `preferred` names, and the regret is their
error divided by the smaller one of the other two. The bias is the largest of a class, of the
corrected shares, in % points. The row `away_as_counted` has the intervals of Wilson, of the shares
as they are counted. In the rows of pairs all laboratories confuse one pair of classes and no other,
and validate 10 or 40 cells of each class. With 40, a confusion of 2 % of the most common class is
not seen at all in 45 % of the laboratories; where it is seen too often, the share of the rare class
stops at 0. So no share in 0..1 is without bias there."""

COLUMNS = {
    "coverage": ("coverage", ".3f"),
    "lowest": ("lowest of a size", ".3f"),
    **{f"of_{n}": (f"{n} cells", ".3f") for n in SIZES},
    **{name: (name, ".3f") for name in CLASSES},
    "error_counted": ("error as counted, % points", ".2f"),
    "error": ("error, % points", ".2f"),
    "error_preferred": ("error as preferred, % points", ".2f"),
    "regret": ("regret", ".3f"),
    "bias": ("bias, % points", ".2f"),
    "preferring": ("corrected is preferred", ".0%"),
}


def measure(make_rates, n_validation, correct, options):
    """Simulate laboratories and their slides, and count how often intervals hold the truth."""
    rng = np.random.default_rng(0)
    held, errors, errors_counted, biases, preferred = [], [], [], [], []
    for _ in range(20 if options.quick else N_LABS):
        rates = make_rates(rng)
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
        biases.append((found.shares - truth).mean(axis=0))
        preferred.append(found.preferred == "corrected")
    error, counted = np.mean(errors), np.mean(errors_counted)
    error_preferred = np.where(preferred, errors, errors_counted).mean()
    held = np.reshape(held, (-1, len(SIZES), len(CLASSES)))
    of_sizes = held.mean(axis=(0, 2))
    return {
        "coverage": float(held.mean()),
        "lowest": float(of_sizes.min()),
        **{f"of_{n}": float(share) for n, share in zip(SIZES, of_sizes, strict=True)},
        **dict(zip(CLASSES, map(float, held.mean(axis=(0, 1))), strict=True)),
        "error_counted": 100 * float(counted),
        "error": 100 * float(error),
        "error_preferred": 100 * float(error_preferred),
        "regret": float(error_preferred / min(error, counted)),
        "bias": 100 * float(np.abs(np.mean(biases, axis=0)).max()),
        "preferring": float(np.mean(preferred)),
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


def confuse_pairs(pairs, rng):
    """Return the rates of a model that confuses these pairs only; `rng` is not used."""
    rates = np.eye(len(CLASSES))
    for true, predicted, rate in pairs:
        i, j = CLASSES.index(true), CLASSES.index(predicted)
        rates[i, [i, j]] += -rate, rate
    return rates


BARS = {"coverage": Bar("<=", 0.97), "lowest": Bar(">=", 0.93)}
# Of a tenth of the slides the coverage itself is known to a percent or two only.
QUICK_BARS = {"coverage": Bar("<=", 0.99), "lowest": Bar(">=", 0.9)}
# 20 laboratories of a quick run do not tell a regret or a bias.
REGRET = {"regret": Bar("<=", 1.05)}
BIAS = {"bias": Bar("<=", 0.3)}
CASES = {
    "home": ("1 % errors, validated on 1,539 images", 0.01, 1539),
    "home_poor": ("1 % errors, validated on 300 images", 0.01, 300),
    "away": ("20 % errors, validated on 1,539 images", 0.2, 1539),
    "away_poor": ("20 % errors, validated on 300 images", 0.2, 300),
}


def validate_images(n_images):
    """Return the validation cells of each class of as many images of PBC."""
    return np.maximum(np.round(VALIDATION * n_images / 1539).astype(int), 1)


def make_row(what, error, n_images, correct=True):
    """Return the row of laboratories that confuse all classes."""
    work = partial(measure, partial(draw_rates, error), validate_images(n_images), correct)
    bars = BARS | REGRET if correct else {}
    return Row(what, work, bars, quick_bars=QUICK_BARS if correct else {})


def make_pair_row(what, n_each):
    """Return the row of laboratories that confuse one pair."""
    n_validation = np.full(len(CLASSES), n_each)
    work = partial(measure, partial(confuse_pairs, PAIRS[what]), n_validation, True)
    bars = REGRET | (BIAS if n_each >= 40 and "neutrophil as" not in what else {})
    return Row(f"{what}, {n_each} cells a class", work, bars, quick_bars={})


BENCHMARK = Benchmark(
    "differential",
    "How often the intervals of a differential count hold the truth",
    TEXT,
    {
        **{name: make_row(*case) for name, case in CASES.items()},
        "away_as_counted": make_row("20 % errors, not corrected", 0.2, 1539, correct=False),
        **{
            f"pair_{i}_{n}": make_pair_row(what, n)
            for i, what in enumerate(PAIRS, 1)
            for n in (10, 40)
        },
    },
    COLUMNS,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
