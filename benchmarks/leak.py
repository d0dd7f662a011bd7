"""Measure what test images among the training images do to the test score.

    python -m benchmarks.leak --data FOLDER [--quick] [--repeats SEEDS] [--epochs N]

The folder holds ``train`` and ``test``, each with one folder for each class.
"""

import sys
from functools import cache, partial

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from benchmarks._command import Benchmark, Row, run
from benchmarks._measure import summary
from skblood import MLPCellClassifier, TransferCellClassifier
from skblood.datasets import load_image_folder
from skblood.images import read_images

TEXT = """\
With each seed an estimator is trained on clean images, and on as many of which some were replaced
by test images of the same class: nothing but the leak differs. What leaks is a tenth of the test
images as they are, as where a set holds copies; the same tenth turned or mirrored, as where
augmentation comes before the split; or all test images. The perceptron has 20 epochs without
augmentation, the network 12 epochs with the library's defaults. Every third training image of PBC
(Acevedo et al. 2020, Data in Brief 30:105474, CC BY 4.0; BloodMNIST recipe, own split) and all test
images, at 28 px. Accuracies, the median of the seeds and their spread, after clean and after leaky
training. The optimism is the difference on all test images, in points (hundredths); the images that
did not leak show whether the classifier got any better."""
# Of each part: its heading, and which test images it holds, given the mask of those that leaked.
PARTS = {
    "all": ("all test images", np.ones_like),
    "leaked": ("those that leaked", np.asarray),
    "rest": ("the others", np.logical_not),
}
MODELS = ("clean", "leaky")
COLUMNS = {
    "n_train": ("training images", "d"),
    "n_leaked": ("leaked", "d"),
    **{
        f"{part}_{model}": (f"{heading}, {model}", ".3f")
        for part, (heading, _) in PARTS.items()
        for model in MODELS
    },
    "optimism": ("optimism, points", "+.2f"),
}
IMAGE_SIZE = 28


def as_they_are(images, rng):
    """Return the images."""
    return images


def turned(images, rng):
    """Return each image turned by a right angle, mirrored or both, and none as it was."""
    changes = [(turns, mirror) for mirror in (1, -1) for turns in range(4)][1:]
    drawn = [changes[i] for i in rng.integers(len(changes), size=len(images))]
    return np.stack(
        [np.rot90(x, turns)[:, ::mirror] for x, (turns, mirror) in zip(images, drawn, strict=True)]
    )


LEAKS = {
    "a tenth": (0.1, as_they_are),
    "a tenth, turned": (0.1, turned),
    "all": (1.0, as_they_are),
}


def neighbor(seed, options):
    """Return a classifier by the nearest training image, pixel by pixel."""
    return make_pipeline(FunctionTransformer(as_rows), KNeighborsClassifier(n_neighbors=1))


def as_rows(images):
    """Return the pixels of each image as a row, in 0..1."""
    return images.reshape(len(images), -1) / np.float32(255)


def mlp(seed, options):
    """Return a perceptron that sees the training images as they are."""
    epochs = options.epochs or (3 if options.quick else 20)
    return MLPCellClassifier(
        augment=None, max_epochs=epochs, device=options.device, random_state=seed
    )


def cellnet(seed, options):
    """Return the small network with the library's defaults: augmented, smoothed, decayed."""
    epochs = options.epochs or (4 if options.quick else 12)
    return TransferCellClassifier(
        image_size=IMAGE_SIZE, max_epochs=epochs, device=options.device, random_state=seed
    )


@cache
def load(folder, split, step):
    """Return every `step`-th image of a split, and the labels."""
    paths, y = load_image_folder(folder, split=split, return_X_y=True)
    return read_images(paths[::step], size=(IMAGE_SIZE, IMAGE_SIZE)), y[::step]


def draw_leaked(y_test, share, rng):
    """Return which test images leak, as a mask: a share of each class, at random."""
    leaked = np.ones(len(y_test), dtype=bool)
    if share < 1:
        seed = int(rng.integers(2**31))
        kept, _ = train_test_split(
            np.arange(len(y_test)), test_size=share, stratify=y_test, random_state=seed
        )
        leaked[kept] = False
    return leaked


def leak(X, y, images, labels, rng):
    """Return a copy of X in which the images replace others of their class, at random.

    The labels stay as they are, and so do the sizes of the classes.
    """
    X = X.copy()
    for label in np.unique(labels):
        arriving = images[labels == label]
        replaced = rng.choice(np.flatnonzero(y == label), len(arriving), replace=False)
        X[replaced] = arriving
    return X


def measure(make, options):
    """Train on clean and on leaky images with each seed, and look at each part of the test set."""
    X, y = load(options.data, "train", 18 if options.quick else 3)
    X_test, y_test = load(options.data, "test", 18 if options.quick else 1)
    runs = {name: [] for name in LEAKS}
    for seed in range(options.repeats):
        clean = make(seed, options).fit(X, y).predict(X_test) == y_test
        for name, (share, change) in LEAKS.items():
            # From the same seed each time: the copies and the turned ones are of the same tenth.
            rng = np.random.default_rng(seed)
            leaked = draw_leaked(y_test, share, rng)
            X_leaky = leak(X, y, change(X_test[leaked], rng), y_test[leaked], rng)
            leaky = make(seed, options).fit(X_leaky, y).predict(X_test) == y_test
            runs[name].append({"leaked": leaked, "clean": clean, "leaky": leaky})
            print(f"  seed {seed}, {name}: {clean.mean():.4f}, {leaky.mean():.4f}", flush=True)
    return {name: {"n_train": len(y), **figures_of(each)} for name, each in runs.items()}


def figures_of(runs):
    """Return the figures of one kind of leak.

    Parameters
    ----------
    runs : list of dict of str to ndarray
        For each seed three masks of the test images: "leaked", and which of them the "clean" and
        the "leaky" model name rightly.
    """
    figures = {"n_leaked": int(runs[0]["leaked"].sum())}
    for part, (_, choose) in PARTS.items():
        masks = [choose(run["leaked"]) for run in runs]
        if masks[0].any():  # where all leak there are no others
            for model in MODELS:
                right = [run[model][mask] for run, mask in zip(runs, masks, strict=True)]
                figures[f"{part}_{model}"] = summary([float(each.mean()) for each in right])
    gains = [run["leaky"].mean() - run["clean"].mean() for run in runs]
    return figures | {"optimism": summary([float(100 * gain) for gain in gains])}


def add_options(parser):
    parser.add_argument("--epochs", type=int, help="epochs of the networks")


BENCHMARK = Benchmark(
    "leak",
    "What a leak does to the test score",
    TEXT,
    {
        "neighbor": Row(
            "KNeighborsClassifier(1) on pixels", partial(measure, neighbor), needs_data=True
        ),
        "mlp": Row("MLPCellClassifier(augment=None)", partial(measure, mlp), needs_data=True),
        "cellnet": Row(
            "TransferCellClassifier(image_size=28)",
            partial(measure, cellnet),
            needs_data=True,
        ),
    },
    COLUMNS,
    repeats=3,
    add_options=add_options,
    lines=lambda name, figures: [(f"{name}, {leak}", each) for leak, each in figures.items()],
)

if __name__ == "__main__":
    sys.exit(run(BENCHMARK))
