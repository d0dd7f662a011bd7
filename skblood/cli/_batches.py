"""Images that a command names in batches, of which no more than one is held."""

from dataclasses import dataclass

from skblood.cli import _data

# Images of a batch, and images at most that stand for all of them.
_SIZE, _MOST = 1024, 2048


class Sample:
    """Some of many items, evenly spaced; all of them, if there are no more than 2048."""

    def __init__(self):
        self.items, self._step, self._n = [], 1, 0

    def add(self, items):
        """Take every so many of further items."""
        for item in items:
            if self._n % self._step == 0:
                self.items.append(item)
            self._n += 1
        if len(self.items) > _MOST:
            self.items, self._step = self.items[::2], 2 * self._step
            self.add([])


@dataclass
class Cells:
    """Images of a batch.

    Attributes
    ----------
    X : list of paths or EncodedImage, or ndarray of images
    names : list of str
        Of X, then of `errors`.
    columns : DataFrame
        Other columns of the source, the same in each batch.
    errors : dict of int to str
        Position in `names` -> why the source could not give the image.
    """

    X: object
    names: list
    columns: object
    errors: dict


class Batches:
    """The images of files, folders, patterns, tables, tar shards, or one npz file.

    Attributes
    ----------
    n : int or None
        Number of images, if it is known.
    sample : list
        Some of the images.
    """

    def __init__(self, words, files):
        self.sample, self._columns = Sample(), {}
        self._cells = self._source = None
        if any(word.lower().endswith(".npz") for word in words):
            self._cells = _data.find_images(words, files)
            self.n = len(self._cells.X)
            self.sample.add(self._cells.X)
        else:
            from skblood.streaming import open_source

            options = {"path_column": files.path_column, "bit_depth": files.bit_depth}
            self._source = open_source(words, **options)
            self._survey()

    def _survey(self):
        """Count the images, and find the columns of tables and of the first shard."""
        self.n, is_first = 0, True
        for partition in self._source.partitions():
            if (paths := getattr(partition, "paths", None)) is not None:
                self.n = None if self.n is None else self.n + len(paths)
                batches = partition.batches(len(paths))
            else:
                self.n = None
                batches = partition.batches(_SIZE) if is_first else ()
                is_first = False
            for batch in batches:
                self.sample.add(batch.items)
                self._columns |= dict.fromkeys(() if batch.columns is None else batch.columns)
                break

    def __iter__(self):
        import numpy as np
        import pandas as pd

        if self._cells is not None:
            names = _data.name_images(self._cells)
            for start in range(0, self.n, _SIZE):
                rows = slice(start, start + _SIZE)
                yield Cells(self._cells.X[rows], names[rows], self._cells.columns[rows], {})
            return
        for partition in self._source.partitions():
            for batch in partition.batches(_SIZE):
                names = [*batch.names, *batch.errors]
                given = pd.DataFrame(index=range(len(batch.names)))
                given = given if batch.columns is None else batch.columns
                columns = given.reindex(index=range(len(names)), columns=[*self._columns])
                errors = dict(enumerate(batch.errors.values(), len(batch.names)))
                columns = columns.astype(object).fillna("")
                yield Cells(np.array(batch.items, object), names, columns, errors)
