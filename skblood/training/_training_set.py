"""Training images, labels, sample weights and validation data."""

import hashlib
from dataclasses import dataclass, replace

import joblib
import numpy as np
import torch
from sklearn.utils import compute_class_weight

from skblood._labels import encode_groups, join_groups
from skblood.cells import expected_size
from skblood.images import CellImages
from skblood.inference import to_tensor

from ._plan import draw_counts, merge_copies, split_off_validation
from ._samples import Samples

# Numbers that are converted to floats at a time: few enough to stay in the cache.
_CHUNK = 2**18


@dataclass(frozen=True)
class TrainingSet:
    """Images with class codes, the samples of an epoch, and validation data.

    Attributes
    ----------
    images : CellImages, or ndarray of shape (n, d)
        Pixels, rows of numbers, or the features of frozen backbones.
    keys : ndarray of shape (n, 2)
        Content of each image.
    codes : ndarray of shape (n,)
        Class codes.
    classes : ndarray of shape (n_classes,)
        Labels.
    representative : ndarray of shape (n,)
        The image that stands for this one and its copies of the same label; -1 if the sample
        weight is 0.
    groups : ndarray of shape (n,) or None
        Images of one group stay together when a part is set aside for validation.
    rows, weights : ndarray of shape (m,)
        Image and weight of each sample of an epoch.
    valid_rows : ndarray or None
        Images that were set aside for validation.
    valid_images, valid_codes : CellImages or ndarray, and ndarray; or None
        Validation images that the user gave.
    """

    images: object
    keys: np.ndarray
    codes: np.ndarray
    classes: np.ndarray
    representative: np.ndarray
    groups: np.ndarray | None
    rows: np.ndarray
    weights: np.ndarray
    valid_rows: np.ndarray | None = None
    valid_images: object = None
    valid_codes: np.ndarray | None = None

    @classmethod
    def plan(cls, images, codes, classes, *, sample_weight=None, groups=None, relative=True):
        """Plan the samples of an epoch.

        Copies of an image with one label become a single image, whose weight is the sum of theirs:
        so a weight of 2 is the same as a copy.

        Parameters
        ----------
        images : CellImages
        codes, classes : ndarray
        sample_weight, groups : ndarray of shape (n,), default=None
        relative : bool, default=True
            Draw images of a large weight several times an epoch, by the ratios of the weights;
            False draws each once, with its weight as it is.

        Raises
        ------
        ValueError
            If less than two images are left.
        """
        first, inverse = merge_copies(images.keys, codes)
        if sample_weight is None:
            sample_weight = np.ones(len(codes))
        total = np.bincount(inverse, weights=sample_weight)
        drawn = np.flatnonzero(total > 0)
        counts, weights = draw_counts(total[drawn]) if relative else (1, total[drawn])
        rows = np.repeat(first[drawn], counts)
        if len(rows) < 2:
            raise ValueError(
                f"{len(rows)} image is left to train on; batch normalization needs two or more. "
                "Give more images, or more of them a sample_weight above 0."
            )
        if groups is not None:
            # Groups that have a copy of one image in common are one group.
            contents = np.unique(images.keys, axis=0, return_inverse=True)[1].ravel()
            groups = join_groups(len(codes), encode_groups(groups, len(codes))[1], contents)
        representative = np.where(sample_weight > 0, first[inverse], -1)
        weights = np.repeat(weights, counts)
        return cls(images, images.keys, codes, classes, representative, groups, rows, weights)

    def split(self, fraction, seed):
        """Set a fraction of the distinct images aside; copies and groups stay together."""
        # Groups contain copies of an image that have several labels; content keys are equal.
        names = self.keys[self.rows, 0] if self.groups is None else self.rows
        distinct, first = np.unique(names, return_index=True)
        images = self.rows[first]
        groups = None if self.groups is None else self.groups[images]
        chosen = split_off_validation(self.codes[images], self.classes, fraction, seed, groups)
        valid = np.isin(names, distinct[chosen])
        rows, weights, valid_rows = self.rows[~valid], self.weights[~valid], self.rows[valid]
        return replace(self, rows=rows, weights=weights, valid_rows=np.unique(valid_rows))

    def validated_on(self, images, codes):
        """Set validation images that are not among those of training."""
        return replace(self, valid_images=images, valid_codes=codes)

    def count_leaked(self):
        """Count validation images that are images of training."""
        return int(np.isin(self.valid_images.keys[:, 0], self.keys[self.rows, 0]).sum())

    def encoded(self, encode):
        """Replace the images by their features, so that frozen backbones see each image once.

        Parameters
        ----------
        encode : callable
            Maps CellImages to features ``(n, d)``.
        """
        valid = None if self.valid_images is None else encode(self.valid_images)
        return replace(self, images=encode(self.images), valid_images=valid)

    def channel_statistics(self):
        """Return mean and standard deviation per channel over the samples of an epoch."""
        return channel_statistics(_array(self.images), self.rows)

    def describe(self, former=None):
        """Summarize the training data (counts, sizes, fingerprint); see `training_data_`.

        Parameters
        ----------
        former : dict, default=None
            Summary of earlier training data, to be added to.
        """
        n_valid = 0
        if self.valid_codes is not None:
            n_valid = len(self.valid_codes)
        elif self.valid_rows is not None:
            n_valid = int(np.isin(self.representative, self.valid_rows).sum())
        used = np.flatnonzero(np.isin(self.representative, self.rows))
        pairs = np.column_stack([self.keys[used], self.codes[used].astype(np.uint64)])
        digest = hashlib.sha256(pairs[np.lexsort(pairs.T)].astype("<u8").tobytes())
        size = (former or {}).get("cell_size")
        if size is None:
            size = expected_size(self.images, used, self.codes)
        return self._summary(used, n_valid, digest, size, former)

    def _summary(self, used, n_valid, digest, size, former=None):
        counts = np.bincount(self.codes[used], minlength=len(self.classes))
        weights = np.bincount(self.codes[self.rows], self.weights, minlength=len(self.classes))
        if former is not None:
            counts = counts + list(former["class_counts"].values())
            # Files of earlier versions have only the counts.
            weights += list(former.get("class_weights", former["class_counts"]).values())
            digest.update(former["fingerprint"].encode())
        return {
            "n_images": int(counts.sum()),
            "n_validation_images": n_valid,
            "class_counts": dict(zip(self.classes.tolist(), counts.tolist(), strict=True)),
            "class_weights": dict(zip(self.classes.tolist(), weights.tolist(), strict=True)),
            "fingerprint": digest.hexdigest(),
            "cell_size": size,
        }

    def hash(self):
        """Return a digest of all that a training takes from here."""
        facts = [self.images.shape[1:], self.classes.tolist(), self.weights]
        facts += [self.keys[self.rows], self.codes[self.rows]]
        if self.groups is not None:
            facts.append(self.groups[self.rows])
        if self.valid_images is not None:
            facts += [self.valid_images.shape[1:], self.valid_images.keys, self.valid_codes]
        return joblib.hash(facts)

    def samples(self, class_weight, device, *, relative=True):
        """Put everything on the device.

        Parameters
        ----------
        class_weight : dict, "balanced" or None
            As in scikit-learn; "balanced" counts the weights of the samples.
        device : torch.device
        relative : bool, default=True
            Divide the weights by their mean, which keeps the scale of the loss and thereby the
            effect of the learning rate.

        Returns
        -------
        train, valid : Samples
            `valid` is None when there are no validation images.
        """
        codes = self.codes[self.rows]
        by_class = self._class_weights(class_weight, codes)
        weights = self.weights * by_class[codes]
        if not weights.mean() > 0:
            raise ValueError(f"class_weight={class_weight!r} leaves no class a weight above 0.")
        train = self._train_samples(codes, weights / (weights.mean() if relative else 1), device)
        if self.valid_images is not None:
            stored = to_tensor(_array(self.valid_images), device)
            rows, codes = np.arange(len(stored)), self.valid_codes
        elif self.valid_rows is not None:
            stored, rows = train.images, self.valid_rows
            codes = self.codes[rows]
        else:
            return train, None
        weights = by_class[codes]
        return train, Samples(stored, rows, codes, weights / (weights.mean() or 1))

    def _train_samples(self, codes, weights, device):
        return Samples(to_tensor(_array(self.images), device), self.rows, codes, weights)

    def _class_weights(self, class_weight, codes):
        if class_weight != "balanced":
            return compute_class_weight(class_weight, classes=self.classes, y=self.classes[codes])
        totals = np.bincount(codes, weights=self.weights, minlength=len(self.classes))
        # A class that sample_weight leaves out has no weight to balance.
        present, ones = totals > 0, np.ones(len(totals))
        return np.divide(totals.sum(), present.sum() * totals, out=ones, where=present)


