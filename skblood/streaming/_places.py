"""Files by path or URL: kinds, opening, reading."""

import os
import re

from skblood.datasets import IMAGE_EXTENSIONS, TABLES, is_predictions, require
from skblood.images import EncodedImage, check_file, state_depth

# Seconds without an answer after which a web server counts as lost.
_PATIENCE = 120
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+(://|::)")
_TARS = (".tar", ".tar.gz", ".tgz")


def is_url(place):
    """Return whether a place is a URL that fsspec opens, and no path."""
    return bool(_URL.match(place))


def is_image(place):
    """Return whether a path or URL is that of an image, by its name."""
    return _name(place).endswith(IMAGE_EXTENSIONS)


def is_shard(place):
    """Return whether a path or URL is that of a tar file, by its name."""
    return _name(place).endswith(_TARS)


def is_table(place):
    """Return whether a path or URL is that of a table, by its name, or a folder of predictions."""
    return _name(place).endswith(TABLES) or (not is_url(place) and is_predictions(place))


def is_packed(place):
    """Return whether the content of a path or URL is compressed by gzip, by its name."""
    return _name(place).endswith("gz")


def _name(place):
    # The query of a URL is no part of the name.
    return (place.partition("?")[0] if is_url(place) else place).lower()


def find_filesystem(url):
    """Return the file system of a URL and the path in it."""
    options = {}
    if url.lower().startswith(("http://", "https://")):
        # A shard is read for as long as it takes to predict its images.
        timeout = require("aiohttp", "remote").ClientTimeout(total=None, sock_read=_PATIENCE)
        options = {"client_kwargs": {"timeout": timeout}}
    return require("fsspec", "remote").url_to_fs(url, **options)


def absolute(place, folder):
    """Return a place as it is seen from another working directory than the folder."""
    return place if is_url(place) else os.path.join(folder, place)


def open_file(place):
    """Open a path or URL for reading.

    Raises
    ------
    FileNotFoundError, PermissionError, ValueError
        If it is missing, or no file.
    OSError
        If a server refuses or does not answer.
    """
    if is_url(place):
        filesystem, path = find_filesystem(place)
        try:
            file = filesystem.open(path, "rb")
            return _open_stream(filesystem, path, file) if "http" in filesystem.protocol else file
        except Exception as error:
            # fsspec takes any answer of a web server that is no success for a missing file.
            status = getattr(error.__cause__, "status", None)
            if isinstance(error, FileNotFoundError) and (not error.__cause__ or status == 404):
                raise
            raise broken(place, error.__cause__ or error) from error
    check_file(place)
    return open(place, "rb")


def _open_stream(filesystem, path, file):
    """Return the file of a web server, opened anew if the server gives no parts of files."""
    if file.size is None or file.size <= file.blocksize:
        return file
    try:
        file.seek(file.size - 1)
        file.read(1)
        file.seek(0)
        return file
    except ValueError:
        file.close()
        return filesystem.open(path, "rb", block_size=0)


def fetch(places, names, bit_depth):
    """Return places as items for `read_images`: URLs are read into memory, paths stay paths.

    A URL where there is nothing stays, too: it is no file, as `read_images` says.

    Parameters
    ----------
    places, names : list of str
    bit_depth : int or None

    Returns
    -------
    items : list of str or EncodedImage

    Raises
    ------
    OSError
        If a server refuses or breaks off.
    """
    items = list(places) if bit_depth is None else state_depth(places, bit_depth).tolist()
    groups = {}
    for i, place in enumerate(places):
        if is_url(place):
            filesystem, path = find_filesystem(place)
            groups.setdefault(filesystem, []).append((i, path))
    for filesystem, group in groups.items():
        contents = filesystem.cat_ranges([path for _, path in group], None, None)
        for (i, _), content in zip(group, contents, strict=True):
            if isinstance(content, bytes):
                items[i] = EncodedImage(content, names[i], bit_depth)
            elif not isinstance(content, FileNotFoundError):
                raise broken(places[i], content) from content
    return items


def explain(error):
    """Return why a file cannot be opened."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return getattr(error, "strerror", None) or str(error) or repr(error)


def broken(place, error):
    """Return the error of a connection or disk, which says nothing of the file."""
    return OSError(
        f"Reading {place!r} broke off: {error!r}. The file may be whole: nothing is concluded from "
        "it. Run the same again."
    )
