"""Measure how long it takes until 99 of 100 test cells are named right.

    python -m benchmarks.time_to_accuracy --data FOLDER [--quick] [--seeds 3] [--epochs N]

The folder holds ``train`` and ``test``, each with one folder for each class.
"""

import statistics
import sys
import time

import numpy as np
from skorch.callbacks import Callback

from benchmarks import _residual
from benchmarks._bare import autocast_dtype, codes_of
from benchmarks._command import Benchmark, Row, run
from benchmarks._report import Bar
from skblood import TransferCellClassifier
from skblood.datasets import load_image_folder
from skblood.images import read_images

TEXT = """\
Seconds of training from files until the accuracy on the test images reaches the target, decoding
included, looking after each epoch; the looking is not counted. `TransferCellClassifier` with its
defaults is given the paths; the reference is a bare PyTorch loop over a residual network of 1.1
million parameters (`benchmarks/_residual.py`), and counts with the time of its whole training where
it does not get there. Both have as many epochs, and take turns, seed by seed. PBC (Acevedo et al.
2020, Data in Brief 30:105474, CC BY 4.0), BloodMNIST recipe, own split. The first epoch at the
target is chosen on the test images: it tells speed, not what a classifier is worth on other
cells."""
COLUMNS = {
    "target": ("target", ".2f"),
    "seconds": ("seconds", ".1f"),
    "reference_seconds": ("reference", ".1f"),
    "time_ratio": ("ratio of the times", ".2f"),
    "reached": ("seeds that reach it", ".0%"),
    "reference_reached": ("of the reference", ".0%"),
    "accuracy": ("accuracy at the end", ".4f"),
    "reference_accuracy": ("of the reference", ".4f"),
}
IMAGE_SIZE = 64


class Clock:
    """Seconds from the start, without those in which it was stopped."""

    def __init__(self):
        self.start, self.stopped = time.perf_counter(), 0.0

    def now(self):
        """Return the seconds that count."""
        return time.perf_counter() - self.start - self.stopped

    def set_back(self, to):
        """Leave out all since `now` said `to`."""
        self.stopped += self.now() - to


class TestAccuracy(Callback):
    """Note after each epoch when it ended and how accurate it is on the validation images.

    These are validated by the net itself, between the last training batch and the end of the
    epoch: time that is taken off the clock.
    """

    def __init__(self, clock, curve):
        self.clock, self.curve = clock, curve

    def __deepcopy__(self, memo):
        """Stay the same: the classifier copies callbacks, and the curve is wanted outside."""
        return self

    def on_batch_end(self, net, training=None, **kwargs):
        """Note the time: this may be the last training batch."""
        if training:
            self.trained_ = self.clock.now()

    def on_epoch_end(self, net, **kwargs):
        """Note the accuracy."""
        self.curve.append((self.trained_, net.history[-1, "valid_accuracy"]))
        self.clock.set_back(self.trained_)


def train_ours(paths, y, test, epochs, seed, device):
    """Return [(seconds, test accuracy), ...], epoch by epoch."""
    clock, curve = Clock(), []
    TransferCellClassifier(
        image_size=IMAGE_SIZE,
        max_epochs=epochs,
        scoring="accuracy",
        callbacks=[TestAccuracy(clock, curve)],
        device=device,
        random_state=seed,
    ).fit(paths, y, X_val=test[0], y_val=test[1])
    return curve


def train_reference(paths, y, test, epochs, seed, device):
    """Return [(seconds, test accuracy), ...], epoch by epoch."""
    clock, curve = Clock(), []
    X_test, test_codes = test[0], codes_of(test[1])

    def look(predict):
        trained = clock.now()
        curve.append((trained, float(np.mean(predict(X_test) == test_codes))))
        clock.set_back(trained)

    _residual.train(
        _residual.decode(paths, IMAGE_SIZE),
        codes_of(y),
        epochs=epochs,
        device=device,
        dtype=autocast_dtype(device),
        seed=seed,
        on_epoch_end=look,
    )
    return curve


def time_to(curve, target):
    """Return the seconds until the first epoch that reaches the target; None is never."""
    return next((seconds for seconds, accuracy in curve if accuracy >= target), None)


def measure(options):
    """Train both with each seed, in turn."""
    target = 0.8 if options.quick else 0.99
    epochs = options.epochs or (4 if options.quick else 20)
    step = 6 if options.quick else 1
    paths, y = load_image_folder(options.data, split="train", return_X_y=True)
    test_paths, y_test = load_image_folder(options.data, split="test", return_X_y=True)
    test = read_images(test_paths[::step], size=(IMAGE_SIZE, IMAGE_SIZE)), y_test[::step]
    for train in (train_ours, train_reference):  # the first use of a device costs seconds
        train(paths[::100], y[::100], test, 1, 0, options.device)
    curves = {"ours": [], "reference": []}
    for seed in range(options.seeds or (1 if options.quick else 3)):
        for name, train in (("ours", train_ours), ("reference", train_reference)):
            curves[name].append(train(paths[::step], y[::step], test, epochs, seed, options.device))
            seconds, accuracy = curves[name][-1][-1]
            print(f"  {name}, seed {seed}: {accuracy:.4f} after {seconds:.1f} s", flush=True)
    return figures_of(curves, target) | {"n_train": len(y[::step]), "epochs": epochs}


def figures_of(curves, target):
    """Return the figures of some curves."""
    times = {name: [time_to(curve, target) for curve in each] for name, each in curves.items()}
    # A reference that never gets there takes longer than all of its training.
    limits = [time_to(curve, target) or curve[-1][0] for curve in curves["reference"]]
    pairs = [pair for pair in zip(times["ours"], limits, strict=True) if pair[0] is not None]
    return {
        "target": target,
        "seconds": median(times["ours"]),
        "reference_seconds": median(times["reference"]),
        "time_ratio": median([ours / reference for ours, reference in pairs]),
        "reached": share(times["ours"]),
        "reference_reached": share(times["reference"]),
        "accuracy": median([curve[-1][1] for curve in curves["ours"]]),
        "reference_accuracy": median([curve[-1][1] for curve in curves["reference"]]),
        "curves": curves,
    }


def median(values):
    """Return the median and the spread of those values that are there; None if there are none."""
    there = [value for value in values if value is not None]
    if not there:
        return None
    return {"median": statistics.median(there), "min": min(there), "max": max(there)}


def share(times):
    """Return the share of runs that reached the target."""
    return sum(seconds is not None for seconds in times) / len(times)


def add_options(parser):
    parser.add_argument("--seeds", type=int, help="how many seeds")
    parser.add_argument("--epochs", type=int, help="epochs of both")


BENCHMARK = Benchmark(
    "time_to_accuracy",
    "Time to accuracy",
    TEXT,
    {
        "cellnet_64": Row(
            "TransferCellClassifier(image_size=64)",
            measure,
            {"time_ratio": Bar("<=", 0.5), "reached": Bar(">=", 1.0)},
            needs_data=True,
            # A few epochs on a sixth of the images say nothing about the way to the target.
            quick_bars={"reached": Bar(">=", 1.0)},
        )
    },
    COLUMNS,
    add_options=add_options,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