def _array(images):
    return images.pixels if isinstance(images, CellImages) else images


def channel_statistics(images, rows):
    """Return mean and standard deviation per channel, pixels being scaled to 0..1.

    Parameters
    ----------
    images : ndarray of shape (n, ..., c)
    rows : ndarray of shape (m,)
        The images that count, each as often as it occurs here.

    Returns
    -------
    mean, std : ndarray of shape (c,), dtype float64
    """
    n_channels, is_pixels = images.shape[-1], images.dtype == np.uint8
    first = torch.from_numpy(images[rows[0]].reshape(-1, n_channels).astype(np.float64))
    # Centered, so that large numbers of little variance keep their digits.
    center = torch.full((n_channels,), 128.0) if is_pixels else first.mean(0)
    total, squares = torch.zeros(2, n_channels, dtype=torch.float64)
    step = max(1, _CHUNK // images[0].size)
    for start in range(0, len(rows), step):
        chunk = torch.from_numpy(images[rows[start : start + step]])
        chunk = chunk.to(center.dtype).sub_(center).flatten(1)
        # By position first, which is ten times faster than by channel.
        total += chunk.sum(0).view(-1, n_channels).sum(0, dtype=torch.float64)
        squares += chunk.square_().sum(0).view(-1, n_channels).sum(0, dtype=torch.float64)
    n, scale = len(rows) * (images[0].size // n_channels), 255.0 if is_pixels else 1.0
    mean = total / n
    std = (squares / n - mean**2).clamp(min=0).sqrt()
    return ((mean + center) / scale).numpy(), (std / scale).numpy()
