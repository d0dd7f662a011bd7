"""Small images, folders and tar files."""

import io
import os
import tarfile

import numpy as np
import pytest
from PIL import Image

from skblood.images import read_images
from skblood.streaming import open_source


def png(value):
    """Return a PNG file of one value."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (value, value, value)).save(file, "PNG")
    return file.getvalue()


def write_tar(path, members, mode="w"):
    """Write pairs of name (or TarInfo) and bytes, and return the path."""
    with tarfile.open(path, mode, format=tarfile.GNU_FORMAT) as tar:
        for name, data in members:
            header = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    return str(path)


def read_batches(source, size=3, **options):
    """Return batches of all partitions of a source, or of what `open_source` takes."""
    source = source if hasattr(source, "partitions") else open_source(source, **options)
    return [batch for partition in source.partitions() for batch in partition.batches(size)]


def read_values(source, **options):
    """Return name -> the value of each image (None: unreadable), and the errors."""
    values, errors = {}, {}
    for batch in read_batches(source, **options):
        assert len(batch.items) == len(batch.names)
        assert batch.columns is None or len(batch.columns) == len(batch.items)
        errors |= batch.errors
        for name, item in zip(batch.names, batch.items, strict=True):
            assert name not in values
            try:
                values[name] = int(read_images([item])[0, 0, 0, 0])
            except ValueError:
                values[name] = None
    return values, errors


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def folder(here):
    """Folder of six images, in three folders: their values are 0 to 5, in the order of paths."""
    for i, name in enumerate(["a-b.png", "a/0.PNG", "a/1.jpeg", "a/c/2.png", "a.png", "b.tif"]):
        path = here / "cells" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), i, np.uint8)).save(path)
    for name in (".hidden.png", "a/notes.txt", ".git/x.png", "__MACOSX/x.png", "@eaDir/x.png"):
        path = here / "cells" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png(9))
    os.symlink(here / "cells" / "a", here / "cells" / "link")  # not followed
    return here / "cells"
