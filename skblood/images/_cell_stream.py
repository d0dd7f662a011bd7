"""Interface of images that are too many to be held."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from skblood._typing import Ints, OnError
from skblood._writing import list_some

# Images that are read at a time by who wants all.
_CHUNK = 256


class CellStream(ABC):
    """Images in parts, such as shards, that are read one after the other and as often as needed.

    Attributes
    ----------
    names : list of str
        Name of each part, for messages and checkpoints.
    sizes : ndarray of shape (n_parts,), dtype int64
        Number of images of each part.
    buffer_bytes : int
        Size of the shuffle buffer.
    n_open : int
        Parts that are read in turns.
    on_error : {"raise", "skip"}
        What to do with images that cannot be read.
    errors : dict of str to str
        Name -> reason, of what was left out so far.
    """

    names: list[str]
    sizes: Ints
    buffer_bytes: int
    n_open: int
    on_error: OnError
    errors: dict[str, str]

    @abstractmethod
    def read_part(self, part: int, size: int) -> Iterator[list[Any]]:
        """Yield the images of a part, always in the same order, as lists of at most `size` items.

        Items are in a form that `read_images` takes, such as paths.
        """

    def __len__(self) -> int:
        return int(self.sizes.sum())

    def __iter__(self) -> Iterator[Any]:
        """Yield the items of all parts."""
        for part in range(len(self.sizes)):
            for items in self.read_part(part, _CHUNK):
                yield from items

    def note(self, reasons: dict[str, str]) -> None:
        """Raise ValueError if something cannot be read, or note that it is left out."""
        self.errors |= reasons
        if reasons and self.on_error == "raise":
            raise ValueError(f"{self.tell()} Repair them, or leave them out by on_error='skip'.")

    def tell(self) -> str:
        """Return a message of what cannot be read."""
        named = list_some([f"{name}: {why}" for name, why in self.errors.items()])
        return f"{len(self.errors)} images or parts of shards cannot be trained on:\n{named}\n"
