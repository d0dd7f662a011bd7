"""Image files of a folder, one after the other: any number of them."""

import heapq
import json
import os
import tempfile
from contextlib import ExitStack
from itertools import islice

IMAGE_EXTENSIONS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
# Folders that macOS, its archives and network drives make.
HIDDEN = (".", "__MACOSX", "@eaDir")

# Names that are sorted in memory.
_MOST = 100_000


def walk_images(folder, extensions=IMAGE_EXTENSIONS):
    """Yield the image files in a folder and its sub-folders, sorted, in bounded memory.

    Hidden files and folders, and links to folders, are left out.

    Parameters
    ----------
    folder : str or path-like
    extensions : tuple of str
        In lower case.

    Yields
    ------
    str

    Raises
    ------
    OSError
        If one of the folders cannot be listed.
    """
    pending = [in_order(_list(folder, extensions))]
    while pending:
        path = next(pending[-1], None)
        if path is None:
            pending.pop()
        elif path.endswith(os.sep):
            pending.append(in_order(_list(path[:-1], extensions)))
        else:
            yield path


def _list(folder, extensions):
    """Yield the images in one folder, and its sub-folders with a separator at the end.

    Sorted, these give the order of all sorted paths.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if not entry.name.startswith(HIDDEN) and not entry.is_symlink():
                    yield os.path.join(folder, entry.name) + os.sep
            elif not entry.name.startswith(".") and entry.name.lower().endswith(extensions):
                yield os.path.join(folder, entry.name)


def in_order(texts, most=_MOST):
    """Yield texts sorted; if there are more than `most`, they are in temporary files meanwhile."""
    texts = iter(texts)
    some = sorted(islice(texts, most))
    if len(some) < most:
        yield from some
        return
    with ExitStack() as stack:
        runs = []
        while some:
            file = stack.enter_context(tempfile.TemporaryFile("w+", encoding="ascii"))
            file.writelines(
                json.dumps(text) + "\n" for text in some
            )  # names may hold any character
            file.seek(0)
            runs.append(map(json.loads, file))
            some = sorted(islice(texts, most))
        yield from heapq.merge(*runs)
