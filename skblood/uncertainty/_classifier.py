"""Class probabilities of the fitted classifier that the tools of this package take."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skblood._labels import check_lengths, check_probabilities, encode_labels


def predict_proba(estimator, X):
    """Return the class probabilities of each cell, checked.

    Raises
    ------
    TypeError
        If the estimator has no predict_proba.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    _check_classifier(estimator)
    probabilities = np.asarray(estimator.predict_proba(X))
    return check_probabilities(probabilities, len(probabilities), list(estimator.classes_))


def predict_labelled(estimator, X, y):
    """Return the class codes of labels `y`, and the class probabilities of cells `X`."""
    _check_classifier(estimator)
    codes = encode_labels(y, estimator.classes_)  # raises before the prediction, which takes long
    probabilities = predict_proba(estimator, X)
    check_lengths(X=len(probabilities), y=len(codes))
    return codes, probabilities


def possible_classes(estimator):
    """Return which classes `skblood.reconfigure` has not ruled out, bool of shape (n_classes,)."""
    from skblood.estimators import given_factors

    factors = given_factors(estimator)
    return np.ones(len(estimator.classes_), bool) if factors is None else factors > 0


def _check_classifier(estimator):
    if not hasattr(estimator, "predict_proba"):
        name = type(estimator).__name__
        raise TypeError(f"{name} has no predict_proba; CalibratedClassifierCV adds it.")
    advice = "Fit it first; wrap it in a FrozenEstimator so that it stays fitted when cloned."
    check_is_fitted(estimator, msg=f"%(name)s is not fitted. {advice}")
