"""Test of whether cells come from a known laboratory."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.special import binom
from sklearn.base import is_classifier

from skblood._sklearn import unwrap_model
from skblood.inference import draw_seed

from ._features import extract_features, read_cells
from ._known import ClassGaussian

# p-value that a test must be able to reach.
_LEVEL = 0.05


@dataclass(frozen=True)
class LaboratoryTest:
    """Result of :func:`laboratory_test`.

    Attributes
    ----------
    distance : float
        Distance between the means of new and known cells of a label, in standard deviations of both
        together, minus its expectation by chance: about 0 for a known laboratory; 2 if they do not
        overlap at all and there are as many new as known cells.
    pvalue : float
        Probability of this distance or a larger one if both come from one laboratory.
    n_known, n_new : int
        Numbers of cells compared: those of labels that occur on both sides.
    """

    distance: float
    pvalue: float
    n_known: int
    n_new: int


def laboratory_test(estimator, X_known, X, *, n_permutations=999, random_state=None):
    """Test whether cells come from a known laboratory: same stain, camera and background.

    A permutation test of the mean features of new and known cells. Cells are compared and permuted
    within each predicted label, so that another mix of cells, as in another patient, makes no
    difference.

    Parameters
    ----------
    estimator : fitted classifier or transformer, or None
        As in :class:`OutlierDetector`. Without a classifier all cells are compared together, and
        another mix of cells makes a difference.
    X_known, X : array-like or sequence
        Cells of the known laboratory, not used in training, and the cells to be tested, in any form
        that `estimator` takes: at least 100 of each. Files are read once.
    n_permutations : int, default=999
        Number of permutations.
    random_state : int, RandomState instance or None, default=None
        Seed of the permutations.

    Returns
    -------
    result : LaboratoryTest

    Raises
    ------
    ValueError
        If no label occurs on both sides.

    Warns
    -----
    UserWarning
        If there are too few cells for a p-value of 0.05 or less, however different they are.

    See Also
    --------
    OutlierDetector : Detects single images that are not cells.

    Notes
    -----
    With many cells even small differences are significant, e.g. between two slides or two days,
    since cells of one slide are not independent as the test assumes. Compare the distance with that
    between two slides of the known laboratory.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood import TransferCellClassifier
    >>> from skblood.datasets import make_blood_cells
    >>> from skblood.uncertainty import laboratory_test
    >>> X, y = make_blood_cells(400, image_size=28, random_state=0)
    >>> clf = TransferCellClassifier("cellnet_t", max_epochs=2, random_state=0)
    >>> clf = clf.fit(X[:100], y[:100])
    >>> laboratory_test(clf, X[100:250], X[250:], random_state=0).pvalue > 0.05
    True
    >>> darker = (X[250:] * 0.8).astype(np.uint8)
    >>> laboratory_test(clf, X[100:250], darker, random_state=0).pvalue
    0.001
    """
    sides = [_features_and_labels(estimator, cells) for cells in (X_known, X)]
    features, labels = (np.concatenate(each) for each in zip(*sides, strict=True))
    is_new = np.arange(len(labels)) >= len(sides[0][1])
    shared = np.isin(labels, np.intersect1d(labels[is_new], labels[~is_new]))
    if not shared.any():
        counts = f"{(~is_new).sum()} known and the {is_new.sum()} new"
        raise ValueError(f"No label occurs among both the {counts} cells. Give more cells.")
    features, is_new = features[shared], is_new[shared]
    codes = np.unique(labels[shared], return_inverse=True)[1]
    gaussian = ClassGaussian(features, codes)
    rows = gaussian.whiten(features) - gaussian.centers[codes]
    rng = np.random.default_rng(draw_seed(random_state))
    total = np.zeros(1 + n_permutations)  # as found, then by chance
    total_weight, smallest = 0.0, 1.0
    for code in range(len(gaussian.centers)):
        among, new = rows[codes == code], is_new[codes == code]
        permuted = new[rng.random((n_permutations, len(among))).argsort(axis=1)]
        weight = new.sum() * (~new).sum() / len(new)  # half the harmonic mean of the numbers
        smallest /= binom(len(new), new.sum())  # as many permutations differ
        # The mean of all rows is 0, so the sum over the new ones determines both means: this is
        # the squared distance between the means, multiplied by the weight.
        sums = np.vstack([new, permuted]).astype(np.float64) @ among
        total += (sums**2).sum(axis=1) / weight
        total_weight += weight
    if smallest > _LEVEL:
        warnings.warn(
            f"{(~is_new).sum()} known and {is_new.sum()} new cells are too few: the p-value cannot "
            f"be below {smallest:.2g}, however different they are. Give 100 or more of each.",
            stacklevel=2,
        )
    found, chance = total[0], total[1:]
    return LaboratoryTest(
        distance=float(np.sqrt(max(found - chance.mean(), 0) / total_weight)),
        pvalue=float((1 + (chance >= found).sum()) / (1 + n_permutations)),
        n_known=int((~is_new).sum()),
        n_new=int(is_new.sum()),
    )


def _features_and_labels(estimator, X):
    """Return the features and the predicted label of each cell; one label without a classifier."""
    model, X = unwrap_model(estimator, X)
    X = read_cells(model, X)
    features = np.hstack(extract_features(model, X))
    if model is None or not is_classifier(model):
        return features, np.zeros(len(features), int)
    return features, model.predict(X)
