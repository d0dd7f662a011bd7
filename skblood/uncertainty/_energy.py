"""Score of cells of unknown kinds: the energy of the logits."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import logsumexp
from sklearn.utils.validation import check_is_fitted

from skblood._typing import Floats, Images


def energy_score(estimator: Any, X: Images) -> Floats:
    """Score how well images fit any of the classes of a classifier; lower means less.

    The negative energy of the logits, ``log(sum(exp(logits)))`` [1]_: probabilities lose how large
    the logits are, and all of them are small for cells of kinds that the classifier does not know,
    such as blasts, plasma cells or smudges.

    Parameters
    ----------
    estimator : fitted classifier
        With a `decision_function` that returns the logits of all classes: a classifier of skblood,
        or a Pipeline or search that ends in one.
    X : array-like or sequence
        Images, in any form that `estimator` takes.

    Returns
    -------
    scores : ndarray of shape (n,), dtype float64
        Without a natural threshold: take a quantile of known cells of the same laboratory.

    Raises
    ------
    TypeError
        If the estimator has no `decision_function`.
    ValueError
        If `decision_function` returns one value for each image: the logits of all classes are
        needed.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.

    See Also
    --------
    OutlierDetector : Detects images that are not cells.
    RejectOption : Rejects cells of low confidence, with a guarantee.

    References
    ----------
    .. [1] W. Liu, X. Wang, J. Owens, Y. Li, "Energy-based out-of-distribution detection", NeurIPS
       33, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood import TransferCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.uncertainty import energy_score
    >>> X, y = make_blood_cells(80, image_size=28, random_state=0)
    >>> clf = TransferCellClassifier("cellnet_t", max_epochs=2, random_state=0).fit(X, y)
    >>> scores = energy_score(clf, X)
    >>> doubtful = scores < np.quantile(scores, 0.05)
    >>> int(doubtful.sum())
    4
    """
    if not hasattr(estimator, "decision_function"):
        raise TypeError(
            f"energy_score needs the logits of decision_function, which "
            f"{type(estimator).__name__} does not have. Give a classifier of skblood."
        )
    check_is_fitted(estimator)
    logits = np.asarray(estimator.decision_function(X), np.float64)
    if logits.ndim != 2:
        raise ValueError(
            f"energy_score needs the logits of all classes, but decision_function of "
            f"{type(estimator).__name__} returned an array of shape {logits.shape}. Give a "
            "classifier of skblood of three or more classes."
        )
    return logsumexp(logits, axis=1)
