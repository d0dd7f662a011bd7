"""Images that are too many to be held: read part by part, anew in each epoch."""

from collections import deque
from itertools import islice

import numpy as np

from skblood._writing import shorten

from ._reader import ImageReader
from ._resize import resize_images
from ._stack import empty_images

# Images that are read of a part before it is the turn of the next.
_TURN = 32
# Parts that a sample is taken from, at most, and turns of them.
_SAMPLE_PARTS = 32


class StreamedImages:
    """The images of a stream, as a model takes them: read in chunks, and none of them kept.

    Parameters
    ----------
    stream : CellStream
    layout : Layout
        Notes what the images are like, by a sample of up to 1,024 from the beginning of up to 32
        parts.
    whole : bool, default=False
        Read the sample without the crop as well.

    Attributes
    ----------
    shape : tuple of (int, int, int, int)
        Number of images, height, width and channels of each.
    sample : CellImages
    sample_rows : ndarray
        Positions of the sample.
    sample_whole : ndarray or None
        The sample without the crop.
    """

    chunk_size = 256  # images that are decoded at a time, at most

    def __init__(self, stream, layout, *, whole=False):
        self.stream, self._layout, self._reader = stream, layout, ImageReader(layout)
        self._starts = np.concatenate([[0], np.cumsum(stream.sizes)])
        parts = np.flatnonzero(stream.sizes)
        parts = parts[np.unique(np.linspace(0, len(parts) - 1, _SAMPLE_PARTS).astype(int))]
        n_turns = -(-_SAMPLE_PARTS // len(parts))
        found = [some for part in parts for some in islice(self._numbered(part), n_turns)]
        rows, items = np.concatenate([rows for rows, _ in found]), [i for _, s in found for i in s]
        unreadable = {}
        self.sample, self.sample_whole = layout.read(items, whole=whole, unreadable=unreadable)
        self.sample_rows = self._note(rows, items, unreadable)
        self.shape = (len(stream), *layout.image_shape)

    def chunks(self, parts, wanted, n_open=1, turn=_TURN):
        """Read images, taking turns among the parts that are open.

        Parameters
        ----------
        parts : sequence of int
            In the order in which they are opened.
        wanted : ndarray of shape (n,), dtype bool
            Images to decode.
        n_open : int, default=1
            Parts that are open at a time.
        turn : int, default=32
            Images that are read of a part, at most, before it is the turn of the next.

        Yields
        ------
        rows : ndarray of shape (k,)
            Positions of the images that could be read.
        pixels : ndarray of shape (k, h, w, c), dtype uint8
        """
        rows, items = [], []
        for some_rows, some_items in self._in_turns(parts, n_open, min(turn, _TURN)):
            chosen = np.flatnonzero(wanted[some_rows])
            if len(items) + len(chosen) > self.chunk_size:
                yield self._read(rows, items)
                rows, items = [], []
            rows += some_rows[chosen].tolist()
            items += [some_items[i] for i in chosen]
        if items:
            yield self._read(rows, items)

    def select(self, rows):
        """Read the images at some positions, in a temporary file if they are large.

        Returns
        -------
        rows : ndarray
            Positions that could be read, sorted.
        images : CellImages
        """
        wanted = np.zeros(self.shape[0], bool)
        wanted[rows] = True
        parts = np.unique(np.searchsorted(self._starts, rows, "right") - 1)
        pixels, found = empty_images((len(rows), *self.shape[1:])), []
        for some_rows, some in self.chunks(parts, wanted):
            pixels[len(found) : len(found) + len(some)] = some
            found += some_rows.tolist()
        return np.array(found), self._layout.as_read(pixels[: len(found)], self._layout.crop)

    def resized(self, images):
        """Return images as they are in the chunks: of the size of the network, if it has one."""
        if self._layout.image_size is None:
            return images
        return resize_images(images, self.shape[1:3], self._layout.interpolation)

    def _numbered(self, part, size=_TURN):
        """Yield the positions and the items of a part."""
        row, end = self._starts[part : part + 2]
        for items in self.stream.read_part(part, size):
            yield np.arange(row, row + len(items)), items
            row += len(items)
            if row > end:
                break
        if row != end:
            name = self.stream.names[part]
            raise ValueError(f"{name} has changed since it was opened. Open the shards anew.")

    def _in_turns(self, parts, n_open, turn):
        readers = (self._numbered(part, turn) for part in parts)
        waiting, readers = readers, deque(islice(readers, n_open))
        while readers:
            some = next(readers[0], None)
            if some is None:
                readers.popleft()
                readers.extend(islice(waiting, 1))
            else:
                yield some
                readers.rotate(-1)

    def _read(self, rows, items):
        unreadable = {}
        try:
            (images,) = self._reader.read(items, unreadable=unreadable)
            pixels = self.resized(images.pixels)
        except ValueError:
            if len(unreadable) < len(items):
                raise
            pixels = np.empty((0, *self.shape[1:]), np.uint8)
        return self._note(rows, items, unreadable), pixels

    def _note(self, rows, items, unreadable):
        """Tell the stream of images that cannot be read, and return the rows of the others."""
        names = {i: shorten(items[i]) for i in unreadable}
        whys = {name: unreadable[i].removeprefix(f"{name}: ") for i, name in names.items()}
        self.stream.note(whys)
        return np.delete(rows, list(unreadable))
