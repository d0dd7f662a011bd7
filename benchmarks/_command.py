"""The command line that the benchmarks share, and the run of their rows."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from pathlib import Path

import torch

from benchmarks._report import (
    RESULTS,
    Bar,
    cell,
    missed_bars,
    origins,
    provenance,
    store_row,
    table,
)

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Row:
    """One line of a benchmark's table.

    Attributes
    ----------
    what : str
        What is measured, for a reader.
    measure : callable
        Maps the options to a dict of figures. A figure that could not be had is None; one that
        was not asked for is left out, and "notes" (a list of str) may say why.
    bars : dict of str to Bar
        What figures must reach.
    needs_data : bool
        Whether the row is measured on real cells.
    quick_bars : dict of str to Bar, or None
        Those of the short form; None is the same.
    """

    what: str
    measure: Callable
    bars: dict = field(default_factory=dict)
    needs_data: bool = False
    quick_bars: dict | None = None

    def bars_of(self, options):
        """Return the bars of the form that was asked for."""
        return self.bars if self.quick_bars is None or not options.quick else self.quick_bars


@dataclass(frozen=True)
class Benchmark:
    """A question, its rows and its table.

    Attributes
    ----------
    name : str
        The module, and the name of its files of results.
    title, text : str
        What stands above the table.
    rows : dict of str to Row
    columns : dict of str to (str, str)
        For each figure that the table shows: the heading and the format.
    repeats : int
        Rounds in the full form; the short form has two.
    add_options : callable
        Adds options of its own to the parser.
    lines : callable
        Maps a row's name and figures to those of its lines, for rows of several lines.
    """

    name: str
    title: str
    text: str
    rows: dict
    columns: dict
    repeats: int = 5
    add_options: Callable = lambda parser: None
    lines: Callable = lambda name, figures: [(name, figures)]

    def as_markdown(self, results):
        """Return the page of results."""
        page = [f"# {self.title}", "", self.text, ""]
        known = {name: results[name] for name in self.rows if name in results}
        lines = [
            [f"`{label}`", self.rows[name].what, *self._cells(figures, result["bars"])]
            for name, result in known.items()
            for label, figures in self.lines(name, result["figures"])
        ]
        page += table(["row", "what", *(heading for heading, _ in self.columns.values())], lines)
        notes = dict.fromkeys(note for result in known.values() for note in result["notes"])
        page += ["", *(f"- {note}" for note in notes), ""] if notes else [""]
        return "\n".join([*page, *origins(known)]) + "\n"

    def _cells(self, figures, bars):
        for key, (_, form) in self.columns.items():
            bar = Bar(*bars[key]) if key in bars and key in figures else None
            yield cell(figures.get(key), form, bar)


def find_cells():
    """Return the folder of real cells, with its train, val and test folders, or None.

    Found as the tests find it: below the folder that SKBLOOD_DATA_HOME names, else below
    ``../shared/data``.
    """
    home = os.environ.get("SKBLOOD_DATA_HOME") or REPOSITORY.parent / "shared" / "data"
    folder = Path(home) / "pbc" / "128px"
    return folder if folder.is_dir() else None


def output_of(code, *arguments):
    """Return what Python code prints in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def parse(benchmark, argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{benchmark.name}", description=benchmark.title
    )
    parser.add_argument("--quick", action="store_true", help="the short form, kept nowhere")
    parser.add_argument("--only", nargs="+", metavar="ROW", choices=benchmark.rows)
    parser.add_argument("--repeats", type=int, help="rounds of each row")
    parser.add_argument("--threads", type=int, help="threads of torch and of ONNX Runtime")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--data", type=Path, help="real cells: train, val and test folders")
    parser.add_argument("--out", type=Path, help="folder of the results")
    benchmark.add_options(parser)
    options = parser.parse_args(argv)
    options.only = options.only or list(benchmark.rows)
    options.repeats = options.repeats or (2 if options.quick else benchmark.repeats)
    options.data = options.data or find_cells()
    if options.out is None and not options.quick:
        options.out = RESULTS
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch finds no CUDA device here")
    return options


def run(benchmark, argv=None):
    """Measure the rows that were asked for, print and store them.

    Returns
    -------
    status : int
        1 if a row that was measured misses a bar, else 0.
    """
    options = parse(benchmark, argv)
    if options.threads:
        torch.set_num_threads(options.threads)
    # Each device has files of its own: what is measured on a GPU replaces nothing of a CPU.
    stored = benchmark.name if options.device == "cpu" else f"{benchmark.name}_{options.device}"
    results, missed = {}, []
    for name in options.only:
        row = benchmark.rows[name]
        if row.needs_data and options.data is None:
            print(f"{name}: left out; it needs real cells (--data or SKBLOOD_DATA_HOME)")
            continue
        print(f"{name}: {row.what}", flush=True)
        figures, bars = row.measure(options), row.bars_of(options)
        results[name] = {
            "notes": figures.pop("notes", []),
            "figures": figures,
            "bars": {key: astuple(bar) for key, bar in bars.items()},
            **provenance(options.device),
        }
        missed += [f"{name} ({key})" for key in missed_bars(figures, bars)]
        if options.out:
            store_row(options.out, stored, name, results[name], benchmark.as_markdown)
    print("\n" + benchmark.as_markdown(results))
    if missed:
        print(f"Below the bar: {', '.join(missed)}")
    return 1 if missed else 0
