"""Features of cells, their nearest cells, and the order in which cells are reviewed."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

# Neighbors whose labels are compared, at most.
_N_COMPARED = 10


def doubt(probabilities, codes):
    """Return the doubt about each label, in -1..1.

    It is the highest probability of the other classes less that of the label: the negative
    normalized margin of C. Northcutt, L. Jiang and I. Chuang, "Confident learning", JAIR, 2021.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_classes)
    codes : ndarray of int of shape (n,)
        Column of each label; from `n_classes` on, a label that the model does not know.
    """
    n_classes = probabilities.shape[1]
    others = probabilities.copy()
    rows = np.flatnonzero(codes < n_classes)
    own = np.zeros(len(codes))
    own[rows] = probabilities[rows, codes[rows]]
    others[rows, codes[rows]] = 0
    return others.max(axis=1) - own


def nearest_cells(features, pool=None):
    """Return the cosine similarities and positions of the nearest cells, the most similar first.

    Parameters
    ----------
    features : ndarray of shape (n, d)
    pool : ndarray of shape (n_pool, d), default=None
        Features of the cells to search; None searches the other ones of `features`.

    Returns
    -------
    similarities : ndarray of shape (n, k)
        In -1..1, k is 10 or the number of cells, if that is less.
    positions : ndarray of int of shape (n, k)
    """
    n_cells = len(features) - 1 if pool is None else len(pool)
    if n_cells < 1:
        raise ValueError("There is no other cell to compare with. Give `reference`, or more cells.")
    search = NearestNeighbors(n_neighbors=min(_N_COMPARED, n_cells), metric="cosine")
    search.fit(features if pool is None else pool)
    distances, positions = search.kneighbors(None if pool is None else features)
    return 1 - distances, positions


def disagreement(codes, neighbors):
    """Return the share of the neighbors of each cell that have another label, in 0..1.

    Parameters
    ----------
    codes : ndarray of int of shape (n,)
    neighbors : ndarray of int of shape (n, k)
        Codes of the labels of the neighbors.
    """
    return (neighbors != codes[:, None]).mean(axis=1)
