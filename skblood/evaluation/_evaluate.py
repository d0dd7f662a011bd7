"""Evaluation of a fitted classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV

from skblood._labels import check_lengths, encode_labels, leave_out_labels
from skblood._sklearn import num_samples, safe_indexing, unwrap_model
from skblood._typing import ArrayLike, Images, Prior, RandomState
from skblood.estimators import CellClassifier, assumed_prior, describe_prior
from skblood.evaluation._evaluation_report import EvaluationReport


def evaluate(
    model: Any,
    X: Images,
    y: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    n_resamples: int = 2000,
    confidence_level: float = 0.95,
    random_state: RandomState = 0,
    shares: Prior = None,
    leave_out: Any = None,
) -> EvaluationReport:
    """Evaluate a fitted classifier on test images.

    Parameters
    ----------
    model : fitted classifier
        Of skblood or scikit-learn, or a Pipeline or search of these.
    X : array-like or sequence of n_images
        Test images, not used in training, in any form that the model takes. They are read once.
    y : array-like of shape (n_images,)
        Labels. Not all classes need to occur.
    groups : array-like of shape (n_images,), default=None
        Patient or slide of each image. Images of one group are alike and tell less than
        independent ones; with groups, intervals hold for new patients or slides.
    n_resamples : int, default=2000
        Number of bootstrap resamples, for losses without groups.
    confidence_level : float in (0, 1), default=0.95
        Confidence level of the intervals.
    random_state : int, RandomState instance or None, default=0
        Seed of the resampling.
    shares : dict, "blood", "equal", or array-like of shape (n_classes,), default=None
        Class shares, or counts, for a further score, accuracy_at_shares: the accuracy to expect
        where the classes occur in these shares, as they do on a slide but not in most test sets.
        It is the mean of the recalls, weighted by the shares of the classes that have images.
        Forms as of the `prior` of :func:`skblood.reconfigure`; None takes the prior of the model,
        if it has one.
    leave_out : label or sequence of labels, default=None
        Images with these labels are left out, such as those of classes that the model does not
        know. Their numbers are in the `note` of the report.

    Returns
    -------
    report : EvaluationReport

    Raises
    ------
    TypeError
        If `model` is not a classifier.
    ValueError
        If `y` holds other labels that the model does not know, or lengths differ.

    See Also
    --------
    EvaluationReport.from_predictions : Report from existing predictions.

    Examples
    --------
    >>> from skblood import MLPCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.evaluation import evaluate
    >>> X, y = make_blood_cells(300, image_size=16, random_state=0)
    >>> clf = MLPCellClassifier((64,), max_epochs=10, random_state=0).fit(X[:200], y[:200])
    >>> report = evaluate(clf, X[200:], y[200:])
    >>> report.n_images
    100
    >>> accuracy = report.scores["accuracy"]
    >>> accuracy.low < accuracy.value < accuracy.high
    True
    """
    if not (hasattr(model, "__sklearn_tags__") and is_classifier(model)):
        raise TypeError(f"{type(model).__name__} is not a classifier. Give a fitted classifier.")
    note = describe_prior(model)
    if leave_out is not None:
        check_lengths(X=num_samples(X), y=num_samples(y))
        rows, sentence = leave_out_labels(y, leave_out)
        X, y = safe_indexing(X, rows), safe_indexing(y, rows)
        groups = None if groups is None else safe_indexing(groups, rows)
        note = f"{note} {sentence}".strip()
    classes = getattr(model, "classes_", None)
    if classes is not None:
        encode_labels(y, classes)  # raises before the prediction, which may take long
    shares = assumed_prior(model) if shares is None else shares
    given = {"images": X, "model": model}
    # The steps before the last run once, for labels and probabilities.
    model, X = unwrap_model(model, X)
    y_proba = model.predict_proba(X) if hasattr(model, "predict_proba") else None
    if isinstance(model, CellClassifier | CalibratedClassifierCV):
        # These predict the most probable class: no second pass over the images is needed.
        y_pred = np.asarray(model.classes_)[np.argmax(y_proba, axis=1)]
    else:
        y_pred = model.predict(X)
    settings = {"n_resamples": n_resamples, "confidence_level": confidence_level}
    settings |= {"shares": shares, "note": note, **given}
    return EvaluationReport.from_predictions(
        y, y_pred, y_proba, classes=classes, groups=groups, random_state=random_state, **settings
    )
