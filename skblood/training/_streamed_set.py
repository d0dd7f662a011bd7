"""Training set of images that are read anew in each epoch."""

import hashlib
from dataclasses import dataclass, replace

import joblib
import numpy as np

from skblood._labels import encode_groups
from skblood.cells import expected_size
from skblood.images import StreamedImages, content_keys

from ._plan import split_off_validation
from ._streamed import StreamedSamples
from ._training_set import TrainingSet, channel_statistics

# Bytes of images that are set aside for validation, at most: they are held.
_VALID_BYTES = 2**28


@dataclass(frozen=True)
class StreamedSet(TrainingSet):
    """As `TrainingSet`, but of a stream: what needs pixels is taken from a sample.

    Copies of an image are not merged, weights only count in the loss, and `keys` and
    `representative` are None.
    """

    @classmethod
    def plan(cls, images, codes, classes, *, sample_weight, groups=None):
        """Plan the samples of an epoch; see `TrainingSet.plan`."""
        codes = codes.astype(np.min_scalar_type(len(classes)))  # of these there may be millions
        rows = np.flatnonzero(sample_weight > 0).astype(np.min_scalar_type(-len(codes)))
        weights = (sample_weight[rows] / sample_weight.max()).astype(np.float32)
        if groups is not None:
            groups = encode_groups(groups, len(codes))[1]
        return cls(images, None, codes, classes, None, groups, rows, weights)

    def split(self, fraction, seed):
        """Set a fraction of the images, or of the groups, aside, and read a part that fits."""
        rows, rng = self.rows, np.random.default_rng(seed)
        most = max(2 * len(self.classes), _VALID_BYTES // int(np.prod(self.images.shape[1:])))
        groups = None if self.groups is None else self.groups[rows]
        if groups is None:
            fraction = min(fraction, most / len(rows))
        chosen = split_off_validation(self.codes[rows], self.classes, fraction, seed, groups)
        set_aside = rows[chosen]
        share = min(1, most / len(set_aside))
        by_class = [set_aside[self.codes[set_aside] == code] for code in range(len(self.classes))]
        held = [rng.permutation(each)[: int(np.ceil(share * len(each)))] for each in by_class]
        held, valid_images = self.images.select(np.sort(np.concatenate(held)))
        data = replace(self, rows=rows[~chosen], weights=self.weights[~chosen])
        return data.validated_on(valid_images, self.codes[held].astype(np.int64))

    def count_leaked(self):
        """Return 0: such images are found, and left out, when they are read."""
        return 0

    def encoded(self, encode):
        """Raise ValueError: the features would be held for all images."""
        raise ValueError(
            "Features of frozen backbones are held for all images, and a stream has too many. Use "
            "TransferCellClassifier with trainable='all' or a number of stages, or give fewer "
            "images, as list(X)."
        )

    def channel_statistics(self):
        """Return mean and standard deviation per channel over the sample."""
        sample = self.images.sample.pixels
        return channel_statistics(sample, np.arange(len(sample)))

    def describe(self, former=None):
        """Summarize the training data; see `TrainingSet.describe`."""
        n_valid = 0 if self.valid_codes is None else len(self.valid_codes)
        codes = self.codes[self.images.sample_rows]
        size = expected_size(self.images.sample, np.arange(len(codes)), codes)
        digest = hashlib.sha256(self.hash().encode())
        return self._summary(self.rows, n_valid, digest, size)

    def hash(self):
        """Return a digest of all that a training takes from here."""
        stream = self.images.stream
        facts = [list(stream.names), np.asarray(stream.sizes), stream.buffer_bytes, stream.n_open]
        facts += [self.images.shape, self.images.sample.keys, self.classes.tolist(), self.codes]
        facts += [self.rows, self.weights, self.groups]
        if self.valid_images is not None:
            facts += [self.valid_images.keys, self.valid_codes]
        return joblib.hash(facts)

    def _train_samples(self, codes, weights, device):
        keys = None
        if self.valid_images is not None:
            # As they are in the chunks.
            keys = content_keys(self.images.resized(self.valid_images.pixels))[:, 0]
        weights = weights.astype(np.float32)
        return StreamedSamples(self.images, self.rows, codes, weights, keys)


def plan_training(images, codes, classes, **options):
    """Return the training set of images that were read, or that are read anew in each epoch."""
    kind = StreamedSet if isinstance(images, StreamedImages) else TrainingSet
    return kind.plan(images, codes, classes, **options)
