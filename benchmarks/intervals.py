"""Measure how often the intervals of an evaluation hold the true score, on simulated test sets.

python -m benchmarks.intervals [--quick]
"""

import sys
from functools import partial

import numpy as np

from benchmarks._command import Benchmark, Row, run
from benchmarks._report import Bar, lines_of
from skblood.evaluation._estimates import estimate_scores
from skblood.evaluation._intervals import proportion_interval

N_GROUPS = (5, 6, 10, 20, 40, 60)
TRUE = (0.8, 0.9, 0.95, 0.98, 0.995)
# Intraclass correlations of being right, within a group.
ALIKE = (0.0, 0.05, 0.1, 0.2)
MAX_SIZE = 30
N_SETS, N_SETS_OF_SCORES = 10_000, 500
# Images of each class, the first one rare.
CASES = {
    "rare_of_2": [3, 47],
    "rare_of_5": [3, 100, 100, 100, 100],
    "three_rare_of_8": [3, 4, 5, 300, 200, 100, 400, 350],
    "few_of_8": [10] * 8,
}
# Shares of the classes in groups.
SHARES = np.array([0.05, 0.15, 0.3, 0.5])
SCORES = ("balanced_accuracy", "f1_macro", "f1_weighted", "matthews_corrcoef")
OF_FIRST_CLASS = ("recall", "precision", "f1")

TEXT = """\
The share of simulated test sets in which the interval of 95 % holds the true score, by the true
accuracy. *Groups*: the accuracy, of 10,000 test sets of groups of 1 to 30 images (uniform); each
group has an accuracy of its own (beta distribution), so that two of its images are right or wrong
together with the correlation of the row. *As images* is the lowest coverage if the groups are not
given. *Scores*: of 500 test sets with fixed numbers of images in each class, without groups, or
with groups (correlation 0.1) whose classes have shares of 5, 15, 30 and 50 % on average (Dirichlet,
concentration 20). The accuracy is that of each class; errors go to the others at random. Precision,
recall and F1 are those of the first, rarest class; sets in which they are undefined are left out.

Near an accuracy of 1, most test sets have no error at all; any interval that ends at 1 holds the
truth for these, so that coverage cannot be lower than their share (*no error*, at 0.995)."""

COLUMNS = {
    **{f"at_{true}": (str(true), ".3f") for true in TRUE},
    "lowest": ("lowest", ".3f"),
    "highest": ("highest", ".3f"),
    "as_images": ("as images", ".3f"),
    "no_error": ("no error", ".3f"),
}


def draw_accuracies(rng, true, alike, size):
    """Return the accuracies of groups, of which two images correlate by `alike`."""
    if alike == 0:
        return np.full(size, true)
    total = 1 / alike - 1
    return rng.beta(true * total, (1 - true) * total, size)


def measure_accuracy(n_groups, options):
    """Return the coverage of the accuracy for each correlation."""
    rng = np.random.default_rng(0)
    shape = n_groups, N_SETS // 10 if options.quick else N_SETS
    lines = {}
    for alike in ALIKE:
        held, as_images = {}, []
        for true in TRUE:
            sizes = rng.integers(1, MAX_SIZE + 1, shape)
            hits = rng.binomial(sizes, draw_accuracies(rng, true, alike, shape))
            low, high = proportion_interval(hits, sizes, 0.95, grouped=True)
            held[f"at_{true}"] = float(((low <= true) & (true <= high)).mean())
            low, high = proportion_interval(hits, sizes, 0.95, grouped=False)
            as_images.append(float(((low <= true) & (true <= high)).mean()))
        no_error = float((hits == sizes).all(axis=0).mean())
        more = {"as_images": min(as_images), "no_error": no_error}
        lines[f"correlation {alike}"] = _with_range(held) | more
    return _of_lines(lines)


def measure_scores(case, n_groups, options):
    """Return the coverage of other scores than the accuracy."""
    rng = np.random.default_rng(0)
    n_sets = N_SETS_OF_SCORES // 10 if options.quick else N_SETS_OF_SCORES
    held = {name: {} for name in (*SCORES, *OF_FIRST_CLASS)}
    for true in TRUE:
        images = SHARES * 1e6 if case is None else np.array(CASES[case], float)
        expected = images[:, None] * confusion_rates(len(images), true)
        truth = _values(estimate_scores(expected[None], 0.95, grouped=False))
        found = {name: [] for name in held}
        for _ in range(n_sets):
            if case is None:
                tables = draw_groups(rng, n_groups, true)
            else:
                tables = rng.multinomial(CASES[case], confusion_rates(len(images), true))[None]
            estimates = _values(estimate_scores(tables, 0.95, grouped=case is None))
            for name, each in estimates.items():
                if not np.isnan(each.value):
                    found[name].append(each.low <= truth[name].value <= each.high)
        for name, each in found.items():
            held[name][f"at_{true}"] = float(np.mean(each))
    return _of_lines({name: _with_range(each) for name, each in held.items()})


def confusion_rates(n_classes, true):
    """Return the shares of each class predicted as each class."""
    return np.full((n_classes, n_classes), (1 - true) / (n_classes - 1)) + np.eye(n_classes) * (
        true - (1 - true) / (n_classes - 1)
    )


def draw_groups(rng, n_groups, true):
    """Return a confusion matrix for each group."""
    tables = []
    for accuracy in draw_accuracies(rng, true, 0.1, n_groups):
        images = rng.multinomial(rng.integers(1, MAX_SIZE + 1), rng.dirichlet(20 * SHARES))
        tables.append(rng.multinomial(images, confusion_rates(len(SHARES), accuracy)))
    return np.array(tables)


def _values(scores):
    """Return the estimates of `SCORES`, and those of the first class."""
    overall, each = scores
    first = {name: each[name][0] for name in OF_FIRST_CLASS}
    return {name: overall[name] for name in SCORES} | first


def _with_range(held):
    return held | {"lowest": min(held.values()), "highest": max(held.values())}


def _of_lines(lines):
    lowest = min(each["lowest"] for each in lines.values())
    return {"lines": lines, "lowest": lowest, "highest": max(x["highest"] for x in lines.values())}


BARS = {"lowest": Bar(">=", 0.91), "highest": Bar("<=", 0.99)}
QUICK_BARS = {"lowest": Bar(">=", 0.87)}
BARS_OF_SCORES = {"lowest": Bar(">=", 0.88)}
QUICK_BARS_OF_SCORES = {"lowest": Bar(">=", 0.75)}  # 50 test sets each

BENCHMARK = Benchmark(
    "intervals",
    "How often the intervals of an evaluation hold the truth",
    TEXT,
    {
        **{
            f"groups_{n}": Row(
                f"accuracy, {n} groups", partial(measure_accuracy, n), BARS, quick_bars=QUICK_BARS
            )
            for n in N_GROUPS
        },
        **{
            name: Row(
                f"{', '.join(map(str, images))} images",
                partial(measure_scores, name, None),
                BARS_OF_SCORES,
                quick_bars=QUICK_BARS_OF_SCORES,
            )
            for name, images in CASES.items()
        },
        **{
            f"scores_of_groups_{n}": Row(
                f"four classes, {n} groups",
                partial(measure_scores, None, n),
                BARS_OF_SCORES,
                quick_bars=QUICK_BARS_OF_SCORES,
            )
            for n in (6, 20, 60)
        },
    },
    COLUMNS,
    lines=lines_of,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
