"""Test of whether cells come from a known laboratory."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageFilter
from scipy.special import binom
from sklearn.base import is_classifier

from skblood._sklearn import safe_indexing, unwrap_model
from skblood._typing import Images, RandomState
from skblood.images import CellImages
from skblood.inference import draw_seed

from ._features import extract_features, read_cells, takes_pixels
from ._known import ClassGaussian

# p-value that a test must be able to reach.
_LEVEL = 0.05


# A distance is one of laboratories if it is so many times that of harmless changes, and above this
# one. On real cells, with both pretrained models, batches of 50 of the known laboratory in other
# files are below 1.1 times, those of four other laboratories above 2 times.
_TIMES, _LEAST = 1.5, 0.4
# Known cells that are changed harmlessly, at most.
_MOST = 200
# Random numbers that are held at a time.
_MOST_DRAWS = 2**20


@dataclass(frozen=True)
class LaboratoryTest:
    """Result of :func:`laboratory_test`.

    Attributes
    ----------
    distance : float
        Distance between the means of new and known cells of a label, in standard deviations of the
        known cells within a label: the root mean square over the inputs of the output layer, or
        over the given features, minus its expectation by chance. About 0 for a known laboratory.
    pvalue : float
        Probability of such a difference or a larger one if both come from one laboratory.
    n_known, n_new : int
        Numbers of cells compared: those of labels that occur on both sides.
    harmless_distance : float or None
        The largest distance between known cells and the same cells in other files: compressed,
        resampled, slightly blurred, cut out 8 % closer. None if the model takes no images.
    is_other_laboratory : bool
        Whether `pvalue` is at most 0.05, and `distance` more than 0.4 and more than 1.5 times
        `harmless_distance`.
    """

    distance: float
    pvalue: float
    n_known: int
    n_new: int
    harmless_distance: float | None = None

    @property
    def is_other_laboratory(self):
        """Whether the difference is significant, and more than one of files."""
        least = max(_LEAST, _TIMES * (self.harmless_distance or 0))
        return self.pvalue <= _LEVEL and self.distance > least


def laboratory_test(
    estimator: Any,
    X_known: Images,
    X: Images,
    *,
    n_permutations: int = 999,
    random_state: RandomState = None,
) -> LaboratoryTest:
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
    With many cells even small differences are significant: those between two slides, two days, or
    two ways to compress an image. So the distance is compared with that of harmless changes of the
    known cells, and `is_other_laboratory` tells a laboratory from a codec. Compare the distance
    with that between two slides of the known laboratory as well.

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
    known_model, X_known = unwrap_model(estimator, X_known)
    known = read_cells(known_model, X_known)
    model, X = unwrap_model(estimator, X)
    sides = _describe(known_model, known), _describe(model, read_cells(model, X))
    labels = [np.isin(side[-1], np.intersect1d(sides[0][-1], sides[1][-1])) for side in sides]
    n_known, n_new = (int(each.sum()) for each in labels)
    if not n_new:
        counts = f"{len(labels[0])} known and the {len(labels[1])} new"
        raise ValueError(f"No label occurs among both the {counts} cells. Give more cells.")
    shared = [[each[rows] for each in side] for side, rows in zip(sides, labels, strict=True)]
    rng = np.random.default_rng(draw_seed(random_state))
    pvalue, smallest = _permute(shared, n_permutations, rng)
    if smallest > _LEVEL:
        warnings.warn(
            f"{n_known} known and {n_new} new cells are too few: the p-value cannot be below "
            f"{smallest:.2g}, however different they are. Give 100 or more of each.",
            stacklevel=2,
        )
    harmless = None
    if takes_pixels(known_model):
        rows = rng.permutation(len(sides[0][-1]))[:_MOST]
        some = known_model.read_images(safe_indexing(known, rows))
        _, last, labels = (each[rows] for each in sides[0])
        changed = (extract_features(known_model, c)[-1] for c in _harmless_changes(some))
        # The label of a changed cell is that of its original.
        harmless = max(_distance((last, labels), (c, labels), paired=True) for c in changed)
    distance = _distance(*(side[1:] for side in shared))
    return LaboratoryTest(distance, pvalue, n_known, n_new, harmless)


def _distance(known, new, paired=False):
    """Return the distance of new from known cells, each side the last features and the labels.

    A codec leaves the least trace on the last features. `paired`: they are the same cells, so that
    no difference is by chance.
    """
    gaussian = ClassGaussian(*known)
    rows = [gaussian.whiten(last) for last, _ in (known, new)]
    total = total_weight = 0.0
    for label in np.unique(new[1]):
        parts = rows[0][known[1] == label], rows[1][new[1] == label]
        chance = 0 if paired else sum(1 / len(part) for part in parts)
        squares = (parts[0].mean(axis=0) - parts[1].mean(axis=0)) ** 2
        weight = 1 / sum(1 / len(part) for part in parts)
        total += weight * (squares.mean() - chance)
        total_weight += weight
    return float(np.sqrt(max(total / total_weight, 0)))


def _permute(sides, n_permutations, rng):
    """Return the p-value of a permutation test, and the smallest one that it can reach."""
    features, _, labels = (np.concatenate(each) for each in zip(*sides, strict=True))
    is_new = np.arange(len(labels)) >= len(sides[0][-1])
    codes = np.unique(labels, return_inverse=True)[1]
    gaussian = ClassGaussian(features, codes)
    rows = gaussian.whiten(features) - gaussian.centers[codes]
    total = np.zeros(1 + n_permutations)  # as found, then by chance
    smallest = 1.0
    for code in range(len(gaussian.centers)):
        among, chosen = rows[codes == code], is_new[codes == code]
        weight = chosen.sum() * (~chosen).sum() / len(chosen)  # half the harmonic mean
        smallest /= binom(len(chosen), chosen.sum())  # as many permutations differ
        # The mean of all rows is 0, so the sum over the new ones determines both means: this is
        # the squared distance between the means, multiplied by the weight.
        total[0] += ((chosen @ among) ** 2).sum() / weight
        step = max(1, _MOST_DRAWS // len(among))
        for start in range(1, len(total), step):
            part = total[start : start + step]  # of which the last one is shorter
            permuted = chosen[rng.random((len(part), len(among))).argsort(axis=1)]
            part += ((permuted.astype(np.float64) @ among) ** 2).sum(axis=1) / weight
    return float((1 + (total[1:] >= total[0]).sum()) / (1 + n_permutations)), smallest


def _describe(model, X):
    """Return the features of all levels, the last, and the predicted label of each cell.

    Without a classifier, all have one label.
    """
    levels = extract_features(model, X)
    is_labelled = model is not None and is_classifier(model)
    labels = model.predict(X) if is_labelled else np.zeros(len(levels[0]), int)
    return np.hstack(levels), levels[-1], labels


def _harmless_changes(images):
    """Yield images as other software of the same laboratory might have written them.

    Parameters
    ----------
    images : CellImages

    Yields
    ------
    changed : CellImages
        Compressed (JPEG of quality 60), brought to three quarters of the size and back, slightly
        out of focus, and cut out 8 % closer.
    """
    pixels = images.pixels
    is_float = pixels.dtype != np.uint8
    bytes_ = np.rint(255 * pixels).astype(np.uint8) if is_float else pixels
    for change in (_compress, _resample, _blur, _crop):
        changed = [np.asarray(change(_to_image(each))) for each in bytes_]
        changed = np.stack(changed).reshape(pixels.shape)
        changed = (changed / np.float32(255)) if is_float else changed
        yield CellImages(changed, images.preprocessing)


def _to_image(pixels):
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _compress(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=60)
    return Image.open(buffer)


def _resample(image):
    smaller = [max(1, round(0.75 * side)) for side in image.size]
    return image.resize(smaller, Image.Resampling.BILINEAR).resize(image.size)


def _blur(image):
    # 0.7 px of an image of 128 px.
    return image.filter(ImageFilter.GaussianBlur(0.7 * min(image.size) / 128))


def _crop(image):
    margins = [0.04 * side for side in image.size]
    box = (*margins, *(side - margin for side, margin in zip(image.size, margins, strict=True)))
    return image.resize(image.size, Image.Resampling.BICUBIC, box=box)
