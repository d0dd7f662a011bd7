"""What known cells look like to a network, and what their background does."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skblood.images import resize_images
from skblood.uncertainty._gaussian import ClassGaussian

# The features are as many as the cells, or more.
_C = 0.01


@dataclass(frozen=True, eq=False)
class KnownCells:
    """What known cells look like.

    Attributes
    ----------
    gaussians : list of ClassGaussian
        One for each level of the features.
    cell_or_empty : Pipeline or None
        Tells the features of cells from those of their background, all levels side by side.
    """

    gaussians: list
    cell_or_empty: Pipeline | None

    @classmethod
    def fit(cls, cells, empty, codes):
        """Learn from the features of cells and of their background.

        Parameters
        ----------
        cells, empty : list of lists of ndarray of shape (n, d)
            The levels of each version of them; `empty` may have no version.
        codes : ndarray of int of shape (n,)
            The cells' classes.
        """
        codes = np.tile(codes, len(cells))
        gaussians = [
            ClassGaussian.fit(np.concatenate(level), codes) for level in zip(*cells, strict=True)
        ]
        if not empty:
            return cls(gaussians, None)
        rows = [np.concatenate(levels, axis=1) for levels in (*cells, *empty)]
        is_cell = np.repeat([True, False], [len(codes), sum(map(len, rows)) - len(codes)])
        model = make_pipeline(StandardScaler(), LogisticRegression(C=_C, max_iter=1000))
        return cls(gaussians, model.fit(np.concatenate(rows), is_cell))

    def score(self, levels):
        """Return, for each image, minus its distance, and how much more it is cell than empty.

        Parameters
        ----------
        levels : list of ndarray of shape (n, d)

        Returns
        -------
        scores : ndarray of shape (n, 2), or (n, 1) without background
        """
        distances = [
            one.distances(level) for one, level in zip(self.gaussians, levels, strict=True)
        ]
        scores = [-np.mean(distances, axis=0)]
        if self.cell_or_empty is not None:
            scores.append(self.cell_or_empty.decision_function(np.concatenate(levels, axis=1)))
        return np.stack(scores, axis=1)


def empty_images(images, corner):
    """Return images without the cell: of each, one corner in its place.

    Every other corner is enlarged; the others are mirrored, and keep their scale.

    Parameters
    ----------
    images : ndarray of uint8 of shape (n, h, w, c)
    corner : float
        The corner's sides, as a share of the image's.
    """
    n, height, width, _ = images.shape
    high, wide = (max(1, round(corner * side)) for side in (height, width))
    changed = np.empty_like(images)
    for number in range(min(n, 8)):
        rows = slice(high) if number % 2 else slice(-high, None)
        columns = slice(wide) if number // 2 % 2 else slice(-wide, None)
        chosen = np.arange(n) % 8 == number
        parts = images[chosen][:, rows, columns]
        if number < 4:
            changed[chosen] = resize_images(parts, (height, width))
        else:
            margins = [
                ((side - k) // 2, side - k - (side - k) // 2)
                for side, k in ((height, high), (width, wide))
            ]
            changed[chosen] = np.pad(parts, ((0, 0), *margins, (0, 0)), "symmetric")
    return changed
