"""How good a classifier is on images that it has not seen, and how sure that is."""

from typing import NamedTuple

import numpy as np

from skblood.evaluation._estimates import estimate_losses, estimate_scores
from skblood.evaluation._labels import check_lengths
from skblood.evaluation._report_input import (
    check_probabilities,
    code_groups,
    code_labels,
    resolve_classes,
)
from skblood.evaluation._report_plot import plot_confusions
from skblood.evaluation._report_text import report_text
from skblood.inference import draw_seed

_IN_REPR = ("accuracy", "f1_macro")


class Confusion(NamedTuple):
    """How many images of a class are taken for another, and the share that is of the class."""

    true: object
    predicted: object
    count: int
    share: float


class EvaluationReport:
    """The scores of a classifier on a test set, with intervals; ``print`` it for a table.

    Use :func:`skblood.evaluation.evaluate` or :meth:`from_predictions` to make one.

    Parameters
    ----------
    classes : list of length n_classes
        The labels.
    confusion_matrix : ndarray of int of shape (n_classes, n_classes)
        Images of each class (row) by the class that was predicted (column).
    scores : dict of str to Estimate
        As below.
    class_scores : dict of str to list of Estimate
        As below.
    confidence_level : float
        The share of test sets whose intervals hold the truth.
    n_resamples : int
        Resamples that the intervals are from.
    n_groups : int, default=None
        Groups that were resampled, if it was not images.

    Attributes
    ----------
    scores : dict of str to Estimate
        By the names that `sklearn.metrics` has for them: accuracy, balanced_accuracy, f1_macro,
        f1_weighted, matthews_corrcoef, and, if there are probabilities, log_loss,
        brier_score_loss and expected_calibration_error. Each has `value`, `low` and `high`.
    class_scores : dict of str to list of Estimate
        The precision, recall and f1 of each class. Where scikit-learn would divide by zero, the
        value is 0 and the ends of the interval are NaN.
    support : ndarray of int of shape (n_classes,)
        Images of each class.
    n_images : int
        Images in total.
    confusions : list of Confusion
        `true`, `predicted`, `count` and `share` (of the images of the true class), the most
        frequent first.

    Notes
    -----
    The intervals of accuracy, precision and recall are Wilson's, those of a class's F1 are made of
    Wilson's [1]_; they have a width even where no image is predicted wrongly. All others come of
    resampled test sets (BCa [2]_), which know of no mistake that this one does not show: the
    interval of a perfect score has no width. With `groups`, all come of resampling, whole groups
    being drawn; of few groups, less than 20 or so, they are too narrow. The calibration error [3]_
    has no interval, since resampling only adds to it.

    References
    ----------
    .. [1] Lam, Gopal, Qian 2023: Confidence intervals for the F1 score: a comparison of four
       methods, arXiv:2309.14621.
    .. [2] Efron 1987: Better bootstrap confidence intervals, Journal of the American Statistical
       Association 82:171.
    .. [3] Guo et al. 2017: On calibration of modern neural networks.

    Examples
    --------
    >>> from skblood.evaluation import EvaluationReport
    >>> y_true = ["monocyte"] * 40 + ["platelet"] * 60
    >>> y_pred = ["monocyte"] * 37 + ["platelet"] * 63
    >>> report = EvaluationReport.from_predictions(y_true, y_pred)
    >>> print(report)
    100 images, 2 classes; intervals of 95% confidence
    <BLANKLINE>
    accuracy           0.970 [0.915, 0.990]
    balanced_accuracy  0.963 [0.900, 0.990]
    f1_macro           0.968 [0.914, 0.990]
    f1_weighted        0.970 [0.918, 0.990]
    matthews_corrcoef  0.939 [0.842, 0.980]
    <BLANKLINE>
              precision             recall                f1                    images
    monocyte  1.000 [0.906, 1.000]  0.925 [0.801, 0.974]  0.961 [0.890, 0.987]      40
    platelet  0.952 [0.869, 0.984]  1.000 [0.940, 1.000]  0.976 [0.930, 0.992]      60
    <BLANKLINE>
    most frequent confusions
      3 of 40 monocyte taken for platelet (7.5%)
    >>> report.scores["accuracy"].value
    0.97
    """

    def __init__(
        self,
        classes,
        confusion_matrix,
        scores,
        class_scores,
        *,
        confidence_level,
        n_resamples,
        n_groups=None,
    ):
        self.classes, self.confusion_matrix = classes, confusion_matrix
        self.scores, self.class_scores = scores, class_scores
        self.confidence_level, self.n_resamples = confidence_level, n_resamples
        self.n_groups = n_groups

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_pred,
        y_proba=None,
        *,
        classes=None,
        groups=None,
        n_resamples=2000,
        confidence_level=0.95,
        random_state=0,
    ):
        """Score predictions.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_images,)
            True and predicted labels.
        y_proba : array-like of shape (n_images, n_classes), default=None
            The probability of each class, in the order of `classes`.
        classes : array-like of shape (n_classes,), default=None
            All labels of the model, also those that no image has. None takes the labels that
            occur, sorted.
        groups : array-like of shape (n_images,), default=None
            The slide or patient of each image. Images of one are alike, so that there is less
            to be learned from them than from as many others; intervals then come of drawing
            whole groups, and hold for other slides or patients.
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
        ValueError
            If lengths differ, nothing is given, a label is not among `classes`, or `y_proba` does
            not hold probabilities.
        """
        if not 0 < confidence_level < 1:
            raise ValueError(f"`confidence_level` must be between 0 and 1, not {confidence_level}.")
        if n_resamples < 1:
            raise ValueError(f"`n_resamples` must be at least 1, got {n_resamples}.")
        classes = resolve_classes(y_true, y_pred, classes)
        true = code_labels(y_true, classes, "y_true")
        predicted = code_labels(y_pred, classes, "y_pred")
        check_lengths(y_true=len(true), y_pred=len(predicted))
        if y_proba is not None:
            y_proba = check_probabilities(y_proba, len(true), classes)
        if groups is not None:
            groups = code_groups(groups, len(true))
        confusion = np.bincount(true * len(classes) + predicted, minlength=len(classes) ** 2)
        confusion = confusion.reshape(len(classes), -1)
        bootstrap = {
            "n_resamples": n_resamples,
            "confidence_level": confidence_level,
            "rng": np.random.default_rng(draw_seed(random_state)),
        }
        scores, class_scores = estimate_scores(true, predicted, groups, confusion, **bootstrap)
        if y_proba is not None:
            scores |= estimate_losses(true, y_proba, groups, **bootstrap)
        return cls(
            classes,
            confusion,
            scores,
            class_scores,
            confidence_level=confidence_level,
            n_resamples=n_resamples,
            n_groups=None if groups is None else int(groups.max()) + 1,
        )

    def __repr__(self):
        shown = ", ".join(f"{name}={self.scores[name].value:.3f}" for name in _IN_REPR)
        return f"EvaluationReport(n_images={self.n_images}, {shown})"

    def __str__(self):
        return report_text(self)

    @property
    def support(self):
        """Images of each class."""
        return self.confusion_matrix.sum(axis=1)

    @property
    def n_images(self):
        """Images in total."""
        return int(self.confusion_matrix.sum())

    @property
    def confusions(self):
        """The confusions that occur, the most frequent first."""
        matrix, support = self.confusion_matrix, self.support
        found = [
            Confusion(
                self.classes[i],
                self.classes[j],
                int(matrix[i, j]),
                float(matrix[i, j] / support[i]),
            )
            for i, j in np.argwhere(matrix)
            if i != j
        ]
        return sorted(found, key=lambda each: (-each.count, -each.share))

    def to_frame(self):
        """Return a table of the scores of each class.

        Returns
        -------
        pandas.DataFrame
            One row for each class, by label, with the columns precision, precision_low,
            precision_high, the same of recall and f1, and support.
        """
        import pandas as pd

        columns = {
            f"{name}{end}": [each[place] for each in estimates]
            for name, estimates in self.class_scores.items()
            for place, end in enumerate(("", "_low", "_high"))
        }
        index = pd.Index(self.classes, name="class")
        return pd.DataFrame({**columns, "support": self.support}, index=index)

    def to_dict(self):
        """Return all of it as dicts, lists, str and numbers, for JSON.

        Returns
        -------
        dict
            With n_images, n_groups, confidence_level, n_resamples, classes, scores and
            class_scores (each estimate as a dict of value, low and high, None where there is no
            interval), support and confusion_matrix.
        """
        return {
            "n_images": self.n_images,
            "n_groups": self.n_groups,
            "confidence_level": self.confidence_level,
            "n_resamples": self.n_resamples,
            "classes": self.classes,
            "scores": {name: each.to_dict() for name, each in self.scores.items()},
            "class_scores": {
                name: [each.to_dict() for each in estimates]
                for name, estimates in self.class_scores.items()
            },
            "support": self.support.tolist(),
            "confusion_matrix": self.confusion_matrix.tolist(),
        }

    def plot(self, *, ax=None):
        """Draw the confusion matrix: counts, and their shares of the images of the true class.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure, as large as the classes need.

        Returns
        -------
        display : sklearn.metrics.ConfusionMatrixDisplay
            The colours are the shares.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        return plot_confusions(self, ax)
