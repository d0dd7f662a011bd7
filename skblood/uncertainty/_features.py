"""What a fitted model makes of images: features at several depths of its network, or one table."""

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skblood.estimators import CellClassifier
from skblood.images import read_table


def last_model(estimator, X):
    """Return the model that makes the features, and what it is given of X.

    That is the last step of a Pipeline, and what is frozen of a FrozenEstimator.
    """
    if isinstance(estimator, FrozenEstimator):
        return last_model(estimator.estimator, X)
    if isinstance(estimator, Pipeline):
        X = estimator[:-1].transform(X) if len(estimator) > 1 else X
        return last_model(estimator[-1], X)
    return estimator, X


def sees_pixels(model):
    """Say whether a model is a classifier of skblood that was fitted on images."""
    return isinstance(model, CellClassifier) and model._is_pixels


def read_features(model, X):
    """Return the features of images, level by level.

    Parameters
    ----------
    model : object or None
        A fitted classifier of skblood, whose levels are the stages of its backbones and what its
        last layer is given; a fitted transformer, whose output is the one level; any other
        estimator or None, for which X is a table of features.
    X : object
        What the model takes.

    Returns
    -------
    levels : list of ndarray of shape (n, d)
    """
    if isinstance(model, CellClassifier):
        return read_changed(model, X, [np.asarray])[0]
    X = model.transform(X) if hasattr(model, "transform") else X
    return [read_table(None, X, dtype=[np.float64, np.float32])]


def read_changed(model, X, changes):
    """Return the features of images after each of some changes, for a classifier of skblood.

    Parameters
    ----------
    model : CellClassifier
    X : object
    changes : list of callable
        Each maps the images, as the classifier has read them, to changed ones.

    Returns
    -------
    versions : list of lists of ndarray of shape (n, d)
        The levels after each change.
    """
    check_is_fitted(model)
    images = model._read_to_predict(X)
    return [_network_levels(model, change(images)) for change in changes]


def _network_levels(model, images):
    network = model.net_.module_
    pooled, handles, widths = {}, [], []
    for number, backbone in enumerate(network.backbones):
        for path, stage in _stage_modules(backbone):
            keep = _Pool(pooled, (number, path), getattr(backbone.body, "output_fmt", "NCHW"))
            handles.append(stage.register_forward_hook(keep))

    def step(x):
        last = network.penultimate(x)
        levels = [*pooled.values(), last]
        widths[:] = [level.shape[1] for level in levels]
        return torch.cat([level.float() for level in levels], dim=1)

    try:
        features = model._forward_all(network, step, images)
    finally:
        for handle in handles:
            handle.remove()
    return np.split(features, np.cumsum(widths)[:-1], axis=1)


class _Pool:
    """A hook that keeps the mean and the spread of each channel over an image."""

    def __init__(self, pooled, key, layout):
        self.pooled, self.key, self.layout = pooled, key, layout

    def __call__(self, module, inputs, output):
        if not isinstance(output, torch.Tensor) or output.ndim not in (3, 4):
            return
        x = output.float()
        if x.ndim == 4 and self.layout == "NCHW":
            x = x.permute(0, 2, 3, 1)
        x = x.reshape(len(x), -1, x.shape[-1])  # positions, or the tokens of a transformer
        self.pooled[self.key] = torch.cat([x.mean(1), x.std(1, correction=0)], dim=1)


def _stage_modules(backbone):
    """Return the module that the parameters of each stage have in common, where there is one."""
    for names in backbone.stages:
        paths = [name.split(".")[:-1] for name in names]
        shared = []
        for parts in zip(*paths, strict=False):
            if len(set(parts)) > 1:
                break
            shared.append(parts[0])
        if shared:
            path = ".".join(shared)
            yield path, backbone.body.get_submodule(path)
