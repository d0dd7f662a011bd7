"""Measure how fast prediction is, beside ONNX Runtime and the bare PyTorch loop.

Run by ``python -m benchmarks.prediction [--quick] [--only ROW ...] [--device cuda]``.
"""

import sys
from functools import partial

import numpy as np

from benchmarks import _bare, _onnx
from benchmarks._command import Benchmark, Row, run
from benchmarks._measure import (
    alternate,
    rates,
    ratio,
    rounds_to_fill,
    seconds_of,
    settle_on,
    summary,
)
from benchmarks._networks import NETWORKS, module_of
from benchmarks._report import Bar

TEXT = """\
Images per second of `predict_proba` on a uint8 array of synthetic cells. ONNX Runtime and the bare
loop compute the same network in float32, given the same array, with as many threads, each at its
best of these batch sizes: 16, 64, 256. That it is the same network is checked by its answers. All
run in turn in one process; a ratio is the median over the rounds (least..most), above 1 where
skblood is the faster."""
COLUMNS = {
    "images_per_second": ("images/s", ".0f"),
    "beside_onnx": ("beside ONNX Runtime", ".2f"),
    "beside_bare": ("beside the bare loop", ".2f"),
    "onnx_batch": ("its batch", "d"),
}
BATCH_SIZES = (16, 64, 256)


def measure(name, options):
    """Predict with one network in each of the ways."""
    network, device = NETWORKS[name], options.device
    X, _ = network.images(options.quick)
    fitted = network.fitted(device)
    module = _bare.to_predict(module_of(fitted), device)
    bare, bare_batch = best_batch(partial(_bare.predict, module, X, device=device))
    candidates = {"ours": partial(fitted.predict_proba, X), "bare": bare}
    figures, notes = {"bare_batch": bare_batch, "n_images": len(X)}, []
    why_not = _onnx.why_not(device)
    if why_not:
        notes.append(why_not)
    else:
        session = _onnx.make_session(module_of(fitted), network.image_size, device)
        candidates["onnx"], figures["onnx_batch"] = best_batch(partial(_onnx.predict, session, X))
    check_answers(fitted, X, candidates)
    passes = rounds_to_fill(0.5 if options.quick else 3.0, seconds_of(bare), least=1)
    taken = alternate(
        candidates, options.repeats, passes=passes, warm_up=False, settle=settle_on(device)
    )
    speed = rates(taken, passes * len(X))
    return {
        "images_per_second": summary(speed["ours"]),
        **{f"beside_{k}": ratio(speed, "ours", k) for k in candidates if k != "ours"},
        **figures,
        "seconds": taken,
        "notes": notes,
    }


def check_answers(fitted, X, candidates):
    """Run each candidate once, and refuse to compare what is not one network."""
    expected = fitted.set_params(precision="float32").predict_proba(X)
    fitted.set_params(precision="auto")
    for name, predict in candidates.items():
        difference = float(np.abs(predict() - expected).max())
        if name != "ours" and difference > 0.01:
            raise RuntimeError(f"{name}: its probabilities are others, by up to {difference}.")


def best_batch(predict):
    """Return the prediction with the fastest batch size, each tried twice, and that size."""
    seconds = {}
    for batch_size in BATCH_SIZES:
        predict(batch_size=batch_size)
        seconds[batch_size] = seconds_of(predict, batch_size=batch_size)
    best = min(seconds, key=seconds.get)
    return partial(predict, batch_size=best), best


BENCHMARK = Benchmark(
    "prediction",
    "Speed of prediction",
    TEXT,
    {
        name: Row(network.what, partial(measure, name), {"beside_onnx": Bar(">=", 1.0)})
        for name, network in NETWORKS.items()
    },
    COLUMNS,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
