"""Review of the labels of cells, or of predictions, on one HTML page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import check_random_state, check_scalar

from skblood._labels import as_column, check_complete, check_lengths, is_missing
from skblood._typing import (
    ArrayLike,
    Classifier,
    DataFrame,
    Images,
    NDArray,
    Order,
    RandomState,
    StrPath,
)
from skblood._writing import show_progress
from skblood.adaptation import check_classifier, query
from skblood.images import image_items

from ._cells import Cells
from ._order import disagreement, doubt, nearest_cells
from ._page import COLUMNS, write_page

# Columns of which the commands that read corrections.csv know a meaning.
_READ = ("split", "probability", "true", "model")
ORDERS = ("doubt", "neighbors", "query", "given", "random")


def review(
    model: Classifier,
    X: Sequence[StrPath] | NDArray[Any],
    y: ArrayLike | None = None,
    *,
    groups: ArrayLike | None = None,
    columns: DataFrame | None = None,
    order: Order | None = None,
    blind: bool = False,
    reference: tuple[Images, ArrayLike] | None = None,
    max_cells: int = 2000,
    root: StrPath | None = None,
    random_state: RandomState = None,
    verbose: int | None = None,
    out: StrPath | None = None,
) -> Path | str:
    """Write an HTML page on which people confirm or correct the labels of cells.

    The page is one file that any browser opens without a network. It shows the cells in an order
    that brings those first which are worth a look; a key press labels a cell. The browser keeps
    the answers, and saves them as ``corrections.csv``, which :func:`skblood.datasets.load_csv` and
    the commands ``adapt``, ``evaluate``, ``count`` and ``audit`` read.

    Parameters
    ----------
    model : estimator
        Fitted classifier of skblood.
    X : sequence of str or path-like of shape (n,)
        Image files, each once.
    y : array-like of shape (n,), default=None
        Labels to check; None, NaN and "" mark a cell without a label, of which the prediction is
        checked. Labels that the model does not know become further classes of the page.
    groups : array-like of shape (n,), default=None
        Slide or patient of each cell: a filter of the page, and a column of the table, which has
        the name of the Series, or "group".
    columns : DataFrame with n rows, default=None
        Further columns of the table, as they are; ``given_`` goes before names that it has already.
    order : {"doubt", "neighbors", "query", "given", "random"}, default=None
        "doubt": first the labels that the model finds improbable (probability of the label less
        the highest of the others). "neighbors": first those that differ from most of the ten most
        similar cells. "query": the cells whose labels help an adaptation most, as chosen by
        :func:`skblood.query`; cells with a label count as covered, unless all have one. "given":
        that of `X`. None is "doubt", or "random" if `blind`.
    blind : bool, default=False
        Leave out of the page, and so of the table, what could sway a reader, as in a validation:
        predictions, given labels and similar cells; file names are not shown. The order must be
        "given" or "random".
    reference : tuple of (X, y), default=None
        Labeled cells, such as those of the training: the three most similar ones are shown beside
        a cell, and "neighbors" compares with them, never with the file itself. None compares with
        the other cells of `X`.
    max_cells : int, default=2000
        Cells of the page, the first of the order. A page takes about 10 kB a cell.
    root : str or path-like, default=None
        Folder that the paths of the table are relative to; put the table there, or name the folder
        as `root` of ``load_csv``. None writes absolute paths, so that the table can lie anywhere.
    random_state : int, RandomState instance or None, default=None
        Seed of the order "random", and of the choice by "query" among more than 3,000 cells.
    verbose : int, default=None
        If not 0, the progress is shown on the standard error. None takes the parameter `verbose`
        of the model.
    out : str or path-like, default=None
        File of the page, which is replaced if it exists. None returns the page. Browsers keep the
        answers by this path and the cells: the same page made anew goes on, another one does not.

    Returns
    -------
    page : pathlib.Path or str
        `out`, or the page if that is None.

    Raises
    ------
    TypeError
        If the model is not a classifier of skblood, or `X` holds no paths.
    ValueError
        If a file is named twice, images cannot be read, or an argument is not as described.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.

    See Also
    --------
    query : Chooses the cells whose labels help most.
    adapt : Adapt a classifier to labeled cells.
    audit : Find copies, contradictory labels and unusable images.

    Notes
    -----
    ``corrections.csv`` has one row for each cell that was decided: ``path``, ``label`` (the
    consensus of the readers, else the first reader's label, else the second's), the groups,
    ``given_label``, ``predicted``, ``first_reader``, ``second_reader``, ``consensus``, ``note``,
    and `columns`.
    The two readers do not see each other's labels. What is in no class, such as dirt or two cells,
    gets the label "none of these": ``load_csv`` and the commands leave these cells out, ``count``
    counts them as rejected.

    "doubt" is the normalized margin of [1]_.

    References
    ----------
    .. [1] C. Northcutt, L. Jiang and I. Chuang, "Confident learning: estimating uncertainty in
       dataset labels", Journal of Artificial Intelligence Research 70, 2021.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skblood import TransferCellClassifier, review
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = TransferCellClassifier("cellnet_t", max_epochs=3, random_state=0)
    >>> clf = clf.fit(X[:150], y[:150])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [Path(folder, f"{i}.png") for i in range(10)]
    ...     for path, image in zip(paths, X[150:]):
    ...         Image.fromarray(image).save(path)
    ...     page = review(clf, paths, reference=(X[:150], y[:150]), out=Path(folder, "cells.html"))
    ...     page.name, page.stat().st_size < 100_000
    ('cells.html', True)
    """
    order = order or ("random" if blind else "doubt")
    check_classifier(model, "review")
    if order not in ORDERS:
        raise ValueError(f"order must be one of {', '.join(map(repr, ORDERS))}, not {order!r}.")
    if blind and (order not in ("given", "random") or reference is not None):
        raise ValueError("A blind review takes the order 'given' or 'random', and no `reference`.")
    check_scalar(max_cells, "max_cells", Integral, min_val=1)
    cells = Cells(X, y, groups, columns, model.classes_)
    if cells.group_column in (*COLUMNS, *_READ):
        raise ValueError(
            f"The groups are named {cells.group_column!r}, which is another column to whoever "
            "reads corrections.csv. Give their column, or the Series, another name."
        )
    pool = None if reference is None else _Reference(*reference)
    with show_progress(model.verbose if verbose is None else verbose):
        images = None if blind else model.read_images(cells.items)
        cells.probabilities = None if blind else model.predict_proba(images)
        if pool is not None or order == "neighbors":
            pool = pool or _Reference(cells.items, cells.names[cells.shown_codes()])
            pool.find(model, images, cells.items, is_self=reference is None)
        rows = _sort(model, images, cells, pool, order, max_cells, random_state)
        return write_page(cells, rows, pool, model.spec_.bit_depth, order, root, out)


class _Reference:
    """Labeled cells, and which of them are the most similar ones to each cell under review."""

    def __init__(self, X, y):
        self.items = image_items(X)
        y = as_column(y, "reference[1]")
        check_lengths(**{"reference[0]": len(self.items), "reference[1]": len(y)})
        check_complete(y, "reference[1]", "Leave these cells out.")
        self.labels = np.array([str(label) for label in y.tolist()])

    def find(self, model, images, paths, *, is_self):
        """Find the most similar other cells of each image, in the order of similarity."""
        places = {
            os.path.realpath(item): place
            for place, item in enumerate(self.items)
            if isinstance(item, str | os.PathLike)
        }
        own = np.array([places.get(os.path.realpath(path), -1) for path in paths])
        features = pool = model.predictor_.penultimate(images)
        if not is_self:
            pool = model.predictor_.penultimate(model.iter_images(self.items))
        self.similarities, self.positions = nearest_cells(features, pool, own)


def _sort(model, images, cells, pool, order, max_cells, random_state):
    """Return the positions of the cells of the page, in their order."""
    if order == "given":
        return np.arange(len(cells.items))[:max_cells]
    if order == "random":
        return check_random_state(random_state).permutation(len(cells.items))[:max_cells]
    if order == "query":
        known = cells.known_labels()
        n_free = len(images) if known is None else sum(map(is_missing, known))
        options = {"y": known, "random_state": random_state}
        return query(model, images, min(max_cells, n_free), **options).indices
    codes = cells.shown_codes()
    keys = [doubt(cells.probabilities, codes)]
    if order == "neighbors":
        places = {name: code for code, name in enumerate(cells.names)}
        of_pool = np.array([places.get(label, -1) for label in pool.labels])
        keys.append(disagreement(codes, of_pool[pool.positions]))
    return np.lexsort([-key for key in keys])[:max_cells]
