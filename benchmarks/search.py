"""Measure how fast a grid search over the head of a frozen backbone is.

    python -m benchmarks.search [--quick] [--only ROW ...] [--weights FILE]

``--weights`` names the safetensors file of torchvision's squeezenet1_0; the time is the same
without.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.model_selection import GridSearchCV, ParameterGrid

from benchmarks import _bare, _stock
from benchmarks._command import Benchmark, Row, run
from benchmarks._measure import alternate, rates, ratio, seconds_of, settle_on, summary
from benchmarks._networks import module_of
from benchmarks._report import Bar
from skblood import FeatureStore, TransferCellClassifier
from skblood.datasets import make_blood_cells

TEXT = """\
`GridSearchCV` of `TransferCellClassifier("torchvision/squeezenet1_0", trainable="head")` over the
head, the refit included, at 128 px on synthetic cells, with a fresh `FeatureStore` for each search.
The stock recipe (`benchmarks/_stock.py`) runs the frozen backbone in every epoch of every fit. Its
time is not measured as a whole: it is extrapolated from one measured epoch of training and one
pass of prediction to the number of images that all fits and scorings of the same search pass
through the network. Both run in turn in one process; a ratio is the median over the rounds
(least..most)."""
COLUMNS = {
    "seconds": ("search, s", ".1f"),
    "stock_seconds": ("stock recipe, s, extrapolated", ".0f"),
    "beside_stock": ("times faster", ".1f"),
    "beside_one": ("times faster than n_jobs=1", ".2f"),
    "n_images": ("images", "d"),
    "passes": ("passes through the backbone", "d"),
    "stock_passes": ("those of the stock recipe", "d"),
    "unexpected_passes": ("more or fewer than one for each image", "d"),
}
N_FOLDS = 5
GRID = {"hidden_layer_sizes": [(), (128,), (256,)], "dropout": [0.0, 0.3]}
IMAGE_SIZE = 128


def measure(n_jobs, options):
    """Search, and beside it train the stock recipe for an epoch."""
    n_epochs = 3 if options.quick else 30
    X, y = make_blood_cells(96 if options.quick else 800, image_size=IMAGE_SIZE, random_state=0)
    example = make_classifier(options, max_epochs=1).fit(X[:64], y[:64])
    passes, searches = [], []

    def search(n_jobs):
        with tempfile.TemporaryDirectory() as folder:
            store = FeatureStore(Path(folder) / "features")
            classifier = make_classifier(options, max_epochs=n_epochs, memory=store)
            searches.append(GridSearchCV(classifier, GRID, cv=N_FOLDS, n_jobs=n_jobs).fit(X, y))
            passes.append(len(store))  # twice what two processes computed

    stock = StockSearch(module_of(example), X, y, options.device)
    taken = alternate(
        {
            "ours": partial(search, n_jobs),
            **({"one": partial(search, 1)} if n_jobs > 1 else {}),
            "train": stock.train_epoch,
            "predict": stock.predict,
        },
        options.repeats,
        settle=settle_on(options.device),
    )
    trained, predicted = count_stock_passes(len(X), n_epochs)
    per_image = rates({k: taken[k] for k in ("train", "predict")}, len(X))
    taken["stock"] = [
        trained / train + predicted / predict
        for train, predict in zip(per_image["train"], per_image["predict"], strict=True)
    ]
    return {
        "seconds": summary(taken["ours"]),
        "stock_seconds": summary(taken["stock"]),
        "beside_stock": ratio(taken, "stock", "ours"),
        "beside_one": ratio(taken, "one", "ours") if n_jobs > 1 else None,
        "n_images": len(X),
        "passes": max(passes),
        "stock_passes": trained + predicted,
        "unexpected_passes": max(abs(n - count_distinct(X)) for n in passes),
        "n_fits": N_FOLDS * len(ParameterGrid(GRID)) + 1,
        "epochs": n_epochs,
        "stock_workers": stock.workers,
        "best_score": searches[-1].best_score_,
        "rounds": taken,
    }


def make_classifier(options, **more):
    return TransferCellClassifier(
        "torchvision/squeezenet1_0",
        weights=options.weights,
        trainable="head",
        image_size=IMAGE_SIZE,
        device=options.device,
        random_state=0,
        **more,
    )


class StockSearch:
    """One epoch of training and one pass of prediction of the stock recipe."""

    def __init__(self, module, X, y, device):
        self.X, self.codes = X, _bare.codes_of(y)
        nets = {n: _stock.skorch_net(module, epochs=1, device=device, workers=n) for n in (0, 2)}
        seconds = {n: seconds_of(partial(self._fit, net)) for n, net in nets.items()}
        self.workers = min(seconds, key=seconds.get)
        self.net = nets[self.workers]

    def train_epoch(self):
        """Train for an epoch, the backbone being run on every image."""
        self._fit(self.net)

    def predict(self):
        """Predict each image once."""
        self.net.predict_proba(_stock.Images(self.X, self.codes, _stock.TEST_TRANSFORM))

    def _fit(self, net):
        net.fit(_stock.Images(self.X, self.codes), y=None)


def count_stock_passes(n, n_epochs):
    """Return the images that the recipe trains on and predicts in a whole search."""
    n_candidates = len(ParameterGrid(GRID))
    in_folds = n_candidates * (N_FOLDS - 1) * n  # every image is in all folds but one
    return n_epochs * (in_folds + n), n_candidates * n


def count_distinct(images):
    """Return how many different images there are."""
    return len(np.unique(images.reshape(len(images), -1), axis=0))


def add_options(parser):
    parser.add_argument("--weights", type=Path, help="safetensors file of squeezenet1_0")


def make_row(n_jobs):
    # Processes that start together compute some images twice.
    unexpected = Bar("<=", 0 if n_jobs == 1 else 200)
    bars = {"beside_stock": Bar(">=", 30), "unexpected_passes": unexpected}
    if n_jobs > 1:
        bars["beside_one"] = Bar(">=", 1.2)
    n_candidates = len(ParameterGrid(GRID))
    return Row(
        f"{N_FOLDS} folds, {n_candidates} heads, n_jobs={n_jobs}",
        partial(measure, n_jobs),
        bars,
        # Three epochs of few images: what is fixed weighs more than what is saved.
        quick_bars={"unexpected_passes": unexpected},
    )


BENCHMARK = Benchmark(
    "search",
    "Speed of a grid search over a frozen backbone",
    TEXT,
    {"n_jobs_1": make_row(1), "n_jobs_2": make_row(2)},
    COLUMNS,
    repeats=3,
    add_options=add_options,
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
