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


def nearest_cells(features, pool, own):
    """Return the cosine similarities and positions of the nearest cells, the most similar first.

    Parameters
    ----------
    features : ndarray of shape (n, d)
    pool : ndarray of shape (n_pool, d)
        Features of the cells to search.
    own : ndarray of int of shape (n,)
        Position in `pool` of each cell itself, which is left out; -1 if it is not there.

    Returns
    -------
    similarities : ndarray of shape (n, k)
        In -1..1, k is 10 or the number of cells, if that is less.
    positions : ndarray of int of shape (n, k)
    """
    n_own = int((own >= 0).any())
    n_cells = len(pool) - n_own
    if n_cells < 1:
        raise ValueError("There is no other cell to compare with. Give `reference`, or more cells.")
    n_compared = min(_N_COMPARED, n_cells)
    search = NearestNeighbors(n_neighbors=n_compared + n_own, metric="cosine").fit(pool)
    distances, positions = search.kneighbors(features)
    others = np.argsort(positions == own[:, None], axis=1, kind="stable")[:, :n_compared]
    similarities = 1 - np.take_along_axis(distances, others, axis=1)
    return similarities, np.take_along_axis(positions, others, axis=1)


def disagreement(codes, neighbors):
    """Return the share of the neighbors of each cell that have another label, in 0..1.

    Parameters
    ----------
    codes : ndarray of int of shape (n,)
    neighbors : ndarray of int of shape (n, k)
        Codes of the labels of the neighbors.
    """
    return (neighbors != codes[:, None]).mean(axis=1)
