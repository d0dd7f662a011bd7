"""Checks of the fitted classifier that the tools of this package take, and its probabilities."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skblood._labels import check_lengths, check_probabilities, encode_labels


def check_classifier(estimator):
    """Raise an error unless `estimator` is a fitted classifier with probabilities.

    Raises
    ------
    TypeError
        If it has no predict_proba.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    if not hasattr(estimator, "predict_proba"):
        raise TypeError(
            f"{type(estimator).__name__} has no predict_proba. Give a fitted classifier with "
            "probabilities; CalibratedClassifierCV adds them to one without."
        )
    check_is_fitted(
        estimator,
        msg="%(name)s is not fitted. Fit it first. To clone this object, as a cross-validation "
        "does, wrap it in sklearn.frozen.FrozenEstimator, which stays fitted when cloned.",
    )


def predict_proba(estimator, X):
    """Return the class probabilities of each cell, checked like the estimator."""
    check_classifier(estimator)
    probabilities = np.asarray(estimator.predict_proba(X))
    return check_probabilities(probabilities, len(probabilities), list(estimator.classes_))


def predict_labelled(estimator, X, y):
    """Return the class codes of labels `y`, and the class probabilities of cells `X`."""
    check_classifier(estimator)
    codes = encode_labels(y, estimator.classes_)  # raises before the prediction, which takes long
    probabilities = predict_proba(estimator, X)
    check_lengths(X=len(probabilities), y=len(codes))
    return codes, probabilities
