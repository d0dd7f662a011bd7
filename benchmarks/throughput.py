"""Measure how fast training is, beside the bare PyTorch loop and the stock recipe.

Run by ``python -m benchmarks.throughput [--quick] [--only ROW ...] [--device cuda]``.
"""

import importlib.util
import sys
from functools import partial

from benchmarks import _bare, _stock
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
Images per second of a whole `fit`, all that comes before the first epoch included, on synthetic
cells, in batches of 64. The limit is a bare PyTorch loop over the same network, augmentation,
optimizer, schedule and precision (`benchmarks/_bare.py`); the stock recipe is skorch with a
`DataLoader` and torchvision's transforms, in float32 (`benchmarks/_stock.py`), without workers or
with two, as is faster. All run in turn in one process; a ratio is the median over the rounds
(least..most), above 1 where skblood is the faster. That both do the same work shows in the training
loss of the last epoch, which must not be above the bare loop's by more than the bar."""
COLUMNS = {
    "images_per_second": ("images/s", ".0f"),
    "beside_bare": ("beside the bare loop", ".3f"),
    "beside_stock": ("beside the stock recipe", ".2f"),
    "beside_fastai": ("beside fastai", ".2f"),
    "epochs": ("epochs", "d"),
    "beside_bare_loss": ("loss, beside the bare loop's", ".2f"),
}


def measure(name, options):
    """Train one network in each of the ways."""
    network, device = NETWORKS[name], options.device
    X, y = network.images(options.quick)
    module, codes = module_of(network.fitted(device)), _bare.codes_of(y)
    dtype = _bare.autocast_dtype(device)
    seconds = 1.0 if options.quick else 8.0

    bare = partial(_bare.train, module, X, codes, device=device, dtype=dtype)
    bare(epochs=1)
    epochs = rounds_to_fill(seconds, seconds_of(bare, epochs=1))
    ours = network.estimator(max_epochs=epochs, device=device)
    stock, workers, stock_epochs = choose_stock(module, X, codes, device, seconds)
    losses = {"ours": [], "bare": []}
    candidates = {
        "ours": lambda: losses["ours"].append(ours.fit(X, y).history_[-1, "train_loss"]),
        "bare": lambda: losses["bare"].append(bare(epochs=epochs)[-1]),
    }
    candidates["stock"] = partial(stock, epochs=stock_epochs)
    work = {"ours": epochs * len(X), "bare": epochs * len(X), "stock": stock_epochs * len(X)}
    notes = []
    if importlib.util.find_spec("fastai"):
        candidates["fastai"] = partial(
            _stock.train_fastai, module, X, codes, epochs=stock_epochs, device=device
        )
        work["fastai"] = stock_epochs * len(X)
    else:
        notes.append("fastai is not installed here, so it is left out.")

    taken = alternate(candidates, options.repeats, settle=settle_on(device))
    speed = rates(taken, work)
    return {
        "images_per_second": summary(speed["ours"]),
        **{f"beside_{k}": ratio(speed, "ours", k) for k in candidates if k != "ours"},
        "images_per_second_of": {other: summary(speed[other]) for other in candidates},
        "beside_bare_loss": ratio(losses, "ours", "bare"),
        "n_images": len(X),
        "epochs": epochs,
        "stock_epochs": stock_epochs,
        "stock_workers": workers,
        "precision": str(dtype).removeprefix("torch."),
        "seconds": taken,
        "notes": notes,
    }


def choose_stock(module, X, codes, device, seconds):
    """Return the stock recipe with the better number of workers, that, and epochs to time."""
    tried = {}
    for workers in (0, 2):
        stock = partial(_stock.train_skorch, module, X, codes, device=device, workers=workers)
        tried[workers] = seconds_of(stock, epochs=1), stock
    workers = min(tried, key=lambda n: tried[n][0])
    one_epoch, stock = tried[workers]
    return stock, workers, rounds_to_fill(seconds, one_epoch, least=1)


def make_row(name, stock_bar=None):
    bars = {"beside_bare": Bar(">=", 0.95), "beside_bare_loss": Bar("<=", 1.1)}
    if stock_bar:
        bars["beside_stock"] = Bar(">=", stock_bar)
    return Row(NETWORKS[name].what, partial(measure, name), bars)


BENCHMARK = Benchmark(
    "throughput",
    "Speed of training",
    TEXT,
    {
        "mlp_28": make_row("mlp_28", 2.0),
        "cnn_28": make_row("cnn_28", 3.0),
        "cellnet_64": make_row("cellnet_64"),
        "mobilenet_128": make_row("mobilenet_128"),
    },
    COLUMNS,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
