"""Real cells: the PBC data set, a few dozen images of each class."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skblood import CellEmbedder, MLPCellClassifier, TransferCellClassifier
from skblood.datasets import load_image_folder, load_npz

pytestmark = [pytest.mark.real, pytest.mark.slow]

QUICK = {"random_state": 0, "device": "cpu", "precision": "float32"}


def choose(y, n_per_class):
    """Return the positions of `n_per_class` random members of each class."""
    rng = np.random.default_rng(0)
    chosen = [rng.choice(np.flatnonzero(y == k), n_per_class, replace=False) for k in np.unique(y)]
    return np.concatenate(chosen)


@pytest.fixture(scope="module")
def at_28_px(real_data):
    """(X, y, X_test, y_test): 100 and 40 cells of each of eight classes."""
    parts = []
    for split, n in (("train", 100), ("test", 40)):
        X, y = load_npz(real_data / "pbc" / "pbc_28.npz", split=split, return_X_y=True)
        chosen = choose(y, n)
        parts += [X[chosen], y[chosen]]
    return parts


@pytest.fixture(scope="module")
def paths(real_data):
    """(X, y, X_test, y_test): paths and names of 60 and 20 cells of each class, at 128 px."""
    parts = []
    for split, n in (("train", 60), ("test", 20)):
        X, y = load_image_folder(real_data / "pbc" / "128px", split=split, return_X_y=True)
        chosen = choose(y, n)
        parts += [X[chosen], y[chosen]]
    return parts


@pytest.fixture(scope="module")
def fitted_on_paths(paths):
    X, y, _, _ = paths
    clf = TransferCellClassifier("cellnet_t", image_size=32, max_epochs=12, lr=0.01, **QUICK)
    return clf.fit(X, y)


@pytest.fixture(scope="module")
def squeezenet(real_data):
    file = real_data.parent / "weights" / "squeezenet1_0_imagenet.safetensors"
    if not file.is_file():
        pytest.skip(f"no ImageNet weights of SqueezeNet in {file.parent.name}/{file.name}")
    return file


@pytest.mark.parametrize(
    ("clf", "floor"),
    [
        (MLPCellClassifier(hidden_layer_sizes=(256,), max_epochs=15, **QUICK), 0.60),
        (TransferCellClassifier("cellnet_t", max_epochs=12, lr=0.01, **QUICK), 0.65),
        (TransferCellClassifier("cellnet_s", max_epochs=4, **QUICK), 0.60),
    ],
    ids=["mlp", "cellnet_t", "cellnet_s"],
)
def test_beats_a_floor_at_28_px(at_28_px, clf, floor):
    X, y, X_test, y_test = at_28_px
    assert clf.fit(X, y).score(X_test, y_test) > floor
    assert_array_equal(clf.classes_, np.arange(8))


def test_labels_that_say_nothing_teach_nothing(at_28_px):
    """The floors above are no leak: shuffled labels stay near one in eight."""
    X, y, X_test, y_test = at_28_px
    shuffled = np.random.default_rng(0).permutation(y)
    clf = MLPCellClassifier(hidden_layer_sizes=(256,), max_epochs=15, **QUICK).fit(X, shuffled)
    assert clf.score(X_test, y_test) < 0.25


def test_paths(fitted_on_paths, paths):
    _, _, X_test, y_test = paths
    assert fitted_on_paths.score(X_test, y_test) > 0.6
    assert fitted_on_paths.image_shape_ == (32, 32, 3)
    assert set(fitted_on_paths.predict(X_test)) <= set(y_test)


def test_originals_of_mixed_sizes(fitted_on_paths, real_data):
    """A model of one size takes the camera's own images, whatever theirs is.

    The files hold a wider field than the images that the model was trained on, so it is asked
    about their centers.
    """
    from PIL import Image

    X, y = load_image_folder(real_data / "pbc" / "originals_val", return_X_y=True)
    chosen = choose(y, 10)
    X, y = X[chosen], y[chosen]
    images = [np.asarray(Image.open(path).convert("RGB")) for path in X]
    assert len({image.shape for image in images}) > 1
    probabilities = fitted_on_paths.predict_proba(X)
    assert_array_equal(fitted_on_paths.predict_proba(images), probabilities)
    backwards = fitted_on_paths.predict_proba(X[::-1])[::-1]
    assert_allclose(backwards, probabilities, atol=1e-6)
    centers = []
    for image in images:
        top, left = ((side - 200) // 2 for side in image.shape[:2])
        centers.append(image[top : top + 200, left : left + 200])
    assert fitted_on_paths.score(centers, y) > 0.5


def test_a_damaged_file_among_real_ones(fitted_on_paths, paths, tmp_path):
    X = paths[2][:4].tolist()
    with open(X[1], "rb") as whole:
        content = whole.read()
    (tmp_path / "half.webp").write_bytes(content[: len(content) // 2])
    X[1] = str(tmp_path / "half.webp")
    with pytest.raises(ValueError, match=r"(?s)1 of 4 image files.*position 1: .*half\.webp"):
        fitted_on_paths.predict(X)


def test_weights_of_imagenet_help(squeezenet, paths):
    X, y, X_test, y_test = paths
    options = {"image_size": 64, "trainable": "head", "hidden_layer_sizes": (), "max_epochs": 30}
    scores = {}
    for weights in (squeezenet, None):
        clf = TransferCellClassifier(
            "torchvision/squeezenet1_0", weights=weights, lr=3e-3, **options, **QUICK
        )
        scores[weights] = clf.fit(X, y).score(X_test, y_test)
    assert scores[squeezenet] > 0.7
    assert scores[squeezenet] > scores[None] + 0.1


def test_embedder_with_weights_of_a_file(squeezenet, paths):
    X = paths[2][:8]
    embedder = CellEmbedder(
        "torchvision/squeezenet1_0", weights=squeezenet, image_size=64, random_state=0, device="cpu"
    )
    features = embedder.fit_transform(X)
    assert features.shape == (8, 512)
    # Nothing in it is random.
    assert_array_equal(embedder.set_params(random_state=1).fit_transform(X), features)
