"""The fitted classifier that is given, and what it says of cells."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skblood.evaluation._labels import check_lengths
from skblood.evaluation._report_input import check_probabilities, code_labels


def check_classifier(estimator):
    """Raise an error unless `estimator` is a fitted classifier that gives probabilities.

    Raises
    ------
    TypeError
        If it gives no probabilities.
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    """
    if not hasattr(estimator, "predict_proba"):
        raise TypeError(
            f"{type(estimator).__name__} has no predict_proba. Give a fitted classifier that gives "
            "probabilities; CalibratedClassifierCV makes one of a classifier that does not."
        )
    check_is_fitted(
        estimator,
        msg="%(name)s is not fitted. Fit it first; where this object is to be cloned, as in a "
        "cross-validation, wrap it in sklearn.frozen.FrozenEstimator, which clones keep fitted.",
    )


def predict_proba(estimator, X):
    """Return the probabilities of each cell, checked."""
    probabilities = np.asarray(estimator.predict_proba(X))
    classes = list(estimator.classes_)
    return check_probabilities(probabilities, len(probabilities), classes)


def read_calibration_cells(estimator, X, y):
    """Return the position in `classes_` of each label, and the probabilities of each cell."""
    check_classifier(estimator)
    # Before the prediction, which may take long.
    codes = code_labels(y, np.asarray(estimator.classes_).tolist(), "y")
    probabilities = predict_proba(estimator, X)
    check_lengths(X=len(probabilities), y=len(codes))
    return codes, probabilities
