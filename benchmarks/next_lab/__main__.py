"""Measure what a model is worth in the next laboratory.

    python -m benchmarks.next_lab --train FOLDER [--labs NAME=FOLDER ...] [--model FILE ...]

The folder of ``--train`` is where the models are from: ``train``, ``val`` and ``test``, each with a
folder for each class. ``--labs`` names any number of other laboratories, each a folder with folders
for some of the classes or all; ``simulated`` stands for home's validation cells as others might see
them. ``--model`` names the files of one model or of several that differ by their seed, which are
averaged; without it the recipe of the ready model is trained. ``--plain`` does so for the baseline.
Laboratories that are not named keep their former figures. The exit status is 1 when a bar is
missed.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from benchmarks._command import find_cells
from benchmarks._laboratories import SIMULATED
from benchmarks._report import RESULTS, provenance, store_row
from benchmarks.next_lab._figures import figures_of
from benchmarks.next_lab._labs import read_folder, read_home, simulate
from benchmarks.next_lab._models import MAKERS, get_models
from benchmarks.next_lab._page import TITLE, as_markdown, missed
from benchmarks.next_lab._picture import COLORS, draw_picture
from benchmarks.next_lab._readings import read_at_home, read_elsewhere

_SIMULATED = "simulated"
_NAME = "next_lab"


def main(argv=None):
    """Do what the command line asks for, and return the exit status."""
    options = _parse(argv)
    if options.train is None:
        print("left out; it needs real cells (--train or SKBLOOD_DATA_HOME)")
        return 0
    home = read_home(options.train, 20 if options.quick else 40)
    # Before the training: what is wrong with a folder is said at once.
    laboratories = list(_laboratories(options, home))
    groups = {
        name: get_models(name, getattr(options, name), home, options.quick) for name in MAKERS
    }
    results = {}
    for laboratory in (home.test, *laboratories):
        print(f"{laboratory.name}: {len(laboratory.y)} cells", flush=True)
        result = _measure(groups, laboratory, home, options)
        results[laboratory.name] = result
        if options.out:
            row = summary_of(result)
            stored = store_row(options.out, _NAME, laboratory.name, row, as_markdown)
            draw_picture(stored, options.out / f"{_NAME}.png")
    print("\n" + as_markdown(results))
    below = missed(results)
    if below:
        print(f"Below the bar: {', '.join(below)}")
    return 1 if below else 0


def summary_of(result):
    """Return what is stored of a result: of the curves those that the picture shows, rounded."""
    figures = {
        group: {state: _with_curve(each, state in COLORS) for state, each in states.items()}
        for group, states in result["figures"].items()
    }
    return {**result, "figures": figures}


def _with_curve(figures, is_shown):
    figures = dict(figures)
    curve = figures.pop("curve")
    return figures | ({"curve": [round(value, 4) for value in curve]} if is_shown else {})


def _parse(argv):
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{_NAME}", description=TITLE)
    parser.add_argument("--train", "--data", type=Path, help="home: train, val and test folders")
    parser.add_argument(
        "--labs",
        nargs="+",
        metavar="NAME=FOLDER",
        default=[_SIMULATED],
        help=f"other laboratories; {_SIMULATED!r} stands for those that are made of home's cells, "
        "and is what is measured by default",
    )
    parser.add_argument("--model", nargs="+", default=[], metavar="FILE", help="seeds of a model")
    parser.add_argument("--plain", nargs="+", default=[], metavar="FILE", help="of the baseline")
    parser.add_argument(
        "--draws", type=int, help="draws of labelled cells; 10, and of simulated laboratories none"
    )
    parser.add_argument("--jobs", type=int, default=1, help="draws at a time; 1")
    parser.add_argument(
        "--cells", type=int, default=250, help="cells of a class, at most, of a laboratory; 250"
    )
    parser.add_argument("--quick", action="store_true", help="the short form, kept nowhere")
    parser.add_argument("--out", type=Path, help="folder of the results")
    options = parser.parse_args(argv)
    if wrong := [lab for lab in options.labs if "=" not in lab and lab != _SIMULATED]:
        parser.error(f"--labs {' '.join(wrong)}: write NAME=FOLDER, or {_SIMULATED}")
    options.train = options.train or find_cells()
    if options.out is None and not options.quick:
        options.out = RESULTS
    return options


def _laboratories(options, home):
    classes = np.unique(home.train.y).tolist()
    for lab in options.labs:
        if lab == _SIMULATED:
            names = list(SIMULATED)[:2] if options.quick else SIMULATED
            yield from (simulate(name, home.simulation) for name in names)
        else:
            yield read_folder(*lab.split("=", 1), classes, options.cells)


def _measure(groups, laboratory, home, options):
    """Return the row of a laboratory: the figures of each group of models in each state."""
    codes = np.searchsorted(np.unique(home.train.y), laboratory.y)
    draws = options.draws
    if draws is None:
        draws = min(laboratory.draws, 1) if options.quick else laboratory.draws
    figures = {}
    for group, models in groups.items():
        readings = {}
        for model in models:
            if laboratory is home.test:
                states = read_at_home(model, laboratory, home.calibration)
            else:
                states = read_elsewhere(
                    model, laboratory, home.calibration, draws, n_jobs=options.jobs
                )
            for state, each in states.items():
                readings.setdefault(state, []).extend(each)
        figures[group] = {state: figures_of(each, codes) for state, each in readings.items()}
        for state, each in figures[group].items():
            print(f"  {group}, {state}: {each['balanced_accuracy']['value']:.3f}", flush=True)
    return {"notes": list(laboratory.notes), "figures": figures, **provenance()}


if __name__ == "__main__":
    sys.exit(main())
