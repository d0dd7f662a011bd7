"""Measure what a model is worth in the next laboratory.

    python -m benchmarks.next_lab [--labs NAME ...] [--model NAME|FILE ...] [--seed N ...]
                                   [--unlabeled] [--quick]

A laboratory is named by its folder below ``labs`` of the data (SKBLOOD_DATA_HOME, or
``../shared/data``), or as NAME=FOLDER; ``home`` is the test cells of PBC, and the names of
`benchmarks._laboratories` are simulated ones, without labeled cells. Several models are seeds of
one recipe, and averaged. What is not named keeps its former figures. The exit status is 1 when a
bar is missed.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from benchmarks._command import find_cells
from benchmarks._laboratories import SIMULATED
from benchmarks._labs import HOME, load_model, read_laboratory
from benchmarks._report import RESULTS, provenance, store_row
from benchmarks.next_lab._page import TITLE, as_markdown, bars_of
from benchmarks.next_lab._readings import LABELLED, average, measure, measure_home

# Laboratories beside PBC on which the weights of a ready model were trained.
TRAINED_ON = {"blood8-2": ["chula"]}
LABS = ("chula", "jhu", "bionet", "wbc_tecom")
_NAME = "next_lab"


def main(argv=None):
    """Do what the command line asks for, and return the exit status."""
    options = _parse(argv)
    if options.data is None:
        print("left out; it needs real cells (--data or SKBLOOD_DATA_HOME)")
        return 0
    models = [load_model(model) for model in options.model]
    classes = models[0].classes_.tolist()
    # Before the first is measured: what is wrong with a folder is said at once.
    laboratories = [read_laboratory(n, options.data, classes, options.cells) for n in options.labs]
    results = {}
    for laboratory in laboratories:
        print(f"{laboratory.name}: {len(laboratory.y)} cells", flush=True)
        figures = average([_measure(model, laboratory, options) for model in models])
        row = f"{options.name}, {laboratory.name}"
        results[row] = figures | {
            "model": options.name,
            "trained_on": options.trained_on,
            "laboratory": laboratory.name,
            "notes": list(laboratory.notes),
            **provenance(),
        }
        if options.out:
            store_row(options.out, _NAME, row, results[row], as_markdown)
    print("\n" + as_markdown(results))
    missed = [what for what, figure, bar in bars_of(results, options.name) if not bar.holds(figure)]
    if missed:
        print(f"Below the bar: {', '.join(missed)}")
    return 1 if missed else 0


def _parse(argv):
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{_NAME}", description=TITLE)
    parser.add_argument("--labs", nargs="+", metavar="NAME", default=LABS)
    parser.add_argument("--model", nargs="+", default=["blood8-2"], metavar="NAME|FILE")
    parser.add_argument("--name", help="what the model is called; the first of --model")
    parser.add_argument("--trained-on", nargs="*", metavar="NAME", help="laboratories beside PBC")
    parser.add_argument("--data", type=Path, help="folder that holds pbc and the laboratories")
    parser.add_argument(
        "--seed", nargs="*", type=int, help="draws of labeled cells; 0 1 2, none for none"
    )
    parser.add_argument("--cells", type=int, default=250, help="cells of a class, at most")
    parser.add_argument(
        "--quick", action="store_true", help="seed 0, 10 labeled cells a class; kept nowhere"
    )
    parser.add_argument(
        "--unlabeled",
        action="store_true",
        help="adapt also to the others of the labeled half",
    )
    parser.add_argument("--out", type=Path, help="folder of the results")
    options = parser.parse_args(argv)
    if options.data is None and (cells := find_cells()):
        options.data = cells.parents[1]
    options.name = options.name or Path(options.model[0]).stem
    if options.trained_on is None:
        options.trained_on = TRAINED_ON.get(options.name, [])
    options.name += " + unlabeled" * options.unlabeled
    if options.seed is None:
        options.seed = [0] if options.quick else [0, 1, 2]
    options.labeled = (10,) if options.quick else LABELLED
    options.out = options.out or (None if options.quick else RESULTS)
    return options


def _measure(model, laboratory, options):
    if laboratory.name == HOME:
        return measure_home(model, laboratory)
    seeds = () if laboratory.name in SIMULATED else options.seed
    log = partial(print, flush=True)
    return measure(model, laboratory, seeds, options.labeled, options.unlabeled, log)


if __name__ == "__main__":
    sys.exit(main())
