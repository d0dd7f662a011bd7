"""Try to break everything, and count what comes of it.

    python -m benchmarks.reliability [--quick] [--only ROW ...] [--seed SEED]

Whatever is neither a right answer nor a refusal that says what to do is a defect: it is printed,
and makes the exit status 1. Each run draws a new seed and prints it; with it the run is repeated.
"""

import pickle
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

import skblood
from benchmarks._command import Benchmark, Row, run
from benchmarks._report import Bar
from tests.robustness._bad_input import (
    MODELS,
    Tally,
    tally_of_audit,
    tally_of_loaders,
    tally_of_model,
)
from tests.robustness._faults import SAVED, damaged_models, run_faults
from tests.robustness._odd_files import make_files, outcomes_of_files
from tests.robustness._outcome import ANSWER, DEFECTS, REFUSED
from tests.robustness._together import (
    SHARED,
    joblib_threads,
    processes_with_one_cache,
    threads_with_one_model,
)

TEXT = """\
Each row is something odd that is done many times; `docs/reliability.md` says what. A call is
answered, where the answer is checked, or refused by an exception of skblood's or scikit-learn's
own checks that says what is wrong. All else is a defect: another exception, one from inside torch
or numpy, one whose message says nothing, a wrong answer, something wrong that is accepted,
something right that is refused, input that was changed, a hang of more than 60 seconds."""

COLUMNS = {
    "calls": ("calls", ",d"),
    "answered": ("answered", ",d"),
    "refused": ("refused", ",d"),
    "defects": ("defects", ",d"),
}
_SHOWN = 20  # defects that are printed


def _figures(tally, options, notes=()):
    for defect in tally.defects[:_SHOWN]:
        print(f"  {defect}")
    counts = tally.counts
    figures = {
        "calls": counts.total(),
        "answered": counts[ANSWER],
        "refused": counts[REFUSED],
        "defects": sum(counts[kind] for kind in DEFECTS),
        **{kind: counts[kind] for kind in DEFECTS if counts[kind]},
    }
    print(f"  {figures}", flush=True)
    return {**figures, "notes": [f"Seed {_seed(options)}.", *notes]}


def _seed(options):
    if options.seed is None:
        options.seed = int(np.random.SeedSequence().generate_state(1)[0])
        print(f"--seed {options.seed}", flush=True)
    return options.seed


def _tally_of(outcomes):
    tally = Tally()
    for outcome in outcomes:
        tally.add(outcome)
    return tally


def measure_input(tally, n, options):
    """Give odd input to an estimator, the audit or the loaders."""
    return _figures(tally(100 if options.quick else n, _seed(options)), options)


def measure_files(options):
    """Read odd image files, one by one and all together."""
    rng, outcomes = np.random.default_rng(_seed(options)), []
    for _ in range(1 if options.quick else 10):
        with tempfile.TemporaryDirectory() as folder:
            outcomes += outcomes_of_files(make_files(Path(folder), 300, rng))
    return _figures(_tally_of(outcomes), options)


def measure_threads(options):
    """Predict in threads with one model, alone and while it is saved; fit in threads."""
    outcomes, n_calls = [], 24 if options.quick else 240
    for name in SHARED:
        with tempfile.TemporaryDirectory() as folder:
            for beside in (None, pickle.dumps, partial(_save, folder)):
                outcomes += threads_with_one_model(name, folder, 8, n_calls, beside)
            outcomes += threads_with_one_model(name, folder, 2, n_calls)
            outcomes += joblib_threads(name, folder)
    return _figures(_tally_of(outcomes), options)


def _save(folder, model):
    skblood.save(model, Path(folder) / "model.skblood")


def measure_processes(kill, options):
    """Train in two processes with one cache, of which one may be killed."""
    rng, n_rounds = np.random.default_rng(_seed(options)), 1 if options.quick else 3
    with tempfile.TemporaryDirectory() as folder:
        outcomes = processes_with_one_cache(folder, n_rounds, kill, rng=rng)
    return _figures(_tally_of(outcomes), options)


def measure_faults(name, n, options):
    """Break off a save, or let it fail."""
    with tempfile.TemporaryDirectory() as folder:
        found = run_faults(name, folder, 3 if options.quick else n, _seed(options))
    return _figures(_tally_of(found[0]), options, found[1])


def measure_damage(name, options):
    """Load what was saved with a byte changed, or cut off."""
    n_flips, n_cuts = (20, 5) if options.quick else (1000, 200)
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(_seed(options))
        flips, cuts = damaged_models(name, n_flips, n_cuts, folder, rng)
    note = f"Of a {name} file, {n_flips:,} with a byte changed and {n_cuts} cut off."
    return _figures(_tally_of(flips + cuts), options, [note])


def _row(what, measure):
    return Row(what, measure, {"defects": Bar("<=", 0), "calls": Bar(">=", 1)})


ROWS = {
    **{
        f"input, {name}": _row(
            "generated X, y, weights, validation images",
            partial(measure_input, partial(tally_of_model, name), 2000),
        )
        for name in MODELS
    },
    "input, audit": _row(
        "generated X, y, split, groups", partial(measure_input, tally_of_audit, 2000)
    ),
    "input, loaders": _row(
        "damaged csv, npz, folders", partial(measure_input, tally_of_loaders, 2000)
    ),
    "image files": _row("300 right and damaged image files, ten times", measure_files),
    "threads": _row("2 and 8 threads with one model, saved meanwhile", measure_threads),
    "processes": _row("2 training with one cache", partial(measure_processes, False)),
    "processes, kill -9": _row(
        "one of 2 killed, the other goes on", partial(measure_processes, True)
    ),
    "save, kill -9": _row("killed while a file is replaced", partial(measure_faults, "kill", 50)),
    "save, full disk": _row("no room for the new file", partial(measure_faults, "disk", 25)),
    "save, read-only": _row("a folder that is read-only", partial(measure_faults, "folder", 5)),
    **{
        f"load, {name}": _row("bytes changed, files cut off", partial(measure_damage, name))
        for name in SAVED
    },
}

BENCHMARK = Benchmark(
    "reliability",
    "What comes of faults and of odd input",
    TEXT,
    ROWS,
    COLUMNS,
    repeats=1,
    add_options=lambda parser: parser.add_argument("--seed", type=int, help="that of a former run"),
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
