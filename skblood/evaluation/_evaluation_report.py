"""The evaluation report: scores of a classifier on a test set, with confidence intervals."""

import math
import textwrap
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from skblood._labels import (
    check_lengths,
    check_probabilities,
    encode_groups,
    encode_labels,
    resolve_classes,
)
from skblood._plotting import draws
from skblood._writing import printable
from skblood.estimators import read_prior
from skblood.evaluation._absent_classes import describe_absent
from skblood.evaluation._cell_table import tabulate_cells
from skblood.evaluation._confusion_plot import plot_confusion
from skblood.evaluation._estimates import (
    estimate_losses,
    estimate_scores,
    format_table,
    tabulate_estimates,
)
from skblood.evaluation._intervals import check_level
from skblood.inference import draw_seed

# Confusions listed in the text.
_MAX_CONFUSIONS = 5
_LINE_WIDTH = 100  # characters in a line of a note
_UNDEFINED = "undefined, since all images are of one class"


class Confusion(NamedTuple):
    """Number of images of one class predicted as another, and their share of the true class."""

    true: object
    predicted: object
    count: int
    share: float


@dataclass(eq=False, repr=False)
class EvaluationReport:
    """Scores of a classifier on a test set, with confidence intervals.

    Created by :func:`skblood.evaluation.evaluate` or :meth:`from_predictions`; ``print`` shows it
    as a table.

    Parameters
    ----------
    classes : list of length n_classes
        Class labels.
    confusion_matrix : ndarray of int of shape (n_classes, n_classes)
        Numbers of images by true class (row) and predicted class (column).
    scores : dict of str to Estimate
        Scores over all classes, by the names of `sklearn.metrics`: accuracy, balanced_accuracy,
        f1_macro, f1_weighted, matthews_corrcoef, and, if probabilities were given, log_loss,
        brier_score_loss and expected_calibration_error; with `shares` also accuracy_at_shares.
        Each has `value`, `low` and `high`.
    class_scores : dict of str to list of Estimate
        Precision, recall and f1 of each class. What is undefined (the recall of a class without
        images, the precision of a class that is not predicted) is NaN, as with
        ``zero_division=np.nan`` in scikit-learn, and blank in text and tables.
    confidence_level : float
        Confidence level of the intervals.
    n_resamples : int
        Number of bootstrap resamples, for losses without groups.
    n_groups : int, default=None
        Number of groups; None if the images were taken as independent.
    note : str, default=""
        How the images were predicted, such as a prior; printed above the scores.
    cells : DataFrame, default=None
        A row for each image, for :func:`compare_models`, with the columns `path` (if the images
        have names), `true`, `label` (predicted), `probability` (of the label), `p_` and the name of
        each class, and `group`; not part of text, tables and files of the report.

    Attributes
    ----------
    support : ndarray of int of shape (n_classes,)
        Number of images of each class.
    n_images : int
        Number of images.
    absent_classes : list
        Classes without images.
    confusions : list of Confusion
        Confusions that occur, the most frequent first, with `true`, `predicted`, `count` and
        `share` (of the images of the true class).

    See Also
    --------
    evaluate : Report of a fitted classifier.
    skblood.model_card : Model card, which includes reports.

    Notes
    -----
    The scores over all classes follow scikit-learn: `balanced_accuracy` is the mean recall of the
    classes that have images. `f1_macro` is the mean F1 of the classes that have images or are
    predicted, so that a class without images counts as 0 as soon as one image is predicted as it.
    `f1_weighted` weights classes by their images. `matthews_corrcoef` is NaN if all images are of
    one class, where scikit-learn returns 0. If classes have no images, the text says so.

    Intervals of accuracy, precision and recall are Wilson intervals, modified for one or two errors
    as by Brown, Cai and DasGupta 2001, and those of the F1 of a class are derived from them [1]_.
    Those of other scores of labels come from the delta method, after pseudo-images, half of them
    errors, are added to the confusion matrix, as in [2]_ and [3]_. All of them have a width even
    without any error.

    With `groups`, numbers of images are divided by the design effect [4]_, and quantiles are those
    of Student's t, as in [5]_ and [6]_. Few errors tell little about the correlation in a group,
    and the intervals would be too narrow [7]_; the design effect of an intraclass correlation of
    0.1 is therefore included with the weight of one error. A class that lies in one group does not
    tell how its recall varies between groups: the same correlation is assumed for it. In
    simulations with 5 to 60 groups, 95 % intervals contain the true accuracy in 92 to 99 % of the
    cases, and other scores in 89 to 100 % (``benchmarks.intervals``).

    Intervals of losses are bootstrap intervals (BCa [8]_); with `groups`, Student's, on the log
    scale. The calibration error [9]_ has no interval, since resampling raises it.

    References
    ----------
    .. [1] Lam, Gopal, Qian 2023: Confidence intervals for the F1 score: a comparison of four
       methods, arXiv:2309.14621.
    .. [2] Agresti, Coull 1998: Approximate is better than "exact" for interval estimation of
       binomial proportions, The American Statistician 52:119.
    .. [3] Price, Bonett 2004: An improved confidence interval for a linear function of binomial
       proportions, Computational Statistics and Data Analysis 45:449.
    .. [4] Rao, Scott 1992: A simple method for the analysis of clustered binary data, Biometrics
       48:577.
    .. [5] Korn, Graubard 1998: Confidence intervals for proportions with small expected number of
       positive counts estimated from survey data, Survey Methodology 24:193.
    .. [6] Saha, Miller, Wang 2016: A comparison of some approximate confidence intervals for a
       single proportion for clustered binary outcome data, International Journal of Biostatistics
       12(2).
    .. [7] Franco, Little, Louis, Slud 2019: Comparative study of confidence intervals for
       proportions in complex sample surveys, Journal of Survey Statistics and Methodology 7:334.
    .. [8] Efron 1987: Better bootstrap confidence intervals, Journal of the American Statistical
       Association 82:171.
    .. [9] Guo et al. 2017: On calibration of modern neural networks.

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
    balanced_accuracy  0.963 [0.898, 0.992]
    f1_macro           0.968 [0.907, 0.993]
    f1_weighted        0.970 [0.911, 0.994]
    matthews_corrcoef  0.939 [0.817, 0.986]
    <BLANKLINE>
                         precision                recall                    f1 images
    monocyte  1.000 [0.906, 1.000]  0.925 [0.801, 0.974]  0.961 [0.890, 0.987]     40
    platelet  0.952 [0.869, 0.984]  1.000 [0.940, 1.000]  0.976 [0.930, 0.992]     60
    <BLANKLINE>
    most frequent confusions
      3 of 40 monocyte predicted as platelet (7.5%)
    >>> report.scores["accuracy"].value
    0.97
    """

    classes: list
    confusion_matrix: np.ndarray
    scores: dict
    class_scores: dict
    _: KW_ONLY
    confidence_level: float
    n_resamples: int
    n_groups: int | None = None
    note: str = ""
    cells: pd.DataFrame | None = None

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
        shares=None,
        note="",
        names=None,
    ):
        """Create a report from predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_images,)
            True labels.
        y_pred : array-like of shape (n_images,)
            Predicted labels.
        y_proba : array-like of shape (n_images, n_classes), default=None
            Predicted probabilities, with columns in the order of `classes`. None leaves out the
            scores that need them.
        classes : array-like of shape (n_classes,), default=None
            All class labels of the model. None takes the labels that occur, sorted.
        groups : array-like of shape (n_images,), default=None
            Patient or slide of each image; see :func:`~skblood.evaluation.evaluate`.
        n_resamples : int, default=2000
            Number of bootstrap resamples, for losses without groups.
        confidence_level : float in (0, 1), default=0.95
            Confidence level of the intervals.
        random_state : int, RandomState instance or None, default=0
            Seed of the resampling.
        shares : dict, "blood", "equal", or array-like of shape (n_classes,), default=None
            See :func:`~skblood.evaluation.evaluate`.
        note : str, default=""
        names : array-like of shape (n_images,), default=None
            Names of the images, such as paths, by which two reports are known to be of the same.

        Returns
        -------
        report : EvaluationReport

        Raises
        ------
        TypeError
            If labels of different types cannot be sorted.
        ValueError
            If there are no images, lengths differ, a label is not among `classes`, `groups` has
            missing entries or a single group, or `y_proba` does not hold probabilities.
        """
        check_level(confidence_level)
        if n_resamples < 1:
            raise ValueError(f"`n_resamples` must be at least 1, got {n_resamples}.")
        classes = resolve_classes(classes, y_true=y_true, y_pred=y_pred)
        true = encode_labels(y_true, classes, "y_true")
        predicted = encode_labels(y_pred, classes, "y_pred")
        check_lengths(y_true=len(true), y_pred=len(predicted))
        if not len(true):
            raise ValueError("`y_true` is empty. Give the labels of at least one image.")
        if y_proba is not None:
            y_proba = check_probabilities(y_proba, len(true), classes)
        cells = tabulate_cells(true, predicted, y_proba, classes, groups=groups, names=names)
        n_groups = None
        if groups is not None:
            distinct, groups = encode_groups(groups, len(true))
            n_groups = len(distinct)
        if n_groups == 1:
            raise ValueError("`groups` holds a single group: give several, or leave `groups` out.")
        tables = np.zeros((n_groups or 1, len(classes), len(classes)), int)
        np.add.at(tables, (0 if groups is None else groups, true, predicted), 1)
        if shares is not None:
            shares = read_prior(shares, classes, tables.sum(axis=(0, 2)) > 0)
        scores, class_scores = estimate_scores(
            tables, confidence_level, grouped=groups is not None, shares=shares
        )
        settings = {"n_resamples": n_resamples, "confidence_level": confidence_level}
        if y_proba is not None:
            rng = np.random.default_rng(draw_seed(random_state))
            scores |= estimate_losses(true, y_proba, groups, rng=rng, **settings)
        confusion = tables.sum(axis=0)
        settings |= {"n_groups": n_groups, "note": note, "cells": cells}
        return cls(classes, confusion, scores, class_scores, **settings)

    def __repr__(self):
        accuracy, f1 = self.scores["accuracy"].value, self.scores["f1_macro"].value
        return (
            f"EvaluationReport(n_images={self.n_images}, accuracy={accuracy:.3f}, "
            f"f1_macro={f1:.3f})"
        )

    def __str__(self):
        groups = f" in {self.n_groups:,} groups" if self.n_groups else ""
        width = max(map(len, self.scores))
        columns = {
            name: ["" if math.isnan(each.value) else each for each in estimates]
            for name, estimates in self.class_scores.items()
        }
        lines = [
            f"{self.n_images:,} images{groups}, {len(self.classes)} classes; "
            f"intervals of {100 * self.confidence_level:.4g}% confidence",
            *textwrap.wrap(printable(self.note), _LINE_WIDTH),
            "",
            *(
                f"{name:{width}}  {_UNDEFINED if math.isnan(each.value) else each}"
                for name, each in self.scores.items()
            ),
            "",
            format_table(self.classes, columns | {"images": self.support}),
        ]
        if self.absent_classes:
            text = describe_absent(self.classes, self.confusion_matrix)
            lines += ["", *textwrap.wrap(printable(text), _LINE_WIDTH)]
        if self.confusions:
            lines += ["", "most frequent confusions"]
        for each in self.confusions[:_MAX_CONFUSIONS]:
            n = self.support[self.classes.index(each.true)]
            pair = printable(f"{each.true} predicted as {each.predicted}", keep="")
            lines.append(f"  {each.count:,} of {n:,} {pair} ({each.share:.1%})")
        return "\n".join(lines)

    @property
    def support(self):
        """Number of images of each class."""
        return self.confusion_matrix.sum(axis=1)

    @property
    def n_images(self):
        """Number of images."""
        return int(self.confusion_matrix.sum())

    @property
    def absent_classes(self):
        """Classes without images."""
        return [label for label, n in zip(self.classes, self.support, strict=True) if not n]

    @property
    def confusions(self):
        """Confusions that occur, the most frequent first."""
        found = [
            Confusion(true, predicted, int(count), float(count / row.sum()))
            for true, row in zip(self.classes, self.confusion_matrix, strict=True)
            for predicted, count in zip(self.classes, row, strict=True)
            if count and predicted != true
        ]
        return sorted(found, key=lambda each: (-each.count, -each.share))

    def to_frame(self):
        """Return a table of the scores of each class.

        Returns
        -------
        pandas.DataFrame
            One row for each class, with the columns precision, precision_low, precision_high, the
            same for recall and f1, and support.
        """
        return tabulate_estimates(self.classes, self.class_scores, support=self.support)

    def to_dict(self):
        """Return the report as dicts, lists, str and numbers, for JSON.

        Returns
        -------
        dict
            With n_images, n_groups, confidence_level, n_resamples, note, classes, scores and
            class_scores (each estimate is a dict of value, low and high, None where there is
            none), support, absent_classes and confusion_matrix.
        """
        plain = "n_images", "n_groups", "confidence_level", "n_resamples", "note", "classes"
        return {
            **{name: getattr(self, name) for name in plain},
            "scores": {name: each.to_dict() for name, each in self.scores.items()},
            "class_scores": {
                name: [estimate.to_dict() for estimate in each]
                for name, each in self.class_scores.items()
            },
            "support": self.support.tolist(),
            "absent_classes": self.absent_classes,
            "confusion_matrix": self.confusion_matrix.tolist(),
        }

    @draws
    def plot(self, *, ax=None):
        """Draw the confusion matrix with counts and their shares of the true class.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a figure whose size depends on the number of classes.

        Returns
        -------
        display : sklearn.metrics.ConfusionMatrixDisplay
            The colors show the shares.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        return plot_confusion(self, ax)
