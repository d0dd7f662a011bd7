"""Check of whether a batch of cells is of the kind that a model was trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skblood._labels import check_probabilities, plain_list
from skblood._sklearn import safe_indexing
from skblood._typing import ArrayLike, Classifier, Images, RandomState
from skblood.estimators import CellClassifier, assumed_prior, read_prior
from skblood.inference import draw_seed
from skblood.networks import batch_norms, hooked

from ._features import read_cells

# Distance and mean confidence of validation cells of PBC, by the fingerprint of the training data
# of a pretrained model. Models that were adapted from it have the fingerprint, too.
_HOME = {
    "b665848444f18e1e5124fab70535719e632099cb49052adb8e2fb0586f1ef157": (0.135, 0.95),  # blood8-2
    "219b7be5fe14362d5ec39565a2718908063c6f9bf92201beef006b75d2752a1e": (0.10, 0.90),  # pbc8
}
# Fewest cells to judge; cells of which statistics are computed, at most.
_FEWEST, _MOST = 50, 256
# With blood8-2, batches of 50 cells of mixed classes: those of PBC, on which it was trained, are
# below 1.1 times the distance of known cells, those of four other laboratories above 1.3 times.
# Batches of one class are far, too, but sure.
_TIMES, _LESS_SURE, _OTHER_SHARES = 1.25, 0.07, 0.2


@dataclass(frozen=True)
class BatchCheck:
    """Result of :func:`check_batch`.

    Attributes
    ----------
    n_cells : int
        Number of cells.
    shares : dict of label to float
        Predicted shares of the classes.
    share_difference : float
        Least total variation distance of `shares` from those of the training, of normal blood and
        of the prior of the model: 0 for the same shares, 1 if no class is common.
    confidence, home_confidence : float
        Mean probability of the predicted class, here and for known cells.
    distance, home_distance : float
        See :func:`training_distance`; `distance` is NaN if confidence and shares are as for
        known cells, so that it does not matter.
    is_other : bool
        Whether the cells are far from those of the training (`distance` over 1.25 times
        `home_distance`), the predictions less sure (by 0.07 or more), and the shares implausible
        (`share_difference` over 0.2).
    """

    n_cells: int
    shares: dict[Any, float]
    share_difference: float
    confidence: float
    home_confidence: float
    distance: float
    home_distance: float

    @property
    def is_other(self):
        """Whether the batch is of other cells than those of the training."""
        return self.is_suspicious and self.distance > _TIMES * self.home_distance

    @property
    def is_suspicious(self):
        """Whether confidence and shares, which cost nothing, ask for the distance."""
        is_less_sure = self.confidence < self.home_confidence - _LESS_SURE
        return is_less_sure and self.share_difference > _OTHER_SHARES

    def __str__(self) -> str:
        most = sorted(self.shares.items(), key=lambda item: -item[1])[:3]
        shares = ", ".join(f"{label} {share:.0%}" for label, share in most)
        return (
            f"{self.n_cells:,} cells: distance {self.distance:.2f} ({self.home_distance:.2f} "
            f"for known cells), mean confidence {self.confidence:.2f} "
            f"({self.home_confidence:.2f}), most frequent classes {shares}"
        )


def training_distance(model: Classifier, X: Images, *, random_state: RandomState = 0) -> float:
    """Return how far a batch of cells is from those that a network was trained on.

    The distance between the means of the inputs of its batch normalizations over the cells, and
    their means in training, in standard deviations of the training: the root mean square over the
    channels of a layer, and over the layers. No training images are needed.

    Parameters
    ----------
    model : fitted classifier
        Of skblood, with batch normalization.
    X : array-like or sequence
        Cells, in any form that the model takes; of more than 256, a random sample.
    random_state : int, RandomState instance or None, default=0
        Seed of the sample.

    Returns
    -------
    distance : float
        Not 0 for cells of the training laboratory: compare it with that of known cells, not used in
        training. It depends on the mix of classes, and is larger for cells of one class.

    Raises
    ------
    TypeError
        If the model is no classifier of skblood, or has no batch normalization.

    See Also
    --------
    check_batch : Uses it to tell a batch of another laboratory.
    skblood.evaluation.batch_chart : Follows it over batches or days.

    Notes
    -----
    These statistics are what differs between laboratories, and what :func:`skblood.adapt` mixes
    with those of the target cells [1]_.

    References
    ----------
    .. [1] Y. Li, N. Wang, J. Shi, J. Liu and X. Hou, "Revisiting batch normalization for practical
       domain adaptation", ICLR workshop, 2017.

    Examples
    --------
    >>> from skblood import load_pretrained
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.uncertainty import training_distance
    >>> X, _ = make_blood_cells(20, image_size=64, random_state=0)
    >>> model = load_pretrained("pbc8")
    >>> training_distance(model, X[..., ::-1]) > training_distance(model, X)
    True
    """
    _check_model(model)
    images = read_cells(model, _sample(X, random_state))
    network = model.predictor_.network
    layers = batch_norms(network)
    if not layers or not model.spec_.is_pixels:
        raise TypeError("The network has no batch normalization, whose statistics could be used.")
    means = {}

    def keep(layer, inputs):
        x = inputs[0].detach().float()
        means[layer] = x.flatten(2).mean(2) if x.ndim > 2 else x

    def step(x):
        network.penultimate(x)
        return torch.cat([means[layer] for layer in layers], dim=1)

    with hooked(layers, keep, before=True):
        found = model.predictor_.run(step, images).mean(axis=0)
    parts = np.split(found, np.cumsum([len(layer.running_mean) for layer in layers])[:-1])
    squares = [
        (part - layer.running_mean.cpu().numpy()) ** 2 / (layer.running_var.cpu().numpy() + 1e-5)
        for part, layer in zip(parts, layers, strict=True)
    ]
    return float(np.sqrt(np.mean([each.mean() for each in squares])))


def check_batch(
    model: Classifier,
    X: Images,
    y_proba: ArrayLike | None = None,
    *,
    known: Images | None = None,
    random_state: RandomState = 0,
) -> BatchCheck:
    """Check whether cells are of the kind that a model was trained on or adapted to.

    Parameters
    ----------
    model : fitted classifier
        Of skblood, with batch normalization.
    X : array-like or sequence
        Cells of one laboratory or day, in any form that the model takes: 50 or more.
    y_proba : array-like of shape (n, n_classes), default=None
        Their probabilities by this model, if they are known.
    known : array-like or sequence, default=None
        Cells of the laboratory of the training, not used in training. Not needed for the
        pretrained models and models adapted from them.
    random_state : int, RandomState instance or None, default=0
        Seed of the sample that the distance is computed of.

    Returns
    -------
    check : BatchCheck

    Raises
    ------
    TypeError
        If the model is no classifier of skblood, or has no batch normalization.
    ValueError
        If there are fewer than 50 cells, or `known` is needed and not given.

    See Also
    --------
    laboratory_test : Test with known cells, by the features of each class.

    Notes
    -----
    A batch that is far is reported only if its predictions are less certain than those of known
    cells and its shares implausible, so that blood of unusual shares, folders of one class and a
    laboratory in which the model does well raise no alarm. With "blood8-2", none of 720 batches of
    50 or 150 validation and test cells of PBC (Acevedo et al. 2020), in random mixes of classes,
    was reported; of batches of three laboratories where its accuracy was .34, .59 and .90, 87 to
    100 %, and of one on which it was trained, too (accuracy .97), 0 to 8 %.

    Examples
    --------
    >>> from skblood import load_pretrained
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.uncertainty import check_batch
    >>> X, _ = make_blood_cells(60, image_size=64, random_state=0)
    >>> model = load_pretrained("pbc8")
    >>> check_batch(model, X).is_other, check_batch(model, 255 - X).is_other
    (False, True)
    """
    _check_model(model)
    classes = plain_list(model.classes_)
    if y_proba is None:
        X = read_cells(model, X)
        y_proba = model.predict_proba(X)
    y_proba = check_probabilities(y_proba, len(X), classes)
    if len(X) < _FEWEST:
        raise ValueError(f"{len(X)} cells are too few to judge a batch: give {_FEWEST} or more.")
    home_distance, home_confidence = _home_of(model, known, random_state)
    counts = np.bincount(y_proba.argmax(axis=1), minlength=len(classes))
    shares = counts / len(y_proba)
    check = BatchCheck(
        len(y_proba),
        dict(zip(classes, shares.tolist(), strict=True)),
        _share_difference(model, shares),
        float(y_proba.max(axis=1).mean()),
        home_confidence,
        np.nan,
        home_distance,
    )
    if not check.is_suspicious:
        return check
    return replace(check, distance=training_distance(model, X, random_state=random_state))


def find_other_batch(model, X, y_proba):
    """Return the check of a batch that is unlike the training; None if it is not, or unknown."""
    if len(y_proba) < _FEWEST or not _knows_home(model):
        return None
    check = check_batch(model, X, y_proba)
    return check if check.is_other else None


def _knows_home(model):
    """Return whether `check_batch` needs no known cells for a model."""
    return getattr(model, "training_data_", {}).get("fingerprint") in _HOME


def _check_model(model):
    if not isinstance(model, CellClassifier):
        raise TypeError(
            f"`model` must be a fitted classifier of skblood, got {type(model).__name__}."
        )
    check_is_fitted(model)


def _home_of(model, known, random_state):
    if known is not None:
        known = read_cells(model, known)
        confidence = float(model.predict_proba(known).max(axis=1).mean())
        return training_distance(model, known, random_state=random_state), confidence
    if not _knows_home(model):
        raise ValueError(
            "The distance and confidence of known cells are not stored with this model. Give "
            "`known`: cells of the laboratory of the training, not used in training."
        )
    return _HOME[model.training_data_["fingerprint"]]


def _share_difference(model, shares):
    """Return the total variation distance to the nearest of the shares that may be expected."""
    classes = plain_list(model.classes_)
    expected = [model.training_data_["class_counts"], "blood", assumed_prior(model)]
    distances = []
    for prior in filter(None, expected):
        wanted = np.nan_to_num(read_prior(prior, classes, np.zeros(len(classes), bool)))
        if wanted.sum():
            distances.append(abs(shares - wanted / wanted.sum()).sum() / 2)
    return float(min(distances))


def _sample(X, random_state):
    if len(X) <= _MOST:
        return X
    rows = np.random.default_rng(draw_seed(random_state)).permutation(len(X))[:_MOST]
    return X[np.sort(rows)] if hasattr(X, "pixels") else safe_indexing(X, np.sort(rows))
