"""Training on images that are read anew in each epoch, and shuffled in a buffer."""

import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np
import torch

from skblood.images import content_keys, quiet
from skblood.inference import as_nchw

from ._samples import Batches, Samples

# Chunks that are decoded while the network trains.
_AHEAD = 2


@dataclass
class StreamedSamples(Samples):
    """The samples of an epoch, of images that are read anew in each.

    Attributes
    ----------
    images : StreamedImages
    rows : ndarray of shape (m,)
        The image of each sample, sorted; each image occurs once.
    targets, weights : ndarray of shape (m,)
        As in `Samples`.
    valid_keys : ndarray of shape (k,) or None
        Content of the validation images, copies of which are left out.
    """

    valid_keys: np.ndarray | None = None

    def __post_init__(self):
        self.n_copies, self.told = 0, False

    def batches(self, batch_size, device, shuffle=False, processes=None):
        """Return an iterable over the batches of an epoch."""
        if processes is not None:
            raise ValueError("Streams are trained on by one process: start it without a launcher.")
        return StreamedBatches(self, batch_size, device, shuffle)

    def chunks(self, parts, n_open, turn):
        """Yield the pixels and the places in `rows` of a few hundred images at a time."""
        wanted = np.zeros(self.images.shape[0], bool)
        wanted[self.rows] = True
        self.n_copies = 0
        for rows, pixels in self.images.chunks(parts, wanted, n_open, turn):
            if self.valid_keys is not None:
                copies = np.isin(content_keys(pixels)[:, 0], self.valid_keys)
                self.n_copies += int(copies.sum())
                rows, pixels = rows[~copies], pixels[~copies]
            if len(rows):
                yield pixels, np.searchsorted(self.rows, rows)

    def tell(self):
        """Warn, after the first epoch, of images that were left out."""
        message = self.images.stream.tell() if self.images.stream.errors else ""
        if self.n_copies:
            message += f"{self.n_copies} images of X are among those of the validation. "
        if message and not self.told:
            warnings.warn(f"{message}They are left out of the training.", UserWarning, stacklevel=2)
        self.told = True


@dataclass
class StreamedBatches(Batches):
    """One epoch of ``(images, (targets, weights))`` on `device`, drawn from a shuffle buffer.

    Parts are opened in random order, several at a time. Each batch is drawn at random from the
    buffer, which is filled before the first one, and then refilled.
    """

    def __iter__(self):
        samples, stream = self.samples, self.samples.images.stream
        parts, n_open, rng, capacity = range(len(stream.sizes)), 1, None, 0
        if self.shuffle:
            # From torch's generator, whose state a checkpoint restores.
            rng = np.random.default_rng(torch.randint(2**62, ()).item())
            parts, n_open = self._draw_parts(rng), stream.n_open
            capacity = stream.buffer_bytes // int(np.prod(samples.images.shape[1:]))
        self.indices_ = []
        # The buffer holds images of all parts that are open, also if it is small.
        turn = max(1, capacity // n_open) if self.shuffle else len(samples)
        least, n_larger = divmod(len(samples), len(self))
        with quiet(), _ahead(samples.chunks(parts, n_open, turn)) as arriving:
            buffer = _Buffer(arriving, max(capacity, least + 3), samples)
            for i in range(len(self)):
                size = least + (i < n_larger)
                buffer.fill(max(capacity, size + 2))
                if i == 0:
                    self._check_first(buffer)
                if not buffer.n:
                    break  # some images could not be read
                images, places = buffer.draw(size, rng)
                self.indices_.append(places)
                targets = torch.from_numpy(samples.targets[places]).to(self.device).long()
                weights = torch.from_numpy(samples.weights[places]).to(self.device)
                yield as_nchw(torch.from_numpy(images).to(self.device)), (targets, weights)
        samples.tell()

    def _draw_parts(self, rng):
        """Return the parts in random order, those of each class spread over the epoch."""
        samples, sizes = self.samples, self.samples.images.stream.sizes
        bounds = np.searchsorted(samples.rows, np.concatenate([[0], np.cumsum(sizes)]))
        places = np.zeros(len(sizes))
        classes = np.array(
            [np.bincount(samples.targets[a:b], minlength=1).argmax() for a, b in pairwise(bounds)]
        )
        for code in np.unique(classes):  # the class that is most common in a part
            parts = np.flatnonzero(classes == code)
            places[parts] = (rng.permutation(len(parts)) + rng.random(len(parts))) / len(parts)
        return np.argsort(places)

    def _check_first(self, buffer):
        """Warn if the shards are sorted by class; raise ValueError if there is nothing to train."""
        samples, n = self.samples, buffer.n
        if n < 2:
            raise ValueError(f"{n} image is left to train on; batch normalization needs two.")
        codes = np.unique(samples.targets[buffer.places[:n]])
        if self.shuffle and len(codes) == 1 and n < len(samples):
            warnings.warn(
                f"All {n} images of the shuffle buffer are of one class: the shards are sorted by "
                "class. Use a larger buffer_bytes or n_open, or shuffle the images before they are "
                "written into shards.",
                UserWarning,
                stacklevel=2,
            )


class _Buffer:
    """The first `n` of `images` and `places`, of which any may be drawn next."""

    def __init__(self, arriving, capacity, samples):
        self.arriving, self.n = arriving, 0
        capacity = min(capacity, len(samples))
        self.images = np.empty((capacity, *samples.images.shape[1:]), np.uint8)
        self.places = np.empty(capacity, np.int64)

    def fill(self, n):
        """Read on until there are `n` images, or no more to read."""
        for image, place in islice(self.arriving, max(0, n - self.n)):
            self.images[self.n], self.places[self.n] = image, place
            self.n += 1

    def draw(self, size, rng):
        """Take images out, at random or in order; no image is left alone at the end."""
        size = self.n if self.n <= size + 1 else size
        drawn = np.arange(size) if rng is None else rng.choice(self.n, size, replace=False)
        images, places = self.images[drawn], self.places[drawn]
        self.n -= size
        if rng is None:
            gaps, moved = np.arange(self.n), np.arange(self.n) + size
        else:  # the last ones fill the gaps
            gaps = drawn[drawn < self.n]
            moved = np.setdiff1d(np.arange(self.n, self.n + size), drawn)
        self.images[gaps], self.places[gaps] = self.images[moved], self.places[moved]
        return images, places


@contextmanager
def _ahead(chunks):
    """Take chunks apart, while a thread makes the next ones; it is gone when the block ends."""
    pool = ThreadPoolExecutor(1, "skblood-shards")

    def receive():
        waiting = deque(pool.submit(next, chunks, None) for _ in range(_AHEAD))
        while (chunk := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, chunks, None))
            yield from zip(*chunk, strict=True)

    try:
        yield receive()
    finally:
        pool.shutdown(cancel_futures=True)
        chunks.close()
