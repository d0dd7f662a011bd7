"""Model of the features of known cells and of their background."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skblood.images import resize_images
from skblood.uncertainty._gaussian import ClassGaussian

# Strong regularization, since there are about as many features as cells.
_C = 0.01


@dataclass(frozen=True, eq=False)
class KnownCells:
    """Model of known cells.

    Attributes
    ----------
    gaussians : list of ClassGaussian
        One for each level of the features.
    cell_or_background : Pipeline or None
        Classifier of the features of all levels: cell, or background.
    """

    gaussians: list
    cell_or_background: Pipeline | None

    @classmethod
    def fit(cls, cells, background, codes):
        """Fit to the features of cells and of their background.

        Parameters
        ----------
        cells, background : list of lists of ndarray of shape (n, d)
            Levels of the features of each version of the images; `background` may be empty.
        codes : ndarray of int of shape (n,)
            Class codes.
        """
        codes = np.tile(codes, len(cells))
        gaussians = [
            ClassGaussian.fit(np.concatenate(level), codes) for level in zip(*cells, strict=True)
        ]
        if not background:
            return cls(gaussians, None)
        rows = np.concatenate([np.hstack(levels) for levels in (*cells, *background)])
        model = make_pipeline(StandardScaler(), LogisticRegression(C=_C, max_iter=1000))
        return cls(gaussians, model.fit(rows, np.arange(len(rows)) < len(codes)))

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
