"""A fitted classifier adapted to the cells of another laboratory."""

import copy

import torch
from sklearn.base import clone
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from skblood._sklearn import num_samples
from skblood.augment import CellAugment
from skblood.estimators import CellClassifier
from skblood.inference import draw_seed, resolve_device, seeded, to_tensor

from ._cells import Cells, read_labels
from ._choose import LabelledChoice
from ._frame import choose_frame
from ._report import Adaptation
from ._unlabelled import adapt_unlabelled


def adapt(model, X, y=None, *, random_state=None):
    """Adapt a fitted classifier to the cells of another laboratory.

    Another stain, camera or lamp makes other pictures of the same cells. A few labelled cells of
    the new laboratory, or many unlabelled ones, tell how. The model itself is left as it is.

    Parameters
    ----------
    model : estimator
        A fitted `TransferCellClassifier`, `HybridFeatureClassifier`, `ContrastiveCellClassifier`
        or `MLPCellClassifier`.
    X : array-like or sequence
        Cells of the new laboratory, in any form that the model's `predict` takes.
    y : array-like of shape (n,), default=None
        Their labels, of the model's classes. None, NaN or -1 (where that is no class) stands for a
        cell without a label, as in scikit-learn's semi-supervised learning. Classes may have any
        number of cells, or none. None as a whole: no cell has a label.
    random_state : int, RandomState instance or None, default=None
        Seed of the changed views of the cells, of the folds and of the training.

    Returns
    -------
    adapted : estimator
        A new fitted one of the same class, parameters and `classes_`. Its attribute `adaptation_`
        is an `Adaptation`: the steps tried, their scores, and which were taken and why.

    Raises
    ------
    TypeError
        If the model is none of those named.
    ValueError
        If X or y are not as described, or a label is none of the model's.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.

    See Also
    --------
    TransferCellClassifier.partial_fit : Learns on from many cells, and forgets what they lack.

    Notes
    -----
    The steps, of which any may be left out:

    1. "frame": another share of each image is looked at, larger or smaller, if the model clearly
       knows the cells better then; see `crop` of the estimators.
    2. "statistics": means and variances of batch normalisation are mixed with those of the new
       cells [1]_, which count as n images against 100 of the training [2]_, the classes weighted to
       their shares in it.
    3. "output": a logistic regression on what the output layer is given, on several random views of
       each cell, pulled to the old weights; the fewer the cells, the more.
    4. "self-training": cells without a label on whose views the network agrees and is sure count as
       labelled, limited class by class.
    5. "network": from 5 labelled cells a class on average, a short training of all that the model's
       fit trained, on the cells that have a label by now, each weight drawn back to where it
       started, and what is said of classes without such a cell, and of the others together, to what
       was said of them before [3]_.

    With labels, each candidate is cross-validated on the labelled cells. Taken is the best of those
    whose balanced accuracy beats that of the unchanged model by more than 1.25 standard errors of
    the difference. The network, which held-out cells cost more than the others, is also taken where
    it does so and none of these clearly beats it. With one labelled cell a class nothing can be
    validated, and only the output layer is moved.

    Without labels there is nothing to validate by. Frame and self-training are taken if the model
    is sure of most cells then (0.8 in the mean); statistics if the cells are far from the training
    (their means differ by 0.1 variances, squared, over all layers), or the model becomes surer;
    both if the predictions do not gather in fewer classes and, of self-training, views of a cell
    agree no less than before.

    Output weights of classes without a labelled cell keep their values.

    References
    ----------
    .. [1] Y. Li, N. Wang, J. Shi, J. Liu and X. Hou, "Revisiting batch normalization for practical
       domain adaptation", ICLR workshop, 2017.
    .. [2] S. Schneider, E. Rusak, L. Eck, O. Bringmann, W. Brendel and M. Bethge, "Improving
       robustness against common corruptions by covariate shift adaptation", NeurIPS 33, 2020.
    .. [3] Z. Li and D. Hoiem, "Learning without forgetting", ECCV, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood import TransferCellClassifier, adapt
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = TransferCellClassifier("cellnet_t", max_epochs=3, random_state=0).fit(X, y)
    >>> X_new, y_new = make_blood_cells(16, image_size=28, random_state=1)
    >>> X_new = X_new[..., ::-1]  # a laboratory with other colours
    >>> adapted = adapt(clf, X_new, y_new, random_state=0)
    >>> adapted.predict_proba(X_new).shape
    (16, 8)
    >>> adapted.adaptation_.n_labelled["platelet"]
    2
    """
    if not isinstance(model, CellClassifier):
        raise TypeError(
            f"adapt takes a fitted classifier of skblood, got a {type(model).__name__}. Give a "
            "TransferCellClassifier, HybridFeatureClassifier, ContrastiveCellClassifier or "
            "MLPCellClassifier; of a pipeline, its last step with the images as that is given them."
        )
    check_is_fitted(model)
    codes = _read_codes(model, X, y)
    model, note = choose_frame(model, X, codes) if _has_frame(model) else (model, "")
    network = copy.deepcopy(model.net_.module_)
    cells = _read_cells(model, X, codes)
    counts = torch.tensor([*model.training_data_["class_counts"].values()])
    network.to(cells.device)
    with seeded(draw_seed(random_state), cells.device):
        if len(cells.labelled):
            outcome = LabelledChoice(network, cells, counts / counts.sum()).choose()
        else:
            outcome = adapt_unlabelled(network, cells, counts / counts.sum())
    network, steps, reason, scores = outcome
    if note:
        steps, reason = ("frame", *steps), f"{note}; {reason}"
    return _fitted_with(model, cells, network, steps, reason, scores)


def _read_codes(model, X, y):
    if y is None:
        return torch.full((num_samples(X),), -1)
    codes = torch.from_numpy(read_labels(y, model.classes_))
    check_consistent_length(X, codes)
    return codes


def _has_frame(model):
    """Say whether the model takes images that may be cut out in another way."""
    return model._is_pixels and min(model.image_shape_[:2]) > 1


def _read_cells(model, X, codes):
    images = model._read_to_predict(X)
    # A smear has no up: a half turn is within reach by flips, and any angle by these.
    changes = CellAugment(rotation=45, scale=0.1, color=0.1)
    augment = changes if _has_frame(model) else None
    device = resolve_device(model.device)
    return Cells(to_tensor(images, device), codes, augment, device)


def _fitted_with(model, cells, network, steps, reason, scores):
    """Return a copy of the model with another network, and the account of how it came about."""
    adapted = clone(model)
    own = vars(model).keys() - model.get_params(deep=False).keys() - {"net_"}
    vars(adapted).update(copy.deepcopy({name: vars(model)[name] for name in own}))
    best_epoch = model.best_epoch_
    adapted._adopt(network)
    adapted.best_epoch_ = best_epoch
    counts = torch.bincount(cells.codes[cells.labelled], minlength=len(model.classes_))
    n_labelled = dict(zip(model.classes_.tolist(), counts.tolist(), strict=True))
    adapted.adaptation_ = Adaptation(steps, reason, scores, n_labelled, len(cells.unlabelled))
    return adapted
