"""From logits to what scikit-learn expects of a classifier."""

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin


def decision_values(logits):
    """Return the logits, or for two classes their difference, ``(n,)``, as scikit-learn does."""
    return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits


class PredictedClassifier(ClassifierMixin, BaseEstimator):
    """Classifier with stored predictions, for scikit-learn's scorers.

    Its X are positions of the images: all of them, or a part that a scorer has selected.

    Parameters
    ----------
    logits : ndarray of shape (n, n_classes)
    classes : ndarray of shape (n_classes,)
    """

    def __init__(self, logits, classes):
        self.logits = logits
        self.classes_ = classes

    def decision_function(self, X):
        """Return the decision values of the images at positions `X`."""
        return decision_values(self.logits[X])

    def predict_proba(self, X):
        """Return the probabilities of the images at positions `X`."""
        return softmax(self.logits[X], axis=1)

    def predict(self, X):
        """Return the labels of the images at positions `X`."""
        return self.classes_[np.argmax(self.logits[X], axis=1)]
