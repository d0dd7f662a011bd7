"""The evaluation report: scores of a classifier on a test set, with confidence intervals."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.utils import check_scalar

from skblood._plotting import draws
from skblood._typing import (
    ArrayLike,
    Audit,
    Axes,
    ConfusionDisplay,
    Images,
    Ints,
    Prior,
    RandomState,
    StrPath,
)
from skblood.evaluation._about_model import describe_batch, describe_model
from skblood.evaluation._cell_table import path_names
from skblood.evaluation._confusions import list_confusions, plot_confusion
from skblood.evaluation._estimates import Estimate, tabulate_estimates
from skblood.evaluation._evaluation_page import page_context, summary_context
from skblood.evaluation._report_text import format_report
from skblood.evaluation._scoring import score_predictions
from skblood.pages import render, write


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
    images : sequence, default=None
        Test images as they were given, for :meth:`to_html`.
    model : dict of str to str, default=None
        What the model is and was trained on, for :meth:`to_html`.

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

    classes: list[Any]
    confusion_matrix: np.ndarray
    scores: dict[str, Estimate]
    class_scores: dict[str, list[Estimate]]
    _: KW_ONLY
    confidence_level: float
    n_resamples: int
    n_groups: int | None = None
    note: str = ""
    cells: pd.DataFrame | None = None
    images: object = None
    model: dict[str, Any] | None = None

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        y_proba: ArrayLike | None = None,
        *,
        classes: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        n_resamples: int = 2000,
        confidence_level: float = 0.95,
        random_state: RandomState = 0,
        shares: Prior = None,
        note: str = "",
        names: ArrayLike | None = None,
        images: Images | None = None,
        model: Any = None,
    ) -> Self:
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
            None takes the paths in `images`, if it holds paths.
        images : array-like or sequence of n_images, default=None
            The images, for pictures in :meth:`to_html`. They are neither copied nor read here.
        model : fitted classifier, default=None
            What predicted, to be described by :meth:`to_html`. If the images are unlike those of
            its training (:func:`skblood.uncertainty.check_batch`), the note says so.

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
        names = path_names(images) if names is None else names
        settings = {"n_resamples": n_resamples, "confidence_level": confidence_level}
        given = (y_true, y_pred, y_proba, classes, groups, shares, names)
        results = score_predictions(*given, random_state=random_state, **settings)
        note = " ".join(filter(None, [note, describe_batch(model, images, y_proba)]))
        about = None if model is None else describe_model(model)
        return cls(**results, note=note, images=images, model=about)

    def __repr__(self) -> str:
        accuracy, f1 = self.scores["accuracy"].value, self.scores["f1_macro"].value
        return (
            f"EvaluationReport(n_images={self.n_images}, accuracy={accuracy:.3f}, "
            f"f1_macro={f1:.3f})"
        )

    def __str__(self) -> str:
        return format_report(self)

    @property
    def support(self) -> Ints:
        """Number of images of each class."""
        return self.confusion_matrix.sum(axis=1)

    @property
    def n_images(self) -> int:
        """Number of images."""
        return int(self.confusion_matrix.sum())

    @property
    def absent_classes(self) -> list[Any]:
        """Classes without images."""
        return [label for label, n in zip(self.classes, self.support, strict=True) if not n]

    @property
    def confusions(self) -> list[tuple[Any, Any, int]]:
        """Confusions that occur, the most frequent first."""
        return list_confusions(self.classes, self.confusion_matrix)

    def to_frame(self) -> pd.DataFrame:
        """Return a table of the scores of each class.

        Returns
        -------
        pandas.DataFrame
            One row for each class, with the columns precision, precision_low, precision_high, the
            same for recall and f1, and support.
        """
        return tabulate_estimates(self.classes, self.class_scores, support=self.support)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as dicts, lists, str and numbers, for JSON.

        Returns
        -------
        dict
            With n_images, n_groups, confidence_level, n_resamples, note, classes, scores and
            class_scores (each estimate is a dict of value, low and high, None where there is
            none), support, absent_classes and confusion_matrix.
        """
        plain = "n_images", "n_groups", "confidence_level", "n_resamples", "note", "classes"
        of_classes = self.class_scores.items()
        return {
            **{name: getattr(self, name) for name in plain},
            "scores": {name: each.to_dict() for name, each in self.scores.items()},
            "class_scores": {name: [x.to_dict() for x in each] for name, each in of_classes},
            "support": self.support.tolist(),
            "absent_classes": self.absent_classes,
            "confusion_matrix": self.confusion_matrix.tolist(),
        }

    def _repr_html_(self) -> str:
        """Return scores, warnings and the confusion matrix, for a notebook."""
        return render("fragment.html", content="_scores.html", **summary_context(self))

    @draws
    def to_html(
        self,
        path: StrPath | None = None,
        *,
        n_errors: int = 24,
        audit: Audit | None = None,
        card: str | None = None,
        title: str = "Evaluation",
    ) -> str | Path:
        """Return or write the report as an HTML page in one file, with figures and pictures.

        The page has warnings, scores, the confusion matrix, calibration, accuracy against coverage,
        the accuracy of each group, and wrong predictions, the surest first, with picture,
        probability and file.

        Parameters
        ----------
        path : str or path-like, default=None
            File to write; an existing one is replaced. None writes nothing.
        n_errors : int, default=24
            Wrong predictions that are shown at most, at least 0. Their images are read again.
        audit : AuditReport, default=None
            Result of :func:`skblood.audit` for the same images, to be part of the page.
        card : str, default=None
            Result of :func:`skblood.model_card`, to be part of the page.
        title : str, default="Evaluation"
            Heading of the page.

        Returns
        -------
        page or path : str or pathlib.Path
            The page if `path` is None, else the path.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> from skblood.evaluation import EvaluationReport
        >>> report = EvaluationReport.from_predictions(["a", "b", "a"], ["a", "b", "b"])
        >>> "1 wrong prediction" in report.to_html()
        True
        """
        check_scalar(n_errors, "n_errors", Integral, min_val=0)
        context = page_context(self, n_errors=n_errors, audit=audit, card=card)
        return write(render("evaluation.html", title=title, **context), path)

    @draws
    def plot(self, *, ax: Axes | None = None) -> ConfusionDisplay:
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
