"""Faults while models are saved, and damage to what was saved.

The faults need processes of their own: ``python -m tests.robustness._faults NAME FOLDER N SEED``
prints the outcomes as JSON.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skblood
from benchmarks._command import REPOSITORY
from skblood import CellEmbedder, MLPCellClassifier
from tests.robustness._bad_input import cells, fitted
from tests.robustness._outcome import (
    ANSWER,
    CRASH,
    HANG,
    INNER,
    REFUSED,
    SILENCE,
    WRONG,
    Outcome,
    judge,
)

NAME = "model.skblood"
BALLAST = "ballast"  # what fills a disk


def _pipeline():
    embedder = CellEmbedder("cellnet_t", random_state=0, device="cpu")
    return make_pipeline(embedder, StandardScaler(), LogisticRegression()).fit(*cells())


SAVED = {
    "transfer": partial(fitted, "transfer"),
    "mlp": partial(fitted, "mlp"),
    "hybrid": partial(fitted, "hybrid"),
    "contrastive": partial(fitted, "contrastive"),
    "embedder": partial(fitted, "embedder"),
    "pipeline": _pipeline,
}


def _answer(model):
    X, _ = cells()
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.transform(X)


def damaged_models(name, n_flips, n_cuts, folder, rng):
    """Load a saved model again and again with a byte changed, or cut off.

    Returns
    -------
    flips, cuts : list of Outcome
        Each a refusal, or the model as it was, to the bit.
    """
    path = Path(folder) / NAME
    model = SAVED[name]()
    skblood.save(model, path)
    content, right = path.read_bytes(), _answer(model)

    def load(damaged, what):
        path.write_bytes(damaged)
        return judge(
            lambda: _answer(skblood.load(path)),
            f"{name}, {what}",
            check=lambda given: None if np.array_equal(given, right) else "another model",
        )

    def flip():
        at, damaged = rng.integers(len(content)), bytearray(content)
        damaged[at] ^= int(rng.integers(1, 256))
        return load(damaged, f"byte {at} of {len(content)} changed")

    def cut():
        at = rng.integers(len(content))
        return load(content[:at], f"cut off at byte {at} of {len(content)}")

    return [flip() for _ in range(n_flips)], [cut() for _ in range(n_cuts)]


class _Scene:
    """A folder with a saved model, and another model that is to replace it."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.path = self.folder / NAME
        X, y = cells()
        settings = {"max_epochs": 1, "device": "cpu"}
        self.old, self.new = (
            MLPCellClassifier((512,), random_state=seed, **settings).fit(X, y) for seed in (0, 1)
        )
        self.answers = [_answer(self.old), _answer(self.new)]
        skblood.save(self.old, self.path)

    def judge(self, what, allowed):
        """Say whether the file is a whole model of those allowed, and alone after a save."""
        (self.folder / BALLAST).unlink(missing_ok=True)
        try:
            given = _answer(skblood.load(self.path))
        except Exception as error:
            return Outcome(CRASH, f"{what}: the file cannot be loaded: {error!r}")
        if not any(np.array_equal(given, self.answers[i]) for i in allowed):
            return Outcome(WRONG, f"{what}: another model")
        skblood.save(self.old, self.path)
        litter = sorted(set(os.listdir(self.folder)) - {NAME, "disk"})
        return Outcome(WRONG, f"{what}: left {litter}") if litter else Outcome(ANSWER)


def _in_a_child(action):
    """Start a child that says when it begins, and do something in it; return its id and pipe."""
    ready, begin = os.pipe()
    child = os.fork()
    if child:
        os.close(begin)
        return child, ready
    try:
        action(lambda: os.write(begin, b"x"))
    finally:
        os._exit(0)


def killed_saves(folder, n, seed):
    """Kill a process at random moments of a save over a file."""
    scene, rng = _Scene(folder), np.random.default_rng(seed)
    outcomes, n_new, n_litter = [], 0, 0

    def save(begin):
        begin()
        skblood.save(scene.new, scene.path)
        begin()

    def save_and_kill(after):
        child, ready = _in_a_child(save)
        os.read(ready, 1)
        start = time.perf_counter()
        select.select([ready], [], [], after)
        takes = time.perf_counter() - start
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        return takes

    takes = max(save_and_kill(60) for _ in range(5))
    skblood.save(scene.old, scene.path)
    for i in range(n):
        save_and_kill(rng.uniform(0, 1.1 * takes))
        n_litter += len(os.listdir(scene.folder)) > 1
        n_new += np.array_equal(_answer(skblood.load(scene.path)), scene.answers[1])
        outcomes.append(scene.judge(f"kill {i}", (0, 1)))
    return outcomes, [
        f"After {n} kills, the file held the old model {n - n_new} times and the new one {n_new} "
        f"times; {n_litter} times a temporary file was left, which the next save removed."
    ]


