"""The evaluation of a fitted classifier."""

import numpy as np
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from skblood.estimators import CellClassifier
from skblood.evaluation._report import EvaluationReport
from skblood.evaluation._report_input import code_labels, resolve_classes


def evaluate(model, X, y, *, groups=None, n_resamples=2000, confidence_level=0.95, random_state=0):
    """Score a fitted classifier on images that it has not seen.

    Parameters
    ----------
    model : fitted classifier
        One of skblood or scikit-learn, or a Pipeline or search of them.
    X : array-like or sequence
        Images, in any form that the model takes.
    y : array-like of shape (n_images,)
        Their labels. Not all classes need to occur.
    groups : array-like of shape (n_images,), default=None
        The slide or patient of each image. Images of one are alike, so that there is less to be
        learned from them than from as many others; intervals then come of drawing whole groups,
        and hold for other slides or patients.
    n_resamples : int, default=2000
        Resamples of the test set.
    confidence_level : float in (0, 1), default=0.95
        The share of test sets whose intervals hold the truth.
    random_state : int, RandomState instance or None, default=0
        Seeds the resampling.

    Returns
    -------
    report : EvaluationReport

    Raises
    ------
    TypeError
        If `model` is no classifier.
    ValueError
        If `y` holds labels that the model does not know, or lengths differ.

    See Also
    --------
    EvaluationReport.from_predictions : The same for predictions that are there already.

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
        raise TypeError(
            f"{type(model).__name__} is no classifier. Give a fitted classifier, or a Pipeline "
            "that ends in one."
        )
    classes = getattr(model, "classes_", None)
    if classes is not None:
        code_labels(
            y, resolve_classes(y, y, classes), "y"
        )  # before the prediction, which may take long
    y_pred, y_proba = _predict(model, X)
    return EvaluationReport.from_predictions(
        y,
        y_pred,
        y_proba,
        classes=classes,
        groups=groups,
        n_resamples=n_resamples,
        confidence_level=confidence_level,
        random_state=random_state,
    )


def _predict(model, X):
    if not hasattr(model, "predict_proba"):
        return model.predict(X), None
    y_proba = model.predict_proba(X)
    last = model[-1] if isinstance(model, Pipeline) else model
    if isinstance(last, CellClassifier):
        # Its labels are the most probable ones: no need for a second pass over the images.
        return model.classes_[np.argmax(y_proba, axis=1)], y_proba
    return model.predict(X), y_proba
