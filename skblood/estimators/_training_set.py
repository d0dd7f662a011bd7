"""What a fit was given, read and checked, on its way to the device."""

import hashlib
import math
import warnings
from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.utils import check_consistent_length, compute_class_weight

from skblood._sklearn import check_sample_weight
from skblood.images import content_keys, list_unreadable, resize_images
from skblood.inference import to_tensor
from skblood.training import Samples, plan_visits, split_visits

# Numbers that are turned into floats at a time: few enough to stay in the cache.
_CHUNK = 2**18


@dataclass(frozen=True)
class TrainingSet:
    """Images with class codes, the visits that an epoch pays them, and what validates.

    Attributes
    ----------
    images : ndarray of shape (n, h, w, c), (n, d) or (n, n_views, d)
        Pixels, rows of numbers, or the features of a frozen backbone.
    codes : ndarray of shape (n,)
        Class codes.
    classes : ndarray of shape (n_classes,)
        Labels.
    keys : ndarray of shape (n, 2)
        What each image holds; see `content_keys`.
    rows, weights : ndarray of shape (m,)
        The image of each visit and the visit's weight; see `plan_visits`.
    valid_rows : ndarray or None
        Images of `images` that were set aside for validation.
    valid_images, valid_codes, valid_keys : ndarray or None
        Validation images that the user brought.
    """

    images: np.ndarray
    codes: np.ndarray
    classes: np.ndarray
    keys: np.ndarray
    rows: np.ndarray
    weights: np.ndarray
    valid_rows: np.ndarray | None = None
    valid_images: np.ndarray | None = None
    valid_codes: np.ndarray | None = None
    valid_keys: np.ndarray | None = None

    @classmethod
    def plan(cls, images, codes, classes, sample_weight, canonical):
        """Plan the visits of an epoch; see `plan_visits`."""
        keys = content_keys(images)
        rows, weights = plan_visits(keys, codes, sample_weight, canonical)
        return cls(images, codes, classes, keys, rows, weights)

    def split(self, validation_fraction, seed):
        """Set images aside for validation; copies of an image stay together."""
        groups, codes = self.keys[self.rows, 0], self.codes[self.rows]
        train, valid = split_visits(groups, codes, self.classes, validation_fraction, seed)
        return replace(
            self,
            rows=self.rows[train],
            weights=self.weights[train],
            valid_rows=self.rows[valid],
        )

    def validated_on(self, images, codes):
        """Set what validates: images that are not among those of training."""
        keys = content_keys(images)
        return replace(self, valid_images=images, valid_codes=codes, valid_keys=keys)

    def warn_of_leak(self, size, interpolation):
        """Warn if an image that validates is, as the network sees it, one that is trained on."""
        keys, valid_keys = self.keys, self.valid_keys
        if self.images.shape[1:] != self.valid_images.shape[1:]:
            keys = _keys_at(self.images, size, interpolation)
            valid_keys = _keys_at(self.valid_images, size, interpolation)
        n = np.isin(valid_keys[:, 0], keys[np.unique(self.rows), 0]).sum()
        if n:
            warnings.warn(
                f"{n} of the {len(valid_keys)} images of X_val are images of X, too. Scores on "
                "them tell what was learnt by heart, and early stopping stops too late. Leave "
                "them out of one of the two.",
                UserWarning,
                stacklevel=5,  # who called fit
            )

    def encoded(self, encode, views):
        """Replace the images by their features, so that a frozen backbone sees each once.

        Parameters
        ----------
        encode : callable
            Maps images, their content keys and a view (0: as they are) to features ``(n, d)``.
        views : range
            The views of a training image; one is drawn for each visit.
        """
        valid = self.valid_images
        features = [encode(self.images, self.keys, view) for view in views]
        return replace(
            self,
            images=np.stack(features, axis=1) if len(views) > 1 else features[0],
            valid_images=None if valid is None else encode(valid, self.valid_keys, 0),
        )

    def channel_statistics(self):
        """Return mean and standard deviation per channel over the visits of an epoch."""
        return channel_statistics(self.images, self.rows)

    def describe(self, former=None):
        """Say what is trained on, so that a model can tell it later; see `training_data_`.

        Parameters
        ----------
        former : dict, default=None
            What was trained on before, to be added to.
        """
        rows = np.unique(self.rows)
        pairs = np.column_stack([self.keys[rows], self.codes[rows].astype(np.uint64)])
        digest = hashlib.sha256(pairs[np.lexsort(pairs.T)].astype("<u8").tobytes())
        validation = self.valid_rows if self.valid_codes is None else self.valid_codes
        counts = np.bincount(self.codes[rows], minlength=len(self.classes))
        if former is not None:
            counts = counts + list(former["class_counts"].values())
            digest.update(former["fingerprint"].encode())
        return {
            "n_images": int(counts.sum()),
            "n_validation_images": 0 if validation is None else len(validation),
            "class_counts": dict(zip(self.classes.tolist(), counts.tolist(), strict=True)),
            "fingerprint": digest.hexdigest(),
        }

    def identity(self):
        """Return a digest of all that a training takes from here, in the order it takes it."""
        digest = hashlib.sha256(f"{self.images.shape[1:]} {self.images.dtype}".encode())
        digest.update(repr(self.classes.tolist()).encode())
        given = [self.keys[self.rows], self.codes[self.rows], self.weights]
        if self.valid_images is not None:
            digest.update(f"{self.valid_images.shape[1:]}".encode())
            given += [self.valid_keys, self.valid_codes]
        for array in given:
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def samples(self, class_weight, device):
        """Put everything on the device.

        Parameters
        ----------
        class_weight : dict, "balanced" or None
            As scikit-learn has it; "balanced" counts visits.
        device : torch.device

        Returns
        -------
        train, valid : Samples
            `valid` is None when nothing validates.
        """
        codes = self.codes[self.rows]
        by_class = self._class_weights(class_weight, codes)
        weights = self.weights * by_class[codes]
        # Averaging 1, they leave the scale of the loss, and so the learning rate, as it is.
        scale = weights.mean()
        if not scale > 0:
            raise ValueError(
                f"class_weight={class_weight!r} leaves no class of the training images a weight "
                "above 0."
            )
        stored = to_tensor(self.images, device)
        train = _samples(stored, self.rows, codes, weights / scale)
        if self.valid_images is not None:
            stored = to_tensor(self.valid_images, device)
            rows, codes = np.arange(len(stored)), self.valid_codes
        elif self.valid_rows is not None:
            rows, codes = self.valid_rows, self.codes[self.valid_rows]
            # Images are validated on as they are, which is the first view.
            stored = stored[:, 0] if stored.ndim == 3 else stored
        else:
            return train, None
        weights = by_class[codes]
        return train, _samples(stored, rows, codes, weights / (weights.mean() or 1))

    def _class_weights(self, class_weight, codes):
        # A class that sample_weight leaves out has no count to be balanced by.
        present = np.unique(codes) if class_weight == "balanced" else np.arange(len(self.classes))
        by_class = np.ones(len(self.classes))
        by_class[present] = compute_class_weight(
            class_weight, classes=self.classes[present], y=self.classes[codes]
        )
        return by_class


