"""Models of the features of known cells and of their background."""

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skblood.images import resize_images

# Strong regularization, since there are about as many features as cells.
_C = 0.01


class ClassGaussian:
    """Gaussians around the mean of each class with one covariance (Lee et al. 2018).

    Parameters
    ----------
    features : ndarray of shape (n, d)
    codes : ndarray of int of shape (n,)
        Class codes, in whose order the centers are. A class may be missing.

    Attributes
    ----------
    mean, scale : ndarray of shape (d,)
        Standardization of the features.
    factor : ndarray of shape (d, d)
        Lower Cholesky factor of the shrunk covariance (Ledoit and Wolf 2004).
    centers : ndarray of shape (n_classes, d)
        Whitened means of the classes.
    """

    def __init__(self, features, codes):
        features = features.astype(np.float64)
        self.mean, scale = features.mean(axis=0), features.std(axis=0)
        # A feature that is constant in known cells counts as soon as it varies.
        self.scale = np.where(scale > 0, scale, 1.0)
        z = (features - self.mean) / self.scale
        codes = np.unique(codes, return_inverse=True)[1]
        means = np.stack([z[codes == code].mean(axis=0) for code in range(codes.max() + 1)])
        covariance, _ = ledoit_wolf(z - means[codes], assume_centered=True)
        # Keeps the covariance positive definite if all cells are equal.
        ridge = 1e-6 * max(np.trace(covariance) / len(covariance), 1e-6)
        self.factor = cholesky(covariance + ridge * np.eye(len(covariance)), lower=True)
        self.centers = solve_triangular(self.factor, means.T, lower=True).T

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


class KnownCells:
    """Model of known cells: their distance to the classes, and a classifier of cell or background.

    Parameters
    ----------
    cells, background : list of lists of ndarray of shape (n, d)
        Levels of the features of each version of the images; `background` may be empty.
    codes : ndarray of int of shape (n,)
        Class codes.
    """

    def __init__(self, cells, background, codes):
        codes = np.tile(codes, len(cells))
        levels = zip(*cells, strict=True)
        self.gaussians = [ClassGaussian(np.concatenate(level), codes) for level in levels]
        self.cell_or_background = None
        if background:
            rows = np.concatenate([np.hstack(levels) for levels in (*cells, *background)])
            model = make_pipeline(StandardScaler(), LogisticRegression(C=_C, max_iter=1000))
            self.cell_or_background = model.fit(rows, np.arange(len(rows)) < len(codes))

    def score(self, levels):
        """Return the negative distance of each image and the decision for cell or background.

        Parameters
        ----------
        levels : list of ndarray of shape (n, d)

        Returns
        -------
        scores : ndarray of shape (n, 2), or (n, 1) without background
        """
        pairs = zip(self.gaussians, levels, strict=True)
        scores = [-np.mean([gaussian.distances(level) for gaussian, level in pairs], axis=0)]
        if self.cell_or_background is not None:
            scores.append(self.cell_or_background.decision_function(np.hstack(levels)))
        return np.stack(scores, axis=1)


def corner_images(images, corner):
    """Return images of the background: each is one corner of an image.

    The corners take turns. Half of them are enlarged, the others keep their scale and are
    continued by mirror images.

    Parameters
    ----------
    images : ndarray of uint8 of shape (n, h, w, c)
    corner : float
        Sides of the corners, as a share of those of the image.
    """
    n, *size, _ = images.shape
    high, wide = (max(1, round(corner * side)) for side in size)
    margins = [(gap // 2, gap - gap // 2) for gap in (size[0] - high, size[1] - wide)]
    changed = np.empty_like(images)
    for number in range(min(n, 8)):
        rows = slice(high) if number % 2 else slice(-high, None)
        columns = slice(wide) if number // 2 % 2 else slice(-wide, None)
        parts = images[number::8, rows, columns]
        if number < 4:
            changed[number::8] = resize_images(parts, tuple(size))
        else:
            changed[number::8] = np.pad(parts, ((0, 0), *margins, (0, 0)), "symmetric")
    return changed
