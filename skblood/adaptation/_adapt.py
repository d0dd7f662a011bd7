"""Adaptation of a fitted classifier to the cells of another laboratory."""

from __future__ import annotations

import numpy as np
import torch

from skblood._labels import check_lengths, encode_groups
from skblood._typing import ArrayLike, ClassifierT, Images, Prior, RandomState
from skblood._writing import announce, show_progress
from skblood.estimators import check_possible, reconfigure
from skblood.images import torch_defaults
from skblood.inference import draw_seed, seeded

from ._course import Course
from ._partial_labels import check_classifier, encode_partial_labels
from ._reading import read_cells


@torch_defaults()
def adapt(
    model: ClassifierT,
    X: Images,
    y: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    prior: Prior = None,
    random_state: RandomState = None,
    verbose: int | None = None,
) -> ClassifierT:
    """Adapt a fitted classifier to the cells of another laboratory.

    Another stain, microscope or camera changes the images of the same cells. A few labeled cells
    of the target laboratory, or many unlabeled ones, are enough to adapt a classifier to them. The
    given model is not changed. ``model.adapt(X, y)`` is the same.

    Parameters
    ----------
    model : estimator
        A fitted `TransferCellClassifier`, `HybridFeatureClassifier`, `ContrastiveCellClassifier`
        or `MLPCellClassifier`.
    X : array-like or sequence
        Cells of the target laboratory, in any form that `model.predict` takes. Each file is decoded
        once.
    y : array-like of shape (n,), default=None
        Labels, which must be classes of the model. None, NaN, or -1 (unless it is a class) marks a
        cell without a label, as in scikit-learn's semi-supervised learning. A class may have any
        number of labeled cells, or none. If `y` is None, no cell has a label.
    groups : array-like of shape (n,), default=None
        Patient or slide of each cell, as in ``model.fit``. Cross-validation holds out whole groups,
        and standard errors are those between groups: several cells of a patient are no independent
        evidence. None: each cell is its own group.
    classes : array-like of labels or "all", default=None
        Classes that can occur in the laboratory, as in :func:`reconfigure`.
    prior : dict, "blood", "equal", array-like of shape (n_classes,) or "training", default=None
        Shares of the classes in the laboratory, as in :func:`reconfigure`. If neither `classes` nor
        `prior` is given, those of the model stay; if one is given, both are replaced.
    random_state : int, RandomState instance or None, default=None
        Seed of the random views of the cells and of the folds.
    verbose : int, default=None
        If not 0, a line for each stage is printed on the standard error, and the progress of
        stages that take over two seconds. None takes the parameter `verbose` of the model.

    Returns
    -------
    adapted : estimator
        A new fitted estimator of the same class, with the same parameters and `classes_`; crop,
        classes and prior are in `spec_`. Its attribute `adaptation_` is an `Adaptation`: the steps
        taken and why, and the scores of all candidates.

    Raises
    ------
    TypeError
        If the model is not one of those listed.
    ValueError
        If X, y, `groups`, `classes` or `prior` is not as described, a label is not a class of the
        model, or is one that cannot occur.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.

    See Also
    --------
    query : Chooses the cells whose labels help most.
    TransferCellClassifier.partial_fit : Continue training on many cells; forgets classes they lack.

    Notes
    -----
    The steps, in this order, each of which may be skipped:

    1. "crop": the crop at which the cells are as large as those of the training
       (`measured_crop`), for all images. Labels can only refuse it, where the mean probability of
       the right classes is clearly higher without it. It is not tried for images that were read
       before (`CellImages`).
    2. "prior": `classes` and `prior`, if they are given.
    3. "statistics": mixes means and variances of batch normalization with those of 20 or more
       target cells [1]_; of many, with those of 300, fewer if images are large. n of them count as
       n images against 100 of the training [2]_, weighted to the class proportions of the training
       set. Taken if the mean probability of the right class increases or, without labels, that of
       the predicted class.
    4. "bias" or "output": logistic regression on the inputs of the output layer, all labeled
       classes counting alike, with an L2-SP penalty [3]_, which keeps it near the old weights:
       "bias" changes only the bias of each class, "output" the whole layer. Each cell is seen as in
       prediction and in four random views in other colors. Outputs of classes without a labeled
       cell stay as they are. If there are 20 or more cells without a label, "output" also asks that
       the predictions for up to 300 of them are sure, and have together the shares of `prior`, or
       equal ones [4]_.

    "bias" and "output" need labeled cells of two classes, and are taken unless they are worse, by
    more than a standard error, in cross-validation on the labeled cells. With one labeled cell
    or group a class nothing can be validated, and "output" is taken. Without `groups` the scores
    are optimistic if several labeled cells are of one patient or slide.

    References
    ----------
    .. [1] Y. Li, N. Wang, J. Shi, J. Liu and X. Hou, "Revisiting batch normalization for practical
       domain adaptation", ICLR workshop, 2017.
    .. [2] S. Schneider, E. Rusak, L. Eck, O. Bringmann, W. Brendel and M. Bethge, "Improving
       robustness against common corruptions by covariate shift adaptation", NeurIPS 33, 2020.
    .. [3] X. Li, Y. Grandvalet and F. Davoine, "Explicit inductive bias for transfer learning with
       convolutional networks", ICML, 2018.
    .. [4] M. Boudiaf, I. Ziko, J. Rony, J. Dolz, P. Piantanida and I. Ben Ayed, "Information
       maximization for few-shot learning", NeurIPS 33, 2020.

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
    assumed = reconfigure(model, classes=classes, prior=prior)  # says what is wrong with them
    codes = None if y is None else encode_partial_labels(y, model.classes_)
    if codes is not None:
        advice = "Add them to `classes`, or give them a share in `prior`."
        check_possible(codes, assumed, advice)
    with show_progress(model.verbose if verbose is None else verbose):
        announce("adapt: read the cells and measure them")
        own, measured, frame = read_cells(model, X)
        codes = np.full(len(own), -1) if codes is None else codes
        check_lengths(X=len(own), y=len(codes))
        groups = torch.from_numpy(encode_groups(groups, len(own))[1])
        with seeded(draw_seed(random_state), model.predictor_.device):
            course = Course(model, own, torch.from_numpy(codes), groups)
            course.take_crop(measured, frame)
            course.take_prior(classes, prior)
            course.mix_statistics()
            course.fit_outputs()
            return course.finish()