def _samples(stored, rows, codes, weights):
    return Samples(
        stored,
        torch.as_tensor(rows),
        torch.as_tensor(codes),
        torch.as_tensor(weights, dtype=torch.float32),
    )


def _keys_at(images, size, interpolation):
    """Return the content keys that images have at a size, holding no more than a chunk at it."""
    step = max(1, _CHUNK // math.prod(size))
    chunks = (images[start : start + step] for start in range(0, len(images), step))
    return np.concatenate([content_keys(resize_images(c, size, interpolation)) for c in chunks])


def leave_out(unreadable, images, y, sample_weight):
    """Leave out the labels and weights of images that cannot be read, and warn of it.

    Parameters
    ----------
    unreadable : dict of int to str, or None
        Position -> path and reason; where there are none, nothing is done.
    images : ndarray of shape (n - len(unreadable), ...)
        The others.
    y : ndarray of shape (n,)
    sample_weight : array-like of shape (n,) or None

    Returns
    -------
    y, sample_weight : ndarray of shape (n - len(unreadable),)
        The weights are None if they were.
    """
    if not unreadable:
        return y, sample_weight
    check_consistent_length(range(len(images) + len(unreadable)), y)
    rows = list(unreadable)
    labels, counts = np.unique(y[rows], return_counts=True)
    by_class = ", ".join(f"{label}: {n}" for label, n in zip(labels, counts, strict=True))
    warnings.warn(
        f"{len(unreadable)} of {len(y)} images cannot be read and are left out, with their labels "
        f"({by_class}):\n{list_unreadable(unreadable)}",
        UserWarning,
        stacklevel=6,  # who called fit or partial_fit
    )
    if sample_weight is not None:
        sample_weight = np.delete(check_sample_weight(sample_weight, y), rows)
    return np.delete(y, rows), sample_weight


def check_classes_left(given, left):
    """Raise ValueError if a class has lost all its images."""
    if len(lost := np.setdiff1d(given, left)):
        raise ValueError(
            f"No image of {', '.join(map(repr, lost.tolist()))} can be read. Repair the files that "
            "the warning names, or leave these classes out."
        )


def channel_statistics(images, rows):
    """Return mean and standard deviation per channel, pixels being scaled to 0..1.

    Parameters
    ----------
    images : ndarray of shape (n, ..., c)
    rows : ndarray of shape (m,)
        The images that count, each as often as it stands here.

    Returns
    -------
    mean, std : ndarray of shape (c,), dtype float64
    """
    n_channels, n = images.shape[-1], len(rows) * math.prod(images.shape[1:-1])
    if images.dtype == np.uint8:
        centre, sums = 128.0, _sums_of_pixels
    else:
        # Centred on one image, so that large numbers of little variance keep their digits.
        centre, sums = images[rows[0]].reshape(-1, n_channels).mean(0, dtype=np.float64), _sums
    total, squares = np.zeros(n_channels), np.zeros(n_channels)
    step = max(1, _CHUNK // images[0].size)
    for start in range(0, len(rows), step):
        chunk = images[rows[start : start + step]]
        chunk_total, chunk_squares = sums(chunk.reshape(len(chunk), -1, n_channels), centre)
        total += chunk_total
        squares += chunk_squares
    scale = 255.0 if images.dtype == np.uint8 else 1.0
    mean = total / n
    variance = np.maximum(squares / n - mean**2, 0)
    return (mean + centre) / scale, np.sqrt(variance) / scale


def _sums(chunk, centre):
    chunk = chunk - centre
    return chunk.sum((0, 1)), np.einsum("nij,nij->j", chunk, chunk)


def _sums_of_pixels(chunk, centre):
    """Return the same for pixels, ten times faster: added up by position, then in float64."""
    n_channels = chunk.shape[2]
    by_position = torch.from_numpy(chunk).flatten(1).float().sub_(centre)
    sums = by_position.sum(0), by_position.square_().sum(0)
    return tuple(each.view(-1, n_channels).sum(0, dtype=torch.float64).numpy() for each in sums)
