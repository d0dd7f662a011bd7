"""Measure prediction of 10,000 to a million images in shards, by one process and by several.

Run by ``python -m benchmarks.scale [--quick] [--folder FOLDER]``.
"""

import contextlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from benchmarks._command import REPOSITORY, Benchmark, Row, run
from benchmarks._report import Bar
from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells
from skblood.io import save

TEXT = """\
`skblood predict MODEL 'SHARDS/*.tar' --out FOLDER`, each time in a fresh process: synthetic cells
as JPEG files of 28 x 28 pixels, 10,000 to a tar file, and `cellnet_t`. The time is that of the
whole command: imports, the model and the start of `--workers` are in it, the start of the Dask
cluster is not. The peak is the memory of all processes together, each shared page counted once
(PSS), looked at twice a second. The exponent is the slope of log(time) over log(images). The growth
of the memory is that of its median from the second to the last quarter of the largest run, divided
by half its images: peaks of different runs differ by 20 MB and more. Each run is done once."""
SIZE, N_DRAWN, IN_SHARD = 28, 2_000, 10_000
COUNTS = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000}
QUICK = {"10k": 2_000, "100k": 4_000, "1M": 8_000}
COLUMNS = {
    **{f"rate_{n}": (f"{n}: images/s", ",.0f") for n in COUNTS},
    **{f"peak_{n}": (f"{n}: peak, MB", ",.0f") for n in COUNTS},
    "exponent": ("exponent of time", ".2f"),
    "bytes_a_row": ("growth, bytes/image", ".1f"),
}
BARS = {"exponent": Bar("<=", 1.05), "bytes_a_row": Bar("<=", 20)}


def measure(start):
    """Return what measures the command with the options that `start`, a context, gives."""

    def measured(options):
        counts = QUICK if options.quick else COUNTS
        seconds, peaks = {}, {}
        with contextlib.ExitStack() as stack:
            folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            model = make_model(folder)
            shards = make_shards(folder / "shards", max(counts.values()), options.quick)
            arguments = stack.enter_context(start())
            for name, n in counts.items():
                part = folder / "part"
                link_shards(part, shards, n, options.quick)
                seconds[name], memory = predict(model, part, folder / "out", n, arguments)
                peaks[name] = max(memory)
        ns = np.array(list(counts.values()))
        slope = np.polyfit(np.log(ns), np.log(list(seconds.values())), 1)[0]
        quarters = np.array_split(memory, 4)  # of the largest run
        growth = (np.median(quarters[3]) - np.median(quarters[1])) / (ns[-1] / 2)
        return {
            **{f"rate_{name}": n / seconds[name] for name, n in counts.items()},
            **{f"peak_{name}": peak / 1e6 for name, peak in peaks.items()},
            "exponent": float(slope),
            "bytes_a_row": float(growth),
        }

    return measured


def make_model(folder):
    """Write the file of a small classifier, unless it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.skblood"
    if not path.exists():
        X, y = make_blood_cells(400, image_size=SIZE, random_state=0)
        save(TransferCellClassifier("cellnet_t", max_epochs=1, random_state=0).fit(X, y), path)
    return path


def make_shards(folder, n, quick):
    """Write the tar files that are not there; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    X, _ = make_blood_cells(N_DRAWN, image_size=SIZE, random_state=0)
    files = []
    for pixels in X:
        Image.fromarray(pixels).save(file := io.BytesIO(), "JPEG", quality=90)
        files.append(file.getvalue())
    size = shard_size(quick)
    paths = [folder / f"cells-{i:05d}.tar" for i in range(-(-n // size))]
    for number, path in enumerate(paths):
        if path.exists():
            continue
        with tarfile.open(partial := path.with_suffix(".part"), "w") as tar:
            for i in range(number * size, (number + 1) * size):
                member = tarfile.TarInfo(f"{i:08d}.jpg")
                member.size = len(data := files[i % N_DRAWN])
                tar.addfile(member, io.BytesIO(data))
        partial.rename(path)
    return paths


def shard_size(quick):
    return 1_000 if quick else IN_SHARD


def link_shards(part, shards, n, quick):
    """Make a folder that holds n images of the shards."""
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for shard in shards[: n // shard_size(quick)]:
        (part / shard.name).symlink_to(shard.resolve())


def predict(model, part, out, n, arguments):
    """Run the command; return its seconds, and its memory in bytes twice a second."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "skblood", "predict", str(model), str(part / "*.tar")]
    begin = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--out", str(out), *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    memory = []
    while process.poll() is None:
        memory.append(memory_of_children())
        time.sleep(0.5)
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise RuntimeError(f"skblood predict failed:\n{process.stderr.read()[-2000:]}")
    shutil.rmtree(out)
    print(f"  {n:,} images: {seconds:.0f} s, {max(memory) / 1e6:,.0f} MB", flush=True)
    return seconds, memory


def memory_of_children():
    """Return the bytes that the processes started here use, each shared page counted once."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += process.memory_full_info().pss
    return total


@contextlib.contextmanager
def dask_cluster():
    """Start a scheduler and two workers in processes of their own; yield the option for them."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        file = Path(folder, "scheduler.json")
        for program in ("scheduler", "worker", "worker"):
            command = [sys.executable, "-m", f"distributed.cli.dask_{program}"]
            command += ["--scheduler-file", str(file), "--no-dashboard"]
            command += ["--nthreads", "1"] if program == "worker" else ["--port", "0"]
            log = subprocess.DEVNULL
            process = subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            while not file.exists():
                time.sleep(0.1)
        yield ["--dask", json.loads(file.read_text())["address"]]


def add_options(parser):
    parser.add_argument(
        "--folder", type=Path, help="where the shards are made, and kept for the next run"
    )


def _row(what, start):
    return Row(what, measure(start), BARS, quick_bars={})


BENCHMARK = Benchmark(
    "scale",
    "A million images in shards",
    TEXT,
    {
        "one_process": _row("`--workers 1`", lambda: contextlib.nullcontext(["--workers", "1"])),
        "two_workers": _row("`--workers 2`", lambda: contextlib.nullcontext(["--workers", "2"])),
        "two_dask_workers": _row("`--dask`, two workers of one thread", dask_cluster),
    },
    COLUMNS,
    repeats=1,
    add_options=add_options,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
