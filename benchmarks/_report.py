"""What every measurement reports: rows, the machine, the versions, and whether a bar was missed."""

import json
import os
import platform
from dataclasses import dataclass
from datetime import date
from importlib import metadata
from pathlib import Path

import torch

import skblood

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "torchvision",
    "timm",
    "skorch",
    "scikit-learn",
    "numpy",
    "onnxruntime",
    "fastai",
)


@dataclass(frozen=True)
class Bar:
    """What a figure must reach.

    Attributes
    ----------
    relation : {">=", "<="}
        On which side of the limit the figure must lie.
    limit : float
    """

    relation: str
    limit: float

    def holds(self, figure):
        """Say whether a figure, or the median of one that has a spread, reaches the bar.

        None is a figure that could not be had, such as the time until something that never
        happened: it reaches no bar.
        """
        value = figure["median"] if isinstance(figure, dict) else figure
        if value is None:
            return False
        return value >= self.limit if self.relation == ">=" else value <= self.limit

    def __str__(self):
        return f"{self.relation} {self.limit:g}"


def missed_bars(figures, bars):
    """Return the names of the figures that miss their bar; a figure left out misses none."""
    return [name for name, bar in bars.items() if name in figures and not bar.holds(figures[name])]


def provenance(device="cpu"):
    """Return when, on what and with which versions something is measured."""
    return {"date": date.today().isoformat(), "machine": machine(device), "versions": versions()}


def machine(device="cpu"):
    """Name the processor, its cores and the threads that torch uses; or the GPU."""
    if device == "cuda":
        return f"{torch.cuda.get_device_name()}, {processor()}, {os.cpu_count()} CPU cores"
    return f"{processor()}, {os.cpu_count()} CPU cores, {torch.get_num_threads()} threads"


def processor():
    """Return the name of the processor's model and its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line[:10] == "model name")
    except (OSError, StopIteration):
        name = platform.processor()
    kind = platform.machine()
    return name if name in ("", kind) else f"{name} ({kind})"


def versions():
    """Return the versions of Python, skblood and the packages that the figures depend on."""
    found = {
        "skblood": skblood.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,  # with the CUDA that it was built for
    }
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def read_rows(path):
    """Return the rows of a file of results; none if there is no file."""
    return json.loads(path.read_text()) if path.exists() else {}


def replace_text(path, text):
    """Write a file in one step: a process that is killed leaves the old one."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, "utf-8")
    part.replace(path)


def store_row(folder, name, row, result, as_markdown):
    """Write one row into the JSON and the Markdown of a benchmark; the other rows stay.

    Parameters
    ----------
    folder : path-like
        Made if it is not there.
    name, row : str
        The benchmark, whose files are ``name.json`` and ``name.md``; and the row.
    result : dict
    as_markdown : callable
        Maps all rows to the text of the Markdown file.

    Returns
    -------
    results : dict of str to dict
        All rows.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    # Read anew: another run may have written a row in the meantime.
    results = {**read_rows(path), row: result}
    path.write_text(json.dumps(results, indent=2) + "\n")
    path.with_suffix(".md").write_text(as_markdown(results))
    return results


def table(header, lines):
    """Return a Markdown table, line by line."""
    return [
        _line(header),
        "|" + "---|" * len(header),
        *map(_line, lines),
    ]


def _line(cells):
    return f"| {' | '.join(cells)} |"


def cell(figure, form, bar=None):
    """Return a figure as text: with its spread, if it has one, and with its bar.

    Parameters
    ----------
    figure : float, str, dict of three float, or None
        None, and what was not measured, is a dash.
    form : str
        A format specification, such as ".2f".
    bar : Bar, default=None
    """
    if isinstance(figure, dict):
        low, high = format(figure["min"], form), format(figure["max"], form)
        text = f"{format(figure['median'], form)} ({low}..{high})"
    elif figure is None:
        text = "-"
    else:
        text = figure if isinstance(figure, str) else format(figure, form)
    if bar is None:
        return text
    return f"{text}, {'' if bar.holds(figure) else '**missed** '}bar {bar}"


def lines_of(name, figures):
    """Return the lines of a row: one for each of its parts, if it has any."""
    lines = figures.get("lines")
    return [(name, figures)] if lines is None else [(f"{name}, {k}", v) for k, v in lines.items()]


def origins(results):
    """Return one line for each machine, set of versions and date, naming its rows."""
    rows = {}
    for name, result in results.items():
        listed = ", ".join(f"{k} {v}" for k, v in result["versions"].items())
        origin = f"{result['machine']}; {listed}; {result['date']}."
        rows.setdefault(origin, []).append(name)
    if len(rows) == 1:
        return [f"Measured on {origin}" for origin in rows]
    return [f"- {', '.join(names)}: {origin}" for origin, names in rows.items()]
