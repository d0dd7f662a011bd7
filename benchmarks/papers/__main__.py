"""Run the systems of the papers.

    python -m benchmarks.papers --list
    python -m benchmarks.papers --run NAME ... [--scale quick|medium|full] [--seeds N] [--data PATH]
    python -m benchmarks.papers --all
    python -m benchmarks.papers --table

Each run leaves its result in ``benchmarks/results/papers.json``; what is there already is not run
again, and an interrupted run resumes. ``--table`` writes the results as tables into
``benchmarks/results/papers.md`` and ``docs/papers.md``. ``--all`` leaves out the comparisons at
64 px, which are of our own. The exit status is 1 when a row fails; the others go on.
"""

import argparse
import sys
import traceback
from pathlib import Path

from benchmarks._report import RESULTS

from ._catalogue import OF_PAPERS, RECIPES
from ._data import find_home
from ._recipe import SCALES
from ._run import Setting, read_results, run
from ._table import PAGE, write_tables
from ._weights import CHOICES, find_stand_ins


def main(argv=None):
    """Do what the command line asks for, and return the exit status."""
    options = _parse(argv)
    if options.list:
        for recipe in RECIPES.values():
            print(f"{recipe.name:32} {recipe.paper}: {recipe.system}")
        return 0
    failed = _run_all(options) if options.run else []
    if options.table:
        # The documentation shows the results that the repository holds.
        page = PAGE if options.out == RESULTS else None
        print(f"Wrote {write_tables(read_results(options.out), options.out, page)}")
    if failed:
        print(f"Failed: {'; '.join(failed)}")
    return 1 if failed else 0


def _parse(argv):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.papers", description=__doc__.split("\n")[0]
    )
    what = parser.add_argument_group("what to do")
    what.add_argument("--list", action="store_true", help="name the rows")
    what.add_argument("--run", nargs="+", metavar="NAME", choices=RECIPES, help="run these rows")
    what.add_argument("--all", action="store_true", help="run all rows of the papers")
    what.add_argument("--table", action="store_true", help="write the tables, after the runs")
    parser.add_argument(
        "--data",
        type=Path,
        help="a folder of splits or classes, or an npz file in the MedMNIST format; by default "
        "the folder pbc below SKBLOOD_DATA_HOME, and without one, synthetic cells",
    )
    parser.add_argument("--raabin", type=Path, help="Raabin-WBC, for the rows that merge it")
    parser.add_argument(
        "--scale",
        choices=SCALES,
        default="quick",
        help="full is the paper's setting; medium all images at 128 px, at most 10 epochs",
    )
    parser.add_argument("--seeds", type=int, default=1, help="runs of each row: seeds 0, 1, ...")
    parser.add_argument(
        "--weights", choices=CHOICES, default="auto", help="what pretrained networks start from"
    )
    parser.add_argument(
        "--stand-in",
        type=Path,
        default=find_stand_ins(),
        help="folder of networks with ImageNet's weights, which stand in for others",
    )
    parser.add_argument("--again", action="store_true", help="run also what has its results")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args(argv)
    options.run = list(OF_PAPERS) if options.all else options.run
    if not (options.list or options.run or options.table):
        parser.error("say what to do: --list, --run NAME ..., --all or --table")
    options.data = options.data or find_home()
    for path in (options.data, options.raabin):
        if path is not None and not path.exists():
            parser.error(f"there is no {path}")
    return options


def _run_all(options):
    """Run each row with each seed; return those that failed."""
    keys = ("data", "raabin", "scale", "weights", "stand_in", "again", "out")
    setting = Setting(**{key: getattr(options, key) for key in keys})
    if setting.data is None:
        print("No real cells (--data or SKBLOOD_DATA_HOME): synthetic ones are drawn.")
    failed = []
    for name in options.run:
        for seed in range(options.seeds):
            label = f"{name}, {setting.scale}, seed {seed}"
            try:
                result, is_new = run(RECIPES[name], setting, seed)
            except Exception:
                # A row that fails must not keep the others from being run.
                traceback.print_exc()
                failed.append(label)
                continue
            done = f"{result['fit_seconds']:.0f} s" if is_new else "there already"
            print(f"{label}: {_summary(result)}; {result['weights']} weights; {done}", flush=True)
    return failed


def _summary(result):
    scores = result["scores"]["scores"]
    return f"accuracy {scores['accuracy']['value']:.4f}, macro-F1 {scores['f1_macro']['value']:.4f}"


if __name__ == "__main__":
    sys.exit(main())
