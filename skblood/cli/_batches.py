"""Rows of the images that a command names, batch by batch: no more than one is held."""

from collections import namedtuple
from functools import cached_property
from itertools import islice

from skblood._writing import list_some, shorten, track
from skblood.cli import _data

# Images of a batch, and images at most that stand for all of them.
_SIZE, _MOST = 1024, 2048
# Unreadable images that an error names.
_MOST_NAMED = 10


Survey = namedtuple("Survey", ["n", "sample", "columns"])


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

    def add_readable(self, items, probabilities):
        """Take every so many pairs of an image and its probabilities, which are not NaN."""
        pairs = zip(items, probabilities, strict=False)
        # Copies: a view would keep the probabilities of its batch.
        self.add((item, row.copy()) for item, row in pairs if row[0] == row[0])


class Images:
    """The images of files, folders, patterns, tables, tar shards, or one npz file.

    Iteration gives batches, as of `skblood.streaming`.
    """

    def __init__(self, words, files):
        from skblood.streaming import open_source

        self._is_array = any(word.lower().endswith(".npz") for word in words)
        if self._is_array:
            self._source = _data.find_images(words, files)
        else:
            options = {"path_column": files.path_column, "bit_depth": files.bit_depth}
            self._source = open_source(words, **options)

    @cached_property
    def survey(self):
        """Number of images, or None; some of them; other columns of tables and the first shard."""
        if self._is_array:
            return Survey(len(self._source.X), self._source.X[:_MOST], [])
        n, is_first, sample, columns = 0, True, Sample(), {}
        for partition in self._source.partitions():
            paths, given = getattr(partition, "paths", None), getattr(partition, "columns", None)
            n = None if n is None or paths is None else n + len(paths)
            is_here = paths is not None and "://" not in paths[0]  # else images are read
            if is_here or is_first:
                for batch in islice(partition.batches(len(paths) if is_here else _SIZE), 1):
                    sample.add(batch.items)
                    given = batch.columns
            is_first = is_first and is_here
            columns |= dict.fromkeys(() if given is None else given)
        return Survey(n, sample.items, [*columns])

    def __iter__(self):
        if not self._is_array:
            for partition in self._source.partitions():
                yield from partition.batches(_SIZE)
            return
        from skblood.streaming import Batch

        X, names = self._source.X, _data.name_images(self._source)
        for start in range(0, len(X), _SIZE):
            rows = slice(start, start + _SIZE)
            yield Batch(X[rows], names[rows], None, {})


class Rows:
    """Predictions or features of images, as a DataFrame of each batch.

    With --on-error raise, tables end where images are unreadable; the others are only looked at,
    and a ValueError names all of them.

    Parameters
    ----------
    model : fitted estimator
    images : Images
    on_error : ErrorMode
    **settings
        Of `RowSettings`: task and model_name.

    Attributes
    ----------
    n_images, n_unreadable : int
    sample : Sample
        Of pairs of a readable image and its probabilities.
    """

    def __init__(self, model, images, on_error, **settings):
        from skblood.streaming import RowSettings

        self._model, self._images = model, images
        given = images.survey.columns if settings.get("task") != "embed" else ()
        self._settings = RowSettings.of(model, given, on_error=on_error.value, **settings)
        self.n_images = self.n_unreadable = 0
        self.sample, self._named = Sample(), []

    @property
    def unreadable(self):
        """List of the unreadable images, the first ten with their reasons."""
        more = self.n_unreadable - len(self._named)
        return list_some(self._named) + (f"\n  ... and {more:,} more" if more else "")

    def __iter__(self):
        from skblood.streaming import make_rows

        is_refused = False
        with track(self._images.survey.n, self._settings.task) as update:
            for batch in self._images:
                if is_refused:
                    unreadable = _find_unreadable(batch)
                else:
                    rows, unreadable = make_rows(self._model, batch, self._settings)
                self.n_images += (n := len(batch.names) + len(batch.errors))
                self.n_unreadable += len(unreadable)
                some = unreadable[: _MOST_NAMED - len(self._named)]
                self._named += [f"{shorten(name)}: {why}" for name, why in some]
                is_refused |= bool(unreadable) and self._settings.on_error == "raise"
                if not is_refused:
                    if self._settings.task == "predict":
                        columns = slice(3, 3 + len(self._model.classes_))
                        self.sample.add_readable(batch.items, rows.iloc[:, columns].to_numpy())
                    yield rows
                update(n)
        if not self.n_images:
            raise ValueError("No images were found in the files and folders given.")
        if is_refused:
            raise ValueError(
                f"{self.n_unreadable} of {self.n_images} image files cannot be read:\n"
                f"{self.unreadable}\nRepair them, leave them out, or pass --on-error skip. The "
                "depth of files is stated by --bit-depth."
            )


def _find_unreadable(batch):
    """Return names and reasons of the unreadable images of a batch."""
    from skblood.datasets import find_unreadable

    reasons = find_unreadable(batch.items) if len(batch.items) else {}
    return [*((batch.names[i], why) for i, why in reasons.items()), *batch.errors.items()]
