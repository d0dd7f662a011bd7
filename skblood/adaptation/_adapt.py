"""Adaptation of a fitted classifier to the cells of another laboratory."""

import sys
from dataclasses import replace
from functools import partial

import torch

from skblood._labels import check_lengths
from skblood.augment import CellAugment
from skblood.estimators import replace_network
from skblood.images import CellImages, torch_defaults
from skblood.inference import draw_seed, seeded, to_tensor

from ._account import Adaptation
from ._candidates import LabelledChoice, adapt_without_labels
from ._crop_search import choose_crop, measure_crops
from ._target_cells import TargetCells, check_classifier, encode_partial_labels


@torch_defaults()
def adapt(model, X, y=None, *, random_state=None):
    """Adapt a fitted classifier to the cells of another laboratory.

    Another stain, microscope or camera changes the images of the same cells. A few labelled cells
    of the target laboratory, or many unlabelled ones, are enough to adapt a classifier to them. The
    given model is not changed. It takes minutes on a CPU, most of them for the cross-validation of
    the candidates, even with 50 labelled cells only.

    Parameters
    ----------
    model : estimator
        A fitted `TransferCellClassifier`, `HybridFeatureClassifier`, `ContrastiveCellClassifier`
        or `MLPCellClassifier`. If its parameter `verbose` is not 0, e.g. after
        ``model.set_params(verbose=1)``, a line for each stage is printed on the standard error.
    X : array-like or sequence
        Cells of the target laboratory, in any form that `model.predict` takes. Files are decoded
        once, and at most 512 of them once more, to be measured.
    y : array-like of shape (n,), default=None
        Labels, which must be classes of the model. None, NaN, or -1 (unless it is a class) marks a
        cell without a label, as in scikit-learn's semi-supervised learning. A class may have any
        number of labelled cells, or none. If `y` is None, no cell has a label.
    random_state : int, RandomState instance or None, default=None
        Seed of the random views of the cells, of the folds and of the training.

    Returns
    -------
    adapted : estimator
        A new fitted estimator of the same class, with the same parameters and `classes_`; a new
        crop is in `spec_`. Its attribute `adaptation_` is an `Adaptation`: the steps taken and why,
        and the scores of all candidates.

    Raises
    ------
    TypeError
        If the model is not one of those listed.
    ValueError
        If X or y is not as described, or a label is not a class of the model.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.

    See Also
    --------
    TransferCellClassifier.partial_fit : Continue training on many cells; forgets classes they lack.

    Notes
    -----
    The steps, each of which may be skipped:

    1. "crop": the crop at which the cells are as large as those of the training
       (`measured_crop`), for all images. Labels can only refuse it, where the mean probability of
       the right classes is clearly higher without it. It is not tried for images that were read
       before (`CellImages`).
    2. "statistics": mixes means and variances of batch normalization with those of the target
       cells [1]_. n target cells count as n images against 100 of the training [2]_, weighted to
       the class proportions of the training set.
    3. "output": logistic regression on the inputs of the output layer, with several random views of
       each cell and an L2-SP penalty [3]_, stronger for fewer cells. Weights of classes without a
       labelled cell stay as they are.
    4. "self-training": the output layer is also fitted to unlabelled cells whose views all get the
       same class with high confidence, at most a limited number a class.
    5. "network": with at least 5 labelled cells a class on average, 80 training steps of all
       weights that the model's fit trained, with L2-SP towards their old values and distillation
       of the logits of classes without a cell [4]_.

    With labels, the candidates are compared by cross-validation on the labelled cells. Taken is the
    best of those whose balanced accuracy exceeds that of the model, at its new crop if there is
    one, by more than 1.25 standard errors of the difference. Fine-tuning of the network suffers
    most from held-out cells, so it need not beat the best of the other candidates: it is taken
    unless it is clearly worse. With one labelled cell a class, nothing can be validated and only
    the output layer is fitted.

    Without labels, nothing can be validated. Self-training is taken if the mean probability of the
    predicted class is at least 0.8 afterwards. New statistics are taken if those
    of the cells are far from the network's (squared difference of the means of at least 0.1
    variances, averaged over all layers) or the mean probability increases. Statistics and
    self-training are refused if the predictions concentrate on fewer classes, and self-training if
    views of a cell agree less often.

    References
    ----------
    .. [1] Y. Li, N. Wang, J. Shi, J. Liu and X. Hou, "Revisiting batch normalization for practical
       domain adaptation", ICLR workshop, 2017.
    .. [2] S. Schneider, E. Rusak, L. Eck, O. Bringmann, W. Brendel and M. Bethge, "Improving
       robustness against common corruptions by covariate shift adaptation", NeurIPS 33, 2020.
    .. [3] X. Li, Y. Grandvalet and F. Davoine, "Explicit inductive bias for transfer learning with
       convolutional networks", ICML, 2018.
    .. [4] Z. Li and D. Hoiem, "Learning without forgetting", ECCV, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood import TransferCellClassifier, adapt
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = TransferCellClassifier("cellnet_t", max_epochs=3, random_state=0).fit(X, y)
    >>> X_new, y_new = make_blood_cells(16, image_size=28, random_state=1)
    >>> X_new = X_new[..., ::-1]  # a laboratory with other colors
    >>> adapted = adapt(clf, X_new, y_new, random_state=0)
    >>> adapted.predict_proba(X_new).shape
    (16, 8)
    >>> adapted.adaptation_.n_labelled["platelet"]
    2
    """
    check_classifier(model, "adapt")
    log = partial(print, "adapt:", file=sys.stderr, flush=True) if model.verbose else _print_nothing
    codes = None if y is None else encode_partial_labels(y, model.classes_)
    spec, device = model.spec_, model.predictor_.device
    has_geometry = spec.is_pixels and min(spec.image_shape[:2]) > 1
    # A smear has no orientation: flips, which are always on, and this rotation give any angle.
    augment = CellAugment(rotation=45, scale=0.1, color=0.1) if has_geometry else None
    log("read the cells and measure them")
    has_crops = has_geometry and not isinstance(X, CellImages)
    crops, measured = measure_crops(model, X) if has_crops else (None, "")
    images = model.read_images(X, crops=crops)
    own = best = images[0] if has_crops else images
    codes = torch.full((len(own),), -1) if codes is None else torch.as_tensor(codes)
    check_lengths(X=len(own), y=len(codes))
    note = ""
    if has_crops:
        images = dict(zip(crops, images, strict=True))
        # Its network resizes: a model that works at the images' own size takes no other crops.
        predictor = model.predictor_.with_spec(spec.with_crop(spec.crop))
        crop = choose_crop(predictor, images, codes)
        if crop != spec.crop:
            best, spec, note = images[crop], spec.with_crop(crop), measured
    own = TargetCells(to_tensor(own.pixels, device), codes, augment, device)
    cells = replace(own, images=to_tensor(best.pixels, device))
    # Statistics are mixed and measured, and weights trained, on single views.
    network = model.predictor_.with_spec(replace(spec, dihedral_views=1)).network
    counts = torch.tensor([*model.training_data_["class_counts"].values()])
    shares = counts / counts.sum()
    with seeded(draw_seed(random_state), device):
        if len(cells.labelled):
            choice = LabelledChoice(network, cells, shares, log, own if note else None)
            network, steps, reason, scores = choice.choose()
        else:
            network, steps, reason, scores = adapt_without_labels(network, cells, shares, log)
            steps = ("crop", *steps) if note else steps
    adapted = replace_network(model, spec, network)
    n_labelled = torch.bincount(codes[cells.labelled], minlength=len(model.classes_)).tolist()
    adapted.adaptation_ = Adaptation(
        steps,
        f"{note}; {reason}" if note else reason,
        scores,
        dict(zip(model.classes_.tolist(), n_labelled, strict=True)),
        len(cells.unlabelled),
    )
    return adapted


def _print_nothing(line):
    """Do not show which stage it is."""
