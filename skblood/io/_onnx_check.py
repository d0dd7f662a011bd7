"""Whether a graph answers as the estimator that it was made of."""

import copy
import tempfile
from types import SimpleNamespace

import numpy as np

from skblood.images import resize_images

# Sides of the coarse patches that the images are made of, and the noise laid over them.
_PATCHES = 6
_NOISE = 12


def largest_difference(run, model, network):
    """Compare a graph and an estimator on drawn images of two sizes, in batches of two lengths.

    Parameters
    ----------
    run : callable
        Maps images, or rows, to what the graph makes of them.
    model : CellModel
        Fitted. It is not changed.
    network : CellNetwork
        A copy of its network, on the CPU.

    Returns
    -------
    difference : float
        Between probabilities; between features, in parts of the largest feature, if that is
        above 1. It is not a number where the graph's answer is none.
    """
    differences = []
    with tempfile.TemporaryDirectory() as folder:
        answer = _in_float32(model, network, folder)
        for X in _draw(model, network):
            expected = answer(X)
            scale = max(1.0, float(np.abs(expected).max()))
            differences.append(np.abs(run(X) - expected).max() / scale)
    return float(np.max(differences))


def _in_float32(model, network, folder):
    """Return `predict_proba` or `transform` of a twin, on the CPU, in float32.

    What it computes of frozen backbones goes into a folder of its own: none of it is the user's.
    """
    twin = copy.copy(model)
    vars(twin).update(device="cpu", precision="float32", memory=folder)
    if hasattr(model, "net_"):
        twin.net_ = SimpleNamespace(module_=network)
        return twin.predict_proba
    twin.network_ = network
    return twin.transform


def _draw(model, network):
    """Return batches like those that the model was fitted on, the same ones each time."""
    rng = np.random.default_rng(0)
    height, width, n_channels = model._given_shape
    if not model._is_pixels:
        scale = network.backbones[0].standardize
        rows = rng.standard_normal((5, height, width, n_channels))
        rows = rows * scale.std.numpy() + scale.mean.numpy()
        rows = rows.reshape(5, -1).astype(np.float32)
        return [rows[:1], rows]
    other = (height, width)
    if model.image_size_ is not None:
        other = (height + height // 2 + 1, max(1, width // 2))
    return [
        _draw_images(rng, 1, height, width, n_channels),
        _draw_images(rng, 3, *other, n_channels),
    ]


def _draw_images(rng, n, height, width, n_channels):
    """Return images of soft patches with a little noise: unlike plain noise, they differ."""
    patches = rng.integers(0, 256, (n, _PATCHES, _PATCHES, n_channels), dtype=np.uint8)
    images = resize_images(patches, (height, width), "bicubic").astype(np.int16)
    images += rng.integers(-_NOISE, _NOISE + 1, images.shape, dtype=np.int16)
    return images.clip(0, 255).astype(np.uint8)
