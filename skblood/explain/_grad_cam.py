"""Gradient-weighted class activation maps."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional as F

from skblood._labels import check_lengths, encode_labels
from skblood._typing import Classifier, Floats32, Images
from skblood._writing import track
from skblood.estimators import CellClassifier, MLPCellClassifier
from skblood.images import torch_defaults
from skblood.networks import configure_network

from ._feature_map import FeatureMap


def grad_cam(estimator: Classifier, X: Images, *, target: Any = None) -> Floats32:
    """Compute a map of each image that shows where the network finds evidence for a class.

    Gradient-weighted class activation mapping (Selvaraju et al. 2017): the sum of the channels of
    the last feature map, each weighted by how much it raises the logit of the class. Negative sums
    become 0.

    Parameters
    ----------
    estimator : TransferCellClassifier, ContrastiveCellClassifier or HybridFeatureClassifier
        A fitted classifier. Not modified.
    X : array-like or sequence
        Images, in any form that its `fit` takes, or what its `read_images` returned.
    target : label, or array-like of shape (n,), default=None
        The class of the maps, one for all images or one for each. None: the predicted class.

    Returns
    -------
    maps : ndarray of shape (n, height, width), dtype float32
        In 0..1, for the image as the network sees it: cropped, and at the size of
        ``estimator.image_shape_``. Each map is divided by its maximum; it is 0 everywhere if
        there is no evidence for the class.

    Raises
    ------
    TypeError
        If `estimator` is not a classifier with backbones.
    ValueError
        If X differs from the images of the fit, `target` is not a class of the estimator or
        differs from X in length, or a backbone has no feature map. Networks whose last map has one
        position have a larger one before it; some transformers have none.

    See Also
    --------
    NearestCells : The known cells that are most similar to the network.
    ExplanationDisplay : Both, as a figure.

    Notes
    -----
    A map is as coarse as the last feature map, 4 x 4 for ``"cellnet_s"`` at 28 and 64 px and 8 x 8
    at 128 px, and is enlarged bilinearly. It shows where the network found evidence, not whether
    that is right. The heights of two maps cannot be compared, as each is scaled to 1.

    The maps of several backbones are added, each in its share of the logit, before negative sums
    become 0. Transformers need patches that form a grid; their map is that of the last block after
    which the patches still contribute to the features.

    Computed in float32, whatever the precision of the estimator.

    References
    ----------
    Selvaraju et al. 2017: Grad-CAM: visual explanations from deep networks via gradient-based
    localization, ICCV, 618-626.

    Adebayo et al. 2018: Sanity checks for saliency maps, NeurIPS 31.

    Examples
    --------
    >>> from skblood import TransferCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.explain import grad_cam
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = TransferCellClassifier("cellnet_t", max_epochs=3, random_state=0).fit(X, y)
    >>> grad_cam(clf, X[:5]).shape
    (5, 28, 28)
    >>> grad_cam(clf, X[:5], target="platelet").shape
    (5, 28, 28)
    """
    check_has_feature_maps(estimator)
    images = estimator.read_images(X)
    if target is None:
        target = estimator.predict(images)
    elif np.ndim(target) == 0:
        target = [target] * len(images)
    check_lengths(X=len(images), target=len(target))
    codes = encode_labels(target, estimator.classes_, "target")
    return _compute_maps(estimator.predictor_, estimator.spec_, images.pixels, codes)


def check_has_feature_maps(estimator):
    """Raise an error unless an estimator is a fitted classifier of images with backbones."""
    if not isinstance(estimator, CellClassifier) or isinstance(estimator, MLPCellClassifier):
        raise TypeError(
            f"{type(estimator).__name__} has no feature maps. Pass a classifier with backbones; of "
            "a Pipeline or search, pipeline[-1] or search.best_estimator_. Or use NearestCells."
        )
    check_is_fitted(estimator)
    if not estimator.spec_.is_pixels:
        raise ValueError("Rows of numbers have no feature maps. Fit the classifier with images.")


@torch_defaults()
def _compute_maps(predictor, spec, pixels, codes):
    device = predictor.device
    # A copy, which takes hooks and needs no gradients of its parameters.
    network = copy.deepcopy(predictor.network).to(device).eval().requires_grad_(False)
    # The map is of the image as it is, not of several views.
    configure_network(network, spec.with_one_view())

    def prepare(rows):
        return network.prepare(torch.from_numpy(pixels[rows].copy()).to(device).permute(0, 3, 1, 2))

    feature_maps = [
        FeatureMap(backbone, each.name, prepare(slice(1)))
        for backbone, each in zip(network.backbones, spec.backbones, strict=True)
    ]
    maps = []

    def compute(rows):
        images = prepare(rows)
        logits = network(images)[range(len(images)), codes[rows]]
        gradients = torch.autograd.grad(logits.sum(), [each.output for each in feature_maps])
        weighted = sum(
            F.interpolate(each.weight(gradient)[:, None], images.shape[2:], mode="bilinear")[:, 0]
            for each, gradient in zip(feature_maps, gradients, strict=True)
        ).relu()
        highest = weighted.amax((1, 2), keepdim=True)
        return (weighted / highest.where(highest > 0, 1)).detach().cpu().numpy()

    with track(len(pixels), "maps") as update:
        for start in range(0, len(pixels), predictor.max_batch):
            maps.append(compute(slice(start, start + predictor.max_batch)))
            update(len(maps[-1]))
    return np.concatenate(maps)
