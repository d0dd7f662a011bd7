"""From logits to what scikit-learn expects of a classifier."""

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin


def decision_values(logits):
    """Return the logits, or for two classes their difference, ``(n,)``, as scikit-learn does."""
    return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits


class PredictedClassifier(ClassifierMixin, BaseEstimator):
    """A classifier that has predicted already: what a scikit-learn scorer is given.

    Parameters
    ----------
    logits : ndarray of shape (n, n_classes)
    classes_ : ndarray of shape (n_classes,)
    """

    def __init__(self, logits, classes):
        self.logits = logits
        self.classes_ = classes

    def decision_function(self, X):
        """Return the decision values, whatever `X` is."""
        return decision_values(self.logits)

    def predict_proba(self, X):
        """Return the probabilities, whatever `X` is."""
        return softmax(self.logits, axis=1)

    def predict(self, X):
        """Return the labels, whatever `X` is."""
        return self.classes_[np.argmax(self.logits, axis=1)]
