"""Fitted estimators made of a network: loaded, adapted, or with other settings of prediction."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skblood._sklearn import Options, validate_parameter_constraints
from skblood._typing import ArrayLike, ModelT, Precision, Prior
from skblood.images import torch_defaults
from skblood.inference import FeatureStore, Predictor, resolve_device
from skblood.networks import MAX_VIEW_CROPS, VIEW_CROP_RANGE, configure_network
from skblood.training import TrainingNet, WeightedLoss

from ._base import PREPROCESSING_CONSTRAINTS, CellModel
from ._prior import class_factors

# Constraints of what can be changed after a fit.
_SETTINGS = {
    "crop": PREPROCESSING_CONSTRAINTS["crop"],
    "dihedral_views": [Options(Integral, {1, 2, 4, 8})],
    "precision": CellModel._parameter_constraints["precision"],
}


def attach_network(estimator, spec, network, *, device="auto", **attributes):
    """Make an estimator fitted, in place, with a network that was trained elsewhere.

    Parameters
    ----------
    estimator : CellModel
        Not fitted.
    spec : NetworkSpec
    network : CellNetwork
    device : str, default="auto"
        Where it predicts.
    **attributes
        Further fitted attributes, by name.

    Returns
    -------
    estimator : CellModel
    """
    device = resolve_device(device)
    configure_network(network, spec)
    estimator.spec_ = spec
    estimator.predictor_ = Predictor(network, spec, device, FeatureStore())
    estimator.image_shape_, estimator.device_ = spec.image_shape, str(device)
    vars(estimator).update(attributes)
    if spec.classes is None:
        estimator.network_ = network
        estimator._n_features_out = network.backbones[0].num_features
    else:
        estimator.net_ = bare_net(network, device)
        estimator.net_.history_ = estimator.history_
    return estimator


def replace_network(model, spec, network, device=None):
    """Return a copy of a fitted estimator with another specification and network.

    Parameters
    ----------
    model : CellModel
        Left unchanged.
    spec : NetworkSpec
    network : CellNetwork
    device : str, default=None
        Where it predicts; None is the device of the given model.

    Returns
    -------
    model : CellModel
        With the parameters and all other fitted attributes of the given one.
    """
    parameters = model.get_params(deep=False)
    shared = {"spec_", "predictor_", "net_", "network_", *parameters}
    fitted = type(model)(**parameters)
    vars(fitted).update(
        {name: copy.deepcopy(value) for name, value in vars(model).items() if name not in shared}
    )
    attach_network(fitted, spec, network, device=device or str(model.predictor_.device))
    fitted.predictor_.store = model.predictor_.store
    return fitted


@torch_defaults()
def reconfigure(
    model: ModelT,
    *,
    crop: float | None = None,
    dihedral_views: Literal[1, 2, 4, 8] | None = None,
    view_crops: Sequence[float] | None = None,
    precision: Precision | None = None,
    device: str | None = None,
    classes: ArrayLike | None = None,
    prior: Prior = None,
) -> ModelT:
    """Return a fitted estimator that predicts with other settings; nothing is trained.

    Parameters
    ----------
    model : estimator
        Fitted; left unchanged.
    crop : float in [0.01, 4], default=None
        Share of each side of an image that is kept, around the center. None keeps that of the fit,
        as for the other parameters.
    dihedral_views : {1, 2, 4, 8}, default=None
        Average the logits over the image and its mirror image (2), both upside down as well (4),
        and all of these with rows and columns exchanged (8, for square images): test-time
        augmentation. A smear has no up, so these views are as good as the image itself; prediction
        takes as many times as long. Not for frozen backbones, whose features are stored.
    view_crops : array-like of float in [0.2, 1], default=None
        Average the logits over these crops of the image, such as ``(1, 0.8, 0.65)``: test-time
        augmentation for cells that fill their images more or less than those of the training did.
        It takes as many times as long, and once more for each dihedral view; ``(1,)`` for none.
    precision : {"auto", "float32", "bfloat16"}, default=None
        Precision of prediction.
    device : str, default=None
        Where to predict.
    classes : array-like of labels or "all", default=None
        Classes that can occur among the cells to come, two or more. The others keep their column,
        with probability 0. "all" lifts the restriction. `classes` and `prior` belong together: if
        one is given, both are replaced.
    prior : dict, "blood", "equal", array-like of shape (n_classes,) or "training", default=None
        Shares, or counts, of the classes among the cells to come: by class, or in the order of
        ``classes_``. They are divided by their sum over the classes that can occur; a share of 0
        rules a class out. "blood" is a normal differential count of peripheral blood: basophil
        0.03, eosinophil 0.05, erythroblast 0.01, ig 0.02, lymphocyte 0.30, monocyte 0.10,
        neutrophil 0.48, platelet 0.01, matched by name. "equal": the same share for each class, as
        in the balanced accuracy. "training": the shares of the training.

    Returns
    -------
    model : estimator
        A copy.

    Raises
    ------
    TypeError
        If `model` is no estimator of skblood, or `prior` is neither a dict nor an array.
    ValueError
        If a setting is not allowed, or does not suit the network: among others, if `classes` or
        `prior` names no class of the model, or `prior` has no share of a class that can occur.

    Notes
    -----
    With a prior, the probability of a class is multiplied by its share there divided by its share
    in the training, and the products are divided by their sum [1]_. The shares of the training are
    those of the training images, by their `sample_weight`, times `class_weight`; after
    `skblood.adapt` has fitted the output layer, they are equal. With `classes` alone, only the
    other classes are set to 0. All that comes from the probabilities follows, saved and exported
    files included; `decision_function` adds the logarithm of the factor, and -10000 for a class
    that cannot occur.

    A prior raises the accuracy among cells that have these shares. It lowers the balanced accuracy
    where rare classes matter, and both if the shares are wrong: see the user guide for figures.

    References
    ----------
    .. [1] M. Saerens, P. Latinne, C. Decaestecker, "Adjusting the outputs of a classifier to new a
       priori probabilities: a simple procedure", Neural Computation 14, 2002.

    Examples
    --------
    >>> from skblood import TransferCellClassifier, reconfigure
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = TransferCellClassifier("cellnet_t", max_epochs=3, random_state=0).fit(X, y)
    >>> reconfigure(clf, dihedral_views=8).spec_.dihedral_views
    8

    White cells of normal blood only:

    >>> white = ["basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil"]
    >>> blood = reconfigure(clf, classes=white, prior="blood")
    >>> blood.predict_proba(X)[:, blood.classes_ == "platelet"].max()
    np.float64(0.0)
    """
    if not isinstance(model, CellModel):
        raise TypeError(
            f"reconfigure takes a fitted estimator of skblood, not a {type(model).__name__}. Of a "
            "Pipeline, give the step that reads the images."
        )
    check_is_fitted(model)
    settings = {"crop": crop, "dihedral_views": dihedral_views, "precision": precision}
    given = {name: value for name, value in settings.items() if value is not None}
    validate_parameter_constraints(_SETTINGS, given, "reconfigure")
    spec = model.spec_
    if crop is not None and crop != spec.crop:
        spec = spec.with_crop(crop)
    if dihedral_views is not None:
        spec = replace(spec, dihedral_views=int(dihedral_views))
    if view_crops is not None:
        spec = replace(spec, view_crops=_as_crops(view_crops))
    if dihedral_views is not None or view_crops is not None:
        _check_views(spec)
    if classes is not None or prior is not None:
        if spec.classes is None:
            raise ValueError(f"A {type(model).__name__} has no classes. Leave classes, prior out.")
        spec = replace(spec, class_factors=class_factors(model, classes, prior))
    spec = replace(spec, precision=precision or spec.precision)
    return replace_network(model, spec, copy.deepcopy(model.predictor_.network), device)


def _as_crops(crops):
    """Return `view_crops` as a tuple of float, or raise ValueError."""
    shares = np.asarray(crops)
    are_numbers = shares.dtype.kind in "iuf" and shares.ndim == 1
    least, most = VIEW_CROP_RANGE
    in_range = are_numbers and ((least <= shares) & (shares <= most)).all()
    if not in_range or not 1 <= len(shares) <= MAX_VIEW_CROPS:
        raise ValueError(
            f"view_crops={crops!r} must be at most {MAX_VIEW_CROPS} shares of the side of the "
            f"image, of {least} to 1, such as (1, 0.8, 0.65); (1,) for the image as it is."
        )
    return tuple(shares.astype(float).tolist())


def _check_views(spec):
    """Raise ValueError if the views cannot be had of these images, or by this network."""
    height, width, _ = spec.image_shape
    if spec.dihedral_views == 8 and height != width:
        raise ValueError(
            f"dihedral_views=8 exchanges rows and columns, but the images have {height} x {width} "
            "px. Use 4, or fit with a square image_size."
        )
    if spec != spec.with_one_view() and (spec.frozen or not spec.is_pixels):
        raise ValueError(
            "dihedral_views and view_crops need images that pass the backbone at each prediction, "
            "but features of frozen backbones are stored, and rows of numbers have no views. Use "
            "dihedral_views=1, view_crops=(1,)."
        )


def bare_net(network, device):
    """Return a net that holds a trained network; to train on, it needs a fresh optimizer."""
    criterion = WeightedLoss("cross_entropy", 0.0)
    unused = {"optimizer": "adamw", "lr": 0.0, "weight_decay": 0.0, "augment": None}
    settings = {"criterion": criterion, "autocast_dtype": None, "device": str(device)}
    net = TrainingNet(network, **settings, **unused)
    net.initialize()
    net.module = type(network)  # the network is net.module_; a pickle would hold it twice
    return net
