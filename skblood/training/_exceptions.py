"""Exceptions that training raises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C ended a fit; the exception holds the model trained so far.

    A subclass of KeyboardInterrupt, so a script that does not catch it ends as usual. The estimator
    itself is left unchanged. Raised once an epoch is complete; before that, Ctrl-C raises a plain
    KeyboardInterrupt.

    Parameters
    ----------
    message : str
        How far the training came, and how to go on.
    estimator : estimator, default=None
        A fitted copy of the estimator. It has the weights of the best epoch with
        ``early_stopping=True``, else those of the moment; `history_` and `n_iter_` count the
        complete epochs.

    Examples
    --------
    >>> from skblood import MLPCellClassifier, TrainingInterrupted
    >>> from skblood.datasets import make_blood_cells
    >>> X, y = make_blood_cells(160, image_size=28, random_state=0)
    >>> clf = MLPCellClassifier((64,), max_epochs=3, random_state=0)
    >>> try:
    ...     clf.fit(X, y)
    ... except TrainingInterrupted as interrupted:
    ...     clf = interrupted.estimator
    MLPCellClassifier(hidden_layer_sizes=(64,), max_epochs=3, random_state=0)
    """

    def __init__(self, message: str, estimator: Any = None) -> None:
        super().__init__(message)
        self.estimator = estimator


class NonFiniteLossError(ValueError):
    """The loss became infinite or NaN, which ends the training.

    The estimator is left unchanged.

    Parameters
    ----------
    message : str
        Epoch, batch, learning rate, and what to do.
    positions : sequence of int, default=()
        Positions of the images of that batch in `X`, or in `X_val` for a validation loss.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood import MLPCellClassifier, NonFiniteLossError
    >>> X, y = np.arange(24.0).reshape(6, 4) * 1e30, np.arange(6) % 2
    >>> clf = MLPCellClassifier((8,), image_shape=(1, -1), lr=1e30, random_state=0)
    >>> try:
    ...     clf.fit(X, y)
    ... except NonFiniteLossError as error:
    ...     print(sorted(error.positions))
    [0, 1, 2, 3, 4, 5]
    """

    def __init__(self, message: str, positions: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.positions = positions
