"""Comparison of classifiers on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from skblood._labels import encode_groups, encode_labels, list_few
from skblood._typing import RandomState
from skblood.evaluation._cell_table import align_cells
from skblood.evaluation._estimates import tabulate_estimates
from skblood.evaluation._evaluation_report import EvaluationReport
from skblood.evaluation._model_comparison import ALL, ModelComparison
from skblood.evaluation._paired import SCORES, holm, mcnemar, score_differences
from skblood.inference import draw_seed

# Scores that are shares of images that are right.
_TESTED = ("accuracy", "recall")


def compare_models(
    *reports: EvaluationReport,
    names: Sequence[str] | None = None,
    n_resamples: int = 2000,
    random_state: RandomState = 0,
) -> ModelComparison:
    """Compare classifiers by their reports on the same images.

    Parameters
    ----------
    *reports : EvaluationReport
        Two or more, of the same images with the same labels, in any order if the images have
        names: as from :func:`evaluate` of paths. Images without names must be in the same order.
    names : list of str, default=None
        Names of the classifiers; None is "a", "b", "c" ...
    n_resamples : int, default=2000
        Number of bootstrap resamples.
    random_state : int, RandomState instance or None, default=0
        Seed of the resampling.

    Returns
    -------
    comparison : ModelComparison

    Raises
    ------
    TypeError
        If a report is not an EvaluationReport.
    ValueError
        If there are fewer than two reports, they are of different images (some are named), labels,
        groups or confidence levels, `names` are not as many different ones, or a report has no
        `cells`.

    See Also
    --------
    evaluate : Report of one classifier.
    compare_differentials : Comparison of counts of slides.

    Notes
    -----
    Two classifiers make many of the same errors, so that the difference of their scores is known
    better than the scores themselves: overlapping intervals of two reports do not tell that two
    classifiers are alike. Intervals of the differences are those of a paired bootstrap: the same
    images, or with `groups` in the reports the same whole groups, are drawn for both [1]_. They are
    Student's with the standard error of the bootstrap, after two images on which one of both is
    right are added [2]_; they have a width also if both are right on all images.

    The p-value is that of McNemar's test [3]_ in its exact form; with groups, whose images are not
    independent, that of the permutation test which exchanges both classifiers in whole groups. A
    p-value of 0.03 of one pair among ten means little: `pvalue_holm` holds for all pairs, or all
    pairs and classes, together [4]_.

    References
    ----------
    .. [1] Efron, Tibshirani 1993: An introduction to the bootstrap.
    .. [2] Bonett, Price 2012: Adjusted Wald confidence interval for a difference of binomial
       proportions based on paired data, Journal of Educational and Behavioral Statistics 37:479.
    .. [3] McNemar 1947: Note on the sampling error of the difference between correlated proportions
       or percentages, Psychometrika 12:153.
    .. [4] Holm 1979: A simple sequentially rejective multiple test procedure, Scandinavian Journal
       of Statistics 6:65.

    Examples
    --------
    >>> from skblood import MLPCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.evaluation import compare_models, evaluate
    >>> X, y = make_blood_cells(300, image_size=16, random_state=0)
    >>> small, large = (
    ...     MLPCellClassifier(sizes, max_epochs=10, random_state=0).fit(X[:200], y[:200])
    ...     for sizes in [(4,), (64,)]
    ... )
    >>> reports = [evaluate(clf, X[200:], y[200:]) for clf in (small, large)]
    >>> comparison = compare_models(*reports, names=["small", "large"])
    >>> accuracy = comparison.differences.iloc[0]
    >>> bool(accuracy["low"] < accuracy["difference"] < accuracy["high"])
    True
    """
    names = _check_names(reports, names)
    classes, codes, groups = _align(reports, names)
    group_names, groups = (None, None) if groups is None else encode_groups(groups, len(codes))
    rng = np.random.default_rng(draw_seed(random_state))
    settings = {"n_resamples": n_resamples, "level": reports[0].confidence_level, "rng": rng}
    differences, by_group = [], []
    for (i, a), (j, b) in combinations(enumerate(names), 2):
        pair, of_pair = {"a": a, "b": b}, codes[:, [0, 1 + i, 1 + j]]
        scores = [reports[k].scores for k in (i, j)]
        rows = _compare(of_pair, scores, groups, classes, **settings)
        differences += [pair | row for row in rows]
        if groups is not None:
            by_group += [pair | row for row in _compare_groups(of_pair, groups, group_names)]
    differences = pd.DataFrame(differences)
    for score in _TESTED:
        rows = (differences["score"] == score) & differences["pvalue"].notna()
        differences.loc[rows, "pvalue_holm"] = holm(differences.loc[rows, "pvalue"])
    scores = {score: [report.scores[score] for report in reports] for score in SCORES}
    return ModelComparison(
        names,
        tabulate_estimates(names, scores).rename_axis("model"),
        differences,
        pd.DataFrame(by_group) if by_group else None,
        n_images=len(codes),
        n_groups=None if groups is None else len(group_names),
        confidence_level=reports[0].confidence_level,
    )


def _check_names(reports, names):
    """Return the names of the classifiers, after checks of the reports."""
    for report in reports:
        if not isinstance(report, EvaluationReport):
            raise TypeError(f"Reports must be EvaluationReports, got {type(report).__name__}.")
    if len(reports) < 2:
        raise ValueError(f"Give two or more reports, got {len(reports)}.")
    if names is None:
        names = [chr(ord("a") + i) if i < 26 else f"model {i + 1}" for i in range(len(reports))]
    names = list(map(str, names))
    if len(names) != len(reports) or len(set(names)) < len(names):
        raise ValueError(f"`names` must be {len(reports)} different names, got {names}.")
    if len({report.confidence_level for report in reports}) > 1:
        raise ValueError("The reports have different confidence levels. Make all with the same.")
    if without := [n for n, report in zip(names, reports, strict=True) if report.cells is None]:
        raise ValueError(
            f"The reports of {without} have no predictions of single images. Make them by "
            "`evaluate` or `EvaluationReport.from_predictions`."
        )
    return names


def _align(reports, names):
    """Return the classes, true and predicted codes of shape (n, 1 + n_reports), and the groups."""
    classes = list(dict.fromkeys(label for report in reports for label in report.classes))
    tables = align_cells([report.cells for report in reports], names)
    true, *others = [encode_labels(table["true"], classes, "true") for table in tables]
    for other, name in zip(others, names[1:], strict=True):
        if len(wrong := np.flatnonzero(true != other)):
            some = list_few([repr(tables[0].index[i]) for i in wrong], most=3)
            raise ValueError(
                f"{names[0]!r} and {name!r} were evaluated with different labels of {len(wrong):,} "
                f"images, such as {some}, or the images are not the same."
            )
    predicted = [encode_labels(table["label"], classes, "label") for table in tables]
    groups = [table["group"].tolist() if "group" in table else None for table in tables]
    for other, name in zip(groups[1:], names[1:], strict=True):
        if other != groups[0]:
            raise ValueError(
                f"{names[0]!r} and {name!r} have different groups, or one of them has none. Make "
                "both reports with the same `groups` of the images."
            )
    groups = groups[0]
    return classes, np.stack([true, *predicted], axis=1), groups


def _compare(codes, scores, groups, classes, **settings):
    """Yield the rows of a pair of classifiers, without their names."""
    overall, recalls = score_differences(codes, groups, len(classes), **settings)
    right, found = codes[:, 1:] == codes[:, :1], []
    for score, estimate in overall.items():
        values = [each[score].value for each in scores]
        found.append((score, ALL, np.full(len(codes), True), values, estimate))
    for code, (label, estimate) in enumerate(zip(classes, recalls, strict=True)):
        rows = codes[:, 0] == code
        values = right[rows].mean(axis=0).tolist() if rows.any() else (np.nan, np.nan)
        found.append(("recall", label, rows, values, estimate))
    for score, label, rows, (a, b), (difference, low, high) in found:
        row = {"score": score, "class": label, "n_images": int(rows.sum()), "value_a": a}
        row |= {"value_b": b, "difference": difference, "low": low, "high": high}
        if score in _TESTED and rows.any():
            of_rows = None if groups is None else groups[rows]
            tested = mcnemar(codes[rows], of_rows, settings["rng"])
            row |= zip(("only_a", "only_b", "pvalue"), tested, strict=True)
        yield row


def _compare_groups(codes, groups, names):
    """Return the rows of the groups, the largest change first."""
    right = codes[:, 1:] == codes[:, :1]
    rows = []
    for code, name in enumerate(names):
        a, b = right[groups == code].T
        row = {"group": name, "n_images": len(a), "value_a": a.mean(), "value_b": b.mean()}
        counts = {"only_a": int((a & ~b).sum()), "only_b": int((b & ~a).sum())}
        rows.append(row | {"difference": b.mean() - a.mean()} | counts)
    return sorted(rows, key=lambda row: -abs(row["only_b"] - row["only_a"]))
