"""Several at once: threads with one model, and processes with one cache."""

import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import joblib
import numpy as np
from PIL import Image

from benchmarks._command import REPOSITORY
from skblood import TransferCellClassifier
from skblood.datasets import make_blood_cells
from tests.robustness._bad_input import MODELS
from tests.robustness._outcome import ANSWER, CRASH, WRONG, Outcome

_SETTINGS = {"max_epochs": 2, "random_state": 0, "device": "cpu", "hidden_layer_sizes": (8,)}
SHARED = {
    **MODELS,
    "frozen": lambda: TransferCellClassifier("cellnet_t", trainable="head", **_SETTINGS),
    "resized": lambda: TransferCellClassifier("cellnet_t", image_size=20, **_SETTINGS),
}


def forms_of(folder, n=24):
    """Return images in the forms that a prediction may be given, and labels.

    Returns
    -------
    forms : dict of str to object
    y : ndarray of shape (n,)
    """
    X, y = make_blood_cells(n, image_size=16, random_state=0)
    fixed = X.copy()
    fixed.setflags(write=False)
    paths = [str(Path(folder) / f"{i}.png") for i in range(n)]
    for path, pixels in zip(paths, X, strict=True):
        Image.fromarray(pixels).save(path)
    forms = {"arrays": X, "read-only": fixed, "rows": X.reshape(n, -1), "files": paths}
    return {**forms, "floats": X / 255, "reversed": X[::-1].copy()[::-1]}, y


def answer(model, X):
    """Return probabilities or features."""
    return model.transform(X) if hasattr(model, "transform") else model.predict_proba(X)


def threads_with_one_model(name, folder, n_threads=8, n_calls=40, beside=None):
    """Let threads predict with one model, each form by turns.

    Parameters
    ----------
    name : str
        Of `SHARED`.
    folder : path-like
        For the image files.
    n_threads, n_calls : int
    beside : callable, default=None
        Gets the model, and is called over and over while the others predict.

    Returns
    -------
    outcomes : list of Outcome
        One for each call: the answer must be that of one thread, to the bit.
    """
    forms, y = forms_of(folder)
    model = SHARED[name]().fit(forms["arrays"], y)
    right = {form: answer(model, X) for form, X in forms.items()}

    def call(i):
        form = list(forms)[i % len(forms)]
        return _compare(partial(answer, model, forms[form]), right[form], f"{name}, {form}")

    with ThreadPoolExecutor(n_threads + 1) as pool:
        others = [pool.submit(beside, model) for _ in range(4)] if beside else []
        outcomes = list(pool.map(call, range(n_calls)))
        return outcomes + [Outcome(ANSWER) if not o.exception() else _crash(o) for o in others]


def _crash(future):
    return Outcome(CRASH, repr(future.exception()))


def _compare(call, right, what):
    try:
        given = call()
    except Exception as error:
        return Outcome(CRASH, f"{what}: {error!r}")
    same = given.dtype == right.dtype and np.array_equal(given, right)
    return Outcome(ANSWER) if same else Outcome(WRONG, f"{what}: not what one thread gives")


def joblib_threads(name, folder, n_jobs=4):
    """Let joblib's threads fit and predict: each must do as one alone."""
    forms, y = forms_of(folder)

    def fit(i):
        return SHARED[name]().fit(forms[list(forms)[i % 4]], y)

    models = joblib.Parallel(n_jobs, backend="threading")(joblib.delayed(fit)(i) for i in range(4))
    right = answer(fit(0), forms["arrays"])
    return [
        _compare(partial(answer, model, forms["arrays"]), right, f"{name}, fitted in a thread")
        for model in models
    ]


_TRAIN = """
import pickle, sys
import numpy as np
from skblood import TransferCellClassifier
with open(sys.argv[1], "rb") as file:
    paths, y = pickle.load(file)
print("ready", flush=True)
clf = TransferCellClassifier(
    "cellnet_t", trainable="head", max_epochs=2, random_state=0, device="cpu",
    hidden_layer_sizes=(8,), memory=sys.argv[2] or None,
)
np.save(sys.argv[3], clf.fit(paths, y).predict_proba(paths))
"""


def processes_with_one_cache(folder, n_rounds=1, kill=True, n=200, rng=None):
    """Let two processes train with one cache, of which one may be killed.

    Returns
    -------
    outcomes : list of Outcome
        In each round: what is left of the two, then a third that finds the cache as it is; all
        must give what a fit without a cache gives.
    """
    folder, rng = Path(folder), rng or np.random.default_rng(0)
    X, y = make_blood_cells(n, image_size=48, random_state=0)
    paths = [str(folder / f"cell_{i}.png") for i in range(n)]
    for path, pixels in zip(paths, X, strict=True):
        Image.fromarray(pixels).save(path)
    (folder / "task.pkl").write_bytes(pickle.dumps((paths, y)))
    right, outcomes = _finish(*_start(folder, "", "right")), []
    if isinstance(right, Outcome):
        return [right]
    for i in range(n_rounds):
        memory = folder / f"memory_{i}"
        both = [_start(folder, memory, f"{i}_{j}") for j in range(2)]
        if kill:
            killed, _ = both.pop()
            killed.stdout.readline()
            time.sleep(rng.uniform(0, 0.6))
            killed.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
            killed.communicate()
        given = [_finish(*each) for each in both]
        given.append(_finish(*_start(folder, memory, f"{i}_after")))
        outcomes += [
            each if isinstance(each, Outcome) else _compare(lambda g=each: g, right, f"round {i}")
            for each in given
        ]
    return outcomes


def _start(folder, memory, name):
    out = folder / f"{name}.npy"
    arguments = [folder / "task.pkl", memory, out]
    process = subprocess.Popen(
        [sys.executable, "-c", _TRAIN, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return process, out


def _finish(process, out):
    try:
        _, said = process.communicate(timeout=180)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Outcome(CRASH, "a process that trains with a cache hangs")
    if process.returncode:
        return Outcome(CRASH, f"a process that trains with a cache: {said[-500:]}")
    return np.load(out)
