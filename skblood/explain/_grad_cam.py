"""Where in a cell the network found its class."""

import copy

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch.nn import functional as F

from skblood.estimators import BackboneClassifier
from skblood.explain._feature_map import FeatureMap
from skblood.inference import as_nchw, resolve_device, to_tensor


def grad_cam(estimator, X, *, target=None):
    """Map which parts of each image speak for a class.

    Gradient-weighted class activation mapping (Selvaraju et al. 2017): the channels of the last
    feature map are added up, each weighted by how much it raises the logit of the class. What
    lowers the logit counts as 0.

    Parameters
    ----------
    estimator : TransferCellClassifier, ContrastiveCellClassifier or HybridFeatureClassifier
        A fitted classifier. It is left as it is.
    X : array-like or sequence
        Images, in any form that its `fit` takes.
    target : label, or array-like of shape (n,), default=None
        The class to look for in all images, or in each. None: the one that is predicted.

    Returns
    -------
    maps : ndarray of shape (n, height, width), dtype float32
        Of the image as the network sees it: cropped, and at the size of
        ``estimator.image_shape_``. Each is divided by its highest value, so that this is 1. Where
        nothing speaks for the class, the map is 0.

    Raises
    ------
    TypeError
        If `estimator` is no classifier on backbones.
    ValueError
        If X is not like the images of the fit, `target` is no class of the estimator or has
        another length than X, or no feature map is found in a backbone: a network whose last map
        has one position still has a larger one before it, but some transformers have none.

    See Also
    --------
    NearestCells : The known cells that look most alike to the network.
    ExplanationDisplay : Both, as a picture.

    Notes
    -----
    A map is as coarse as the last feature map: 4 x 4 for ``"cellnet_s"`` at 28 and 64 px, 8 x 8
    at 128 px. It is enlarged bilinearly. It says where the network found its class, not whether
    it is right to look there. Two maps cannot be compared in height, since each has a 1.

    The maps of several backbones are added before they are cut off at 0, each in its share of the
    logit. Transformers are taken where their patches form a grid, at the last block behind which
    the patches still have a part in the features.

    Passes are in float32, whatever the precision of the estimator.

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
    if not isinstance(estimator, BackboneClassifier):
        raise TypeError(
            "grad_cam explains a TransferCellClassifier, ContrastiveCellClassifier or "
            f"HybridFeatureClassifier, which have feature maps; {type(estimator).__name__} has "
            "none. Of a Pipeline or a search, give the fitted classifier itself (pipeline[-1], "
            "search.best_estimator_). For MLPCellClassifier, NearestCells shows like cells."
        )
    check_is_fitted(estimator)
    images = estimator._read_to_predict(X)
    if not estimator._is_pixels:
        raise ValueError(
            f"{type(estimator).__name__} was fitted with rows of numbers, of which there is no "
            "map. Fit it with images."
        )
    # From X, which predict crops: the images are cropped already.
    labels = estimator.predict(X) if target is None else np.asarray(target)
    return _map_all(estimator, images, _code_labels(labels, estimator.classes_, len(images)))


def _code_labels(labels, classes, n):
    """Return the class code of each of n images."""
    if labels.shape not in ((), (n,)):
        raise ValueError(
            f"target has shape {labels.shape}, but X holds {n} images. Give one label, one for "
            "each image, or None for the predicted ones."
        )
    unknown = sorted(set(labels.ravel().tolist()) - set(classes.tolist()), key=str)
    if unknown:
        raise ValueError(
            f"target holds labels that are not among the classes {classes.tolist()}: {unknown}."
        )
    return np.searchsorted(classes, np.broadcast_to(labels, n))


# The caller may be in a block without gradients.
@torch.inference_mode(False)
def _map_all(estimator, images, codes):
    device = resolve_device(estimator.device)
    # A copy is given the hooks, and needs no gradients of its parameters.
    network = copy.deepcopy(estimator.net_.module_).to(device).eval().requires_grad_(False)
    network.predict_views = 1  # the map is of the image as it lies
    stored, codes = to_tensor(images, device), torch.from_numpy(codes).to(device)
    first = network.prepare(as_nchw(stored[:1].to(device)))
    watched = [
        FeatureMap(backbone, name, first)
        for backbone, name in zip(network.backbones, estimator._backbone_names(), strict=True)
    ]
    n = estimator._predict_batch(device)
    maps = [
        _map_batch(network, watched, as_nchw(batch.to(device)), of_batch).cpu().numpy()
        for batch, of_batch in zip(stored.split(n), codes.split(n), strict=True)
    ]
    return np.concatenate(maps)


def _map_batch(network, watched, batch, codes):
    """Map stored images ``(n, c, h, w)`` and class codes ``(n,)`` to maps ``(n, h, w)``."""
    prepared = network.prepare(batch)
    logits = network(prepared).gather(1, codes[:, None])
    gradients = torch.autograd.grad(logits.sum(), [each.output for each in watched])
    maps = sum(
        F.interpolate(each.weigh(gradient)[:, None], prepared.shape[2:], mode="bilinear")[:, 0]
        for each, gradient in zip(watched, gradients, strict=True)
    ).relu()
    highest = maps.amax((1, 2), keepdim=True)
    return (maps / highest.where(highest > 0, 1)).detach()
