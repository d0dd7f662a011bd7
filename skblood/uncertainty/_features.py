"""Features of images at several depths of a fitted network, or from a table."""

from itertools import takewhile
from math import prod

import numpy as np
import torch

from skblood.estimators import CellClassifier
from skblood.images import read_table
from skblood.networks import hooked

# Bytes of images that are kept, so that no file is decoded twice.
_MAX_IN_MEMORY = 2**28


def takes_pixels(model):
    """Return whether a model is a classifier of skblood that was fitted on images."""
    return isinstance(model, CellClassifier) and model.spec_.is_pixels


def read_cells(model, X):
    """Return X as read by a classifier of skblood, to be used several times.

    X itself, if there is no such classifier, or if the images would take much memory.
    """
    if not isinstance(model, CellClassifier):
        return X
    n_bytes = len(model.iter_images(X)) * prod(model.spec_.accepted_shape)
    return model.read_images(X) if n_bytes <= _MAX_IN_MEMORY else X


def extract_features(model, X):
    """Return the features of images, level by level.

    Parameters
    ----------
    model : object or None
        Fitted classifier of skblood: the levels are the stages of its backbones, then the input of
        its output layer. Fitted transformer: its output is the only level. For any other estimator
        and None, X is a table of features.
    X : object
        Input of the model.

    Returns
    -------
    levels : list of ndarray of shape (n, d)
    """
    if isinstance(model, CellClassifier):
        return _network_levels(model.predictor_, model.iter_images(X))
    X = model.transform(X) if hasattr(model, "transform") else X
    return [read_table(None, X, dtype=[np.float64, np.float32])]


def _network_levels(predictor, images):
    network = predictor.network
    layouts = {
        stage: getattr(backbone.body, "output_fmt", "NCHW")
        for backbone in network.backbones
        for stage in _stage_modules(backbone)
    }
    pooled, widths = {}, []

    def pool(stage, inputs, output):
        if isinstance(output, torch.Tensor) and output.ndim in (3, 4):
            pooled[stage] = _pool(output.float(), layouts[stage])

    def step(x):
        levels = [network.penultimate(x), *pooled.values()]
        widths[:] = [level.shape[1] for level in levels]
        return torch.cat([level.float() for level in levels], dim=1)

    with hooked(layouts, pool):
        features = predictor.run(step, images)
    last, *stages = np.split(features, np.cumsum(widths)[:-1], axis=1)
    return [*stages, last]


def _pool(x, layout):
    """Return mean and standard deviation of each channel over an image, shape (n, 2 * c)."""
    if x.ndim == 4 and layout == "NCHW":
        x = x.permute(0, 2, 3, 1)
    x = x.reshape(len(x), -1, x.shape[-1])  # positions, or the tokens of a transformer
    return torch.cat([x.mean(1), x.std(1, correction=0)], dim=1)


def _stage_modules(backbone):
    """Yield the module of each stage: the innermost one with all of its parameters."""
    for names in backbone.stages:
        parents = zip(*(name.split(".")[:-1] for name in names), strict=False)
        path = ".".join(parts[0] for parts in takewhile(lambda p: len(set(p)) == 1, parents))
        if path:
            yield backbone.body.get_submodule(path)