def _attempt(scene, restrict, what):
    """Save in a child that is restricted; the old model must stay, and the error say why."""
    result, told = os.pipe()

    def save(_):
        try:
            restrict()
            skblood.save(scene.new, scene.path)
            said = "saved"
        except OSError as error:
            said = f"OSError {error}"
        except BaseException as error:
            said = f"other {error!r}"
        os.write(told, said.encode()[:4000])

    child, ready = _in_a_child(save)
    os.close(told)
    os.close(ready)
    if not select.select([result], [], [], 60)[0]:
        os.kill(child, signal.SIGKILL)
    said = os.read(result, 4000).decode()
    os.waitpid(child, 0)
    os.close(result)
    if not said.startswith("OSError "):
        kind = SILENCE if said == "saved" else CRASH if said else HANG
        return Outcome(kind, f"{what}: {said}")
    if NAME not in said or len(said) < 60:
        return Outcome(INNER, f"{what}: {said}")
    outcome = scene.judge(what, (0,))
    return Outcome(REFUSED, said) if outcome.is_allowed else outcome


def full_disks(folder, n, seed):
    """Save where there is room for a part of the file only: on a small disk, or by a limit."""
    rng, outcomes, notes = np.random.default_rng(seed), [], []
    scene = _Scene(folder)
    size = scene.path.stat().st_size
    for i in range(n):
        limit = int(rng.integers(1, size))
        outcomes.append(_attempt(scene, partial(_limit_files, limit), f"limit {i}"))
    notes.append(f"{n} saves met a limit of the size of files (RLIMIT_FSIZE).")
    disk = Path(folder) / "disk"
    disk.mkdir()
    with _small_disk(disk, 4 * size) as is_there:
        if is_there:
            scene = _Scene(disk)
            for i in range(n):
                fill = partial(_fill_disk, disk, int(rng.integers(size)))
                outcomes.append(_attempt(scene, fill, f"full disk {i}"))
    what = f"{n} saves met a full disk (tmpfs)." if is_there else "No tmpfs could be mounted."
    return outcomes, [*notes, what]


def _limit_files(size):
    import resource  # Windows has none

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _fill_disk(disk, room):
    with open(disk / BALLAST, "wb") as file:
        file.write(bytes(max(0, shutil.disk_usage(disk).free - room)))


@contextmanager
def _small_disk(folder, size):
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if mount is None or subprocess.run([mount, *options], capture_output=True).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def forbidden_folders(folder, n, seed):
    """Save into a folder that nobody may write to; root becomes nobody first."""
    scene = _Scene(folder)
    is_root = os.geteuid() == 0
    if is_root:
        scene.folder.chmod(0o755)
    outcomes = []
    for _ in range(n):
        scene.path.chmod(0o666)
        scene.folder.chmod(0o555)
        outcome = _attempt(scene, partial(os.setuid, 65534) if is_root else int, "read-only folder")
        scene.folder.chmod(0o755)
        outcomes.append(outcome)
    return outcomes, []


FAULTS = {"kill": killed_saves, "disk": full_disks, "folder": forbidden_folders}


def run_faults(name, folder, n, seed):
    """Run faults in a process of their own, which forks; return outcomes and notes."""
    arguments = [name, folder, n, seed]
    done = subprocess.run(
        [sys.executable, "-m", "tests.robustness._faults", *map(str, arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if done.returncode:
        return [Outcome(CRASH, f"{name}: {done.stderr[-500:]}")], []
    found = json.loads(done.stdout.splitlines()[-1])
    return [Outcome(*each) for each in found["outcomes"]], found["notes"]


if __name__ == "__main__":
    fault, folder, n, seed = sys.argv[1:]
    outcomes, notes = FAULTS[fault](folder, int(n), int(seed))
    print(json.dumps({"outcomes": [(o.kind, o.detail) for o in outcomes], "notes": notes}))
