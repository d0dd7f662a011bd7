"""Whether many cells come from a known laboratory."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import is_classifier

from skblood.inference import draw_seed
from skblood.uncertainty._features import last_model, read_features
from skblood.uncertainty._gaussian import ClassGaussian


@dataclass(frozen=True)
class LaboratoryTest:
    """What :func:`laboratory_test` found.

    Attributes
    ----------
    distance : float
        How far the new cells of a label lie from the known ones, in standard deviations of both
        together, less what chance makes of it: about 0 for a known laboratory; 2, where as many are
        new as known, if they do not overlap at all.
    pvalue : float
        How probable a distance as large or larger is where both come from one laboratory.
    n_known, n_new : int
        Cells that were compared: those of labels that are found on both sides.
    """

    distance: float
    pvalue: float
    n_known: int
    n_new: int


def laboratory_test(estimator, X_known, X, *, n_permutations=999, random_state=None):
    """Test whether cells come from a laboratory that is known: same stain, camera, background.

    The mean features of new and of known cells are compared among the cells that get the same
    label, so that another mix of cells, as each patient has it, is no difference. How large a
    distance chance makes is learned by dealing the cells out anew, again and again, within each
    label.

    Parameters
    ----------
    estimator : fitted classifier or transformer, or None
        As in :class:`OutlierDetector`. If it is no classifier, all cells are compared together, and
        another mix of cells is a difference, too.
    X_known, X : array-like or sequence
        Cells of the known laboratory, that the network was not trained on, and those in question,
        in any form that `estimator` takes: 100 or more of each.
    n_permutations : int, default=999
        How often the cells are dealt out anew.
    random_state : int, RandomState instance or None, default=None
        Seeds that.

    Returns
    -------
    result : LaboratoryTest

    Raises
    ------
    ValueError
        If no label is found on both sides.

    See Also
    --------
    OutlierDetector : Whether single images are cells.

    Notes
    -----
    With many cells the smallest difference is significant, such as another slide or another day
    makes, whose cells are not drawn independently as the test takes them to be: so look at the
    distance, and compare it with that between two slides of the known laboratory.

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
    known, new = (_features(estimator, cells) for cells in (X_known, X))
    features = np.concatenate([known, new])
    is_new = np.repeat([False, True], [len(known), len(new)])
    labels = np.zeros(len(features), int)
    if estimator is not None and is_classifier(estimator):
        labels = np.concatenate([estimator.predict(X_known), estimator.predict(X)])
    shared = np.isin(labels, np.intersect1d(labels[is_new], labels[~is_new]))
    if not shared.any():
        raise ValueError(
            f"No label is found among both the {len(known)} known cells and the {len(new)} new "
            "ones, so there is nothing to compare. Give more cells."
        )
    features, is_new = features[shared], is_new[shared]
    codes = np.unique(labels[shared], return_inverse=True)[1]
    gaussian = ClassGaussian.fit(features, codes)
    rows = gaussian.whiten(features) - gaussian.centres[codes]
    rng = np.random.default_rng(draw_seed(random_state))
    found, weight, by_chance = 0.0, 0.0, np.zeros(n_permutations)
    for code in range(len(gaussian.centres)):
        among, new_among = rows[codes == code], is_new[codes == code]
        pairs = _weight(new_among)
        found += pairs * _gap(new_among[None], among)[0]
        weight += pairs
        dealt = rng.random((n_permutations, len(among))).argsort(axis=1)
        by_chance += pairs * _gap(new_among[dealt], among)
    return LaboratoryTest(
        distance=float(np.sqrt(max(found - by_chance.mean(), 0) / weight)),
        pvalue=float((1 + (by_chance >= found).sum()) / (1 + n_permutations)),
        n_known=int((~is_new).sum()),
        n_new=int(is_new.sum()),
    )


def _features(estimator, X):
    return np.concatenate(read_features(*last_model(estimator, X)), axis=1)


def _weight(is_new):
    """Return how much the difference of two means counts: half the harmonic mean of the counts."""
    return is_new.sum() * (~is_new).sum() / len(is_new)


def _gap(is_new, rows):
    """Return the squared distance of the means, for each row of `is_new` ``(m, n)``.

    The rows ``(n, d)`` have mean 0, so that the sum over the new ones tells the other one.
    """
    sums = is_new.astype(np.float64) @ rows
    n_new = is_new[0].sum()
    return (sums**2).sum(axis=1) * (1 / n_new + 1 / (len(rows) - n_new)) ** 2
