"""Gaussians of the features of known cells, one for each class, with a shared covariance."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from sklearn.covariance import ledoit_wolf


@dataclass(frozen=True, eq=False)
class ClassGaussian:
    """Gaussians around the mean of each class with one covariance (Lee et al. 2018).

    Attributes
    ----------
    mean, scale : ndarray of shape (d,)
        Standardization of the features.
    factor : ndarray of shape (d, d)
        Lower Cholesky factor of the shrunk covariance (Ledoit and Wolf 2004).
    centers : ndarray of shape (n_classes, d)
        Whitened means of the classes.
    """

    mean: np.ndarray
    scale: np.ndarray
    factor: np.ndarray
    centers: np.ndarray

    @classmethod
    def fit(cls, features, codes):
        """Fit to features of shape (n, d) and class codes, in whose order the centers are."""
        features = features.astype(np.float64)
        mean, scale = features.mean(axis=0), features.std(axis=0)
        # A feature that is constant in known cells counts as soon as it varies.
        scale = np.where(scale > 0, scale, 1.0)
        z = (features - mean) / scale
        classes, codes = np.unique(codes, return_inverse=True)  # a class may be missing in a fold
        means = np.stack([z[codes == code].mean(axis=0) for code in range(len(classes))])
        covariance, _ = ledoit_wolf(z - means[codes], assume_centered=True)
        # Keeps the covariance positive definite if all cells are equal.
        ridge = 1e-6 * max(np.trace(covariance) / len(covariance), 1e-6)
        factor = cholesky(covariance + ridge * np.eye(len(covariance)), lower=True)
        return cls(mean, scale, factor, solve_triangular(factor, means.T, lower=True).T)

    def whiten(self, features):
        """Return features whose covariance within a class is the identity."""
        z = (features.astype(np.float64) - self.mean) / self.scale
        return solve_triangular(self.factor, z.T, lower=True).T

    def distances(self, features):
        """Return the Mahalanobis distance of each row to the nearest class, divided by sqrt(d).

        It is about 1 for known cells, so that distances of different dimensions can be averaged.
        """
        z = self.whiten(features)
        squares = [((z - center) ** 2).mean(axis=1) for center in self.centers]
        return np.sqrt(np.min(squares, axis=0))
