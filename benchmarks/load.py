"""Measure how long a saved model takes to be there again, and how large its file is.

Run by ``python -m benchmarks.load [--quick] [--only ROW ...]``.
"""

import sys
import tempfile
from pathlib import Path

import torch

import skblood
from benchmarks._command import Benchmark, Row, output_of, run
from benchmarks._measure import alternate, ratio, summary
from benchmarks._report import Bar
from skblood.datasets import make_blood_cells

TEXT = """\
Seconds from the start of a fresh process until a `TransferCellClassifier()` (`cellnet_s`, trained
for one epoch on synthetic cells of 64 x 64 pixels) is there from its file, beside those until
`torch.load` has its weights alone: once with the import of the class that the weights are of no use
without, once with torch and timm alone. By turns, each process a new one; the first
ones, which fill the caches of the disk, are not counted."""
COLUMNS = {
    "file_megabytes": ("file, MB", ".2f"),
    "load_seconds": ("import, skblood.load, s", ".2f"),
    "torch_load_seconds": ("import, torch.load, s", ".2f"),
    "ratio": ("ratio", ".2f"),
    "bare_ratio": ("ratio to torch and timm", ".2f"),
    "torch_load_alone_seconds": ("torch.load alone, s", ".3f"),
    "load_alone_seconds": ("skblood.load alone, s", ".3f"),
    "save_seconds": ("skblood.save, s", ".3f"),
}
# What a process imports and loads; the second is timed alone, too.
TORCH_LOAD = "torch.load(sys.argv[1] + '/weights.pth', weights_only=True)"
CODES = {
    "load": (
        "import skblood; skblood.load, skblood.TransferCellClassifier",
        "skblood.load(sys.argv[1] + '/model.skblood')",
    ),
    "torch_load": ("import skblood, torch; skblood.TransferCellClassifier", TORCH_LOAD),
    "bare": ("import torch, timm", TORCH_LOAD),
}
PROGRAM = """
import sys, time
start = time.perf_counter()
{imports}
middle = time.perf_counter()
{load}
end = time.perf_counter()
print(end - start, end - middle)
"""


def measure(options):
    """Load in fresh processes, by turns."""
    X, y = make_blood_cells(64, image_size=64, random_state=0)
    model = skblood.TransferCellClassifier(max_epochs=1, random_state=0).fit(X, y)
    with tempfile.TemporaryDirectory() as folder:
        path = skblood.save(model, Path(folder, "model.skblood"))
        torch.save(model.net_.module_.state_dict(), Path(folder, "weights.pth"))
        saving = alternate({"save": lambda: skblood.save(model, path)}, options.repeats)
        rounds = [
            {name: load_in_a_process(code, folder) for name, code in CODES.items()}
            for _ in range(1 + options.repeats)
        ][1:]
        size = path.stat().st_size
    seconds = {name: [each[name][0] for each in rounds] for name in CODES}
    return {
        "file_megabytes": size / 1e6,
        "load_seconds": summary(seconds["load"]),
        "torch_load_seconds": summary(seconds["torch_load"]),
        "ratio": ratio(seconds, "load", "torch_load"),
        "bare_ratio": ratio(seconds, "load", "bare"),
        "torch_load_alone_seconds": summary([each["torch_load"][1] for each in rounds]),
        "load_alone_seconds": summary([each["load"][1] for each in rounds]),
        "save_seconds": summary(saving["save"]),
    }


def load_in_a_process(code, folder):
    """Return the seconds of a fresh process, and those of its loading alone."""
    imports, load = code
    total, alone = map(float, output_of(PROGRAM.format(imports=imports, load=load), folder).split())
    return total, alone


BENCHMARK = Benchmark(
    "load",
    "Loading a saved model",
    TEXT,
    {
        "cellnet_s": Row(
            "`TransferCellClassifier()`",
            measure,
            {"ratio": Bar("<=", 1.5), "file_megabytes": Bar("<=", 5)},
        )
    },
    COLUMNS,
    repeats=5,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
