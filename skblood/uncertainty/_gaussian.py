"""Where the features of known cells lie: around the mean of each class, all alike."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from sklearn.covariance import ledoit_wolf


@dataclass(frozen=True, eq=False)
class ClassGaussian:
    """Gaussians of one covariance around the mean of each class (Lee et al. 2018).

    Attributes
    ----------
    mean, scale : ndarray of shape (d,)
        What makes the features alike in size.
    factor : ndarray of shape (d, d)
        The lower Cholesky factor of their covariance, shrunken (Ledoit and Wolf 2004).
    centres : ndarray of shape (n_classes, d)
        The means of the classes, whitened.
    """

    mean: np.ndarray
    scale: np.ndarray
    factor: np.ndarray
    centres: np.ndarray

    @classmethod
    def fit(cls, features, codes):
        """Fit to features ``(n, d)`` of classes given by whole numbers."""
        features = features.astype(np.float64)
        mean, scale = features.mean(axis=0), features.std(axis=0)
        # A channel that is silent in all known cells still counts, when it speaks.
        scale = np.where(scale > 0, scale, 1.0)
        z = (features - mean) / scale
        means = np.stack([z[codes == code].mean(axis=0) for code in np.unique(codes)])
        rest = z - means[np.searchsorted(np.unique(codes), codes)]
        covariance, _ = ledoit_wolf(rest, assume_centered=True)
        # Where all cells are the same there is no spread to measure by: then any is.
        ridge = 1e-6 * max(np.trace(covariance) / len(covariance), 1e-6)
        factor = cholesky(covariance + ridge * np.eye(len(covariance)), lower=True)
        return cls(mean, scale, factor, solve_triangular(factor, means.T, lower=True).T)

    def whiten(self, features):
        """Return features whose covariance within a class is the identity."""
        z = (features.astype(np.float64) - self.mean) / self.scale
        return solve_triangular(self.factor, z.T, lower=True).T

    def distances(self, features):
        """Return the Mahalanobis distance of each row to the nearest class, by the root of d.

        It is about 1 for known cells, so that features of different numbers can be averaged.
        """
        z = self.whiten(features)
        squares = [((z - centre) ** 2).mean(axis=1) for centre in self.centres]
        return np.sqrt(np.min(squares, axis=0))
