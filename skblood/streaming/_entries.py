"""What the words of a source name: paths, tables and shards, found one after the other."""

import glob
import os
import posixpath
import re
import shutil
import tempfile
from contextlib import contextmanager
from urllib.parse import unquote

from skblood._writing import list_some, suggest, to_utf8
from skblood.datasets import (
    HIDDEN,
    in_order,
    is_local_table,
    iter_table,
    read_header,
    table_folder,
    walk_images,
)

from ._places import find_filesystem, is_image, is_shard, is_table, is_url, open_file, require

_BRACES = re.compile(r"\{[^{}]*(,|\.\.)[^{}]*\}")
_RANGE = re.compile(r"\{(-?\d+)\.\.(-?\d+)")
_MOST_SHARDS = 1_000_000
# Missing files that an error names.
_MOST_MISSING = 10


def expand_words(source):
    """Return the paths, patterns and URLs of a source, braces expanded, as a list of str.

    Raises
    ------
    TypeError, ValueError
        If there are none.
    """
    words = [source] if isinstance(source, str | os.PathLike) else source
    if not hasattr(words, "__iter__") or isinstance(words, bytes):
        raise TypeError(f"source is a {type(source).__name__}, not a path, URL, or list of them.")
    found = []
    for word in words:
        if not isinstance(word, str | os.PathLike):
            raise TypeError(f"source holds a {type(word).__name__}, which is no path or URL.")
        word = os.fspath(word)
        if word.startswith(("file://", "local://")):
            word = find_filesystem(word)[1]
        elif not is_url(word):
            word = os.path.expanduser(word)
        if _BRACES.search(word) and not os.path.exists(word):
            found += _expand_braces(word)
        else:
            found.append(word)
    if not found:
        raise ValueError("source is empty. Give a folder, files, a table, shards, or URLs of them.")
    return found


def _expand_braces(pattern):
    found, missing = [], []
    # braceexpand makes a list of each range.
    if any(abs(int(start) - int(end)) > _MOST_SHARDS for start, end in _RANGE.findall(pattern)):
        raise ValueError(f"{pattern!r} names over {_MOST_SHARDS:,} files. Use a table of paths.")
    for place in require("braceexpand", "shards").braceexpand(pattern):
        found.append(place)
        if not is_url(place) and not glob.has_magic(place) and not os.path.exists(place):
            missing.append(place)
            if len(missing) > _MOST_MISSING:
                break
    if missing:
        more = "at least " if len(missing) > _MOST_MISSING else ""
        raise FileNotFoundError(
            f"Of {pattern!r}, {more}{len(missing)} files do not exist (in {os.getcwd()!r}):\n"
            + list_some(missing)
        )
    return found


def check_word(word, path_column):
    """Raise an error if a path does not exist, or is a table without the column."""
    if is_url(word) or (glob.has_magic(word) and not os.path.exists(word)):
        return
    # A missing image is reported when it is read, together with others.
    if not is_image(word) and not os.path.exists(word):
        where = f"(in {os.getcwd()!r}){suggest(word)}"
        raise FileNotFoundError(f"There is no folder, table, shard or image file {word!r} {where}.")
    if is_local_table(word):
        read_header(word, [path_column])


def find_entries(word, path_column, n_rows):
    """Yield what a word names.

    Parameters
    ----------
    word : str
    path_column : str
    n_rows : int
        Rows of a table at a time.

    Yields
    ------
    str or dict
        A path or URL of an image; {"shard": path or URL}; or, of a table, {"paths": list of str,
        "columns": DataFrame or None}.

    Raises
    ------
    FileNotFoundError
        If a folder or pattern holds nothing.
    """
    entries = _find_remote(word) if is_url(word) else _find_local(word)
    n, are_tables = 0, is_table(word)
    for place in entries:
        n += 1
        if is_shard(place):
            yield {"shard": place}
        elif are_tables and is_table(place):  # `cells/**` may match any file
            yield from _read_table(place, path_column, n_rows)
        else:
            yield place
    if not n:
        shards = "" if is_url(word) else os.path.join(glob.escape(word), "*.tar")
        hint = (
            f" It holds tar files: name them, {shards!r}." if shards and glob.glob(shards) else ""
        )
        raise FileNotFoundError(f"There is no image file in {word!r} (in {os.getcwd()!r}).{hint}")


def _find_local(word):
    if os.path.isdir(word) and not is_table(word):
        yield from walk_images(word)
    elif glob.has_magic(word) and not os.path.exists(word):  # it may be in a name, too
        former = None
        for path in in_order(_match(word)):
            if path != former:  # `**` matches a folder and what is in it
                yield path
            former = path
    else:
        yield word


def _match(pattern):
    for path in glob.iglob(pattern, recursive=True):
        if os.path.isdir(path):
            yield from walk_images(path)
        else:
            yield path


def _find_remote(url):
    filesystem, path = find_filesystem(url)
    is_http = "http" in filesystem.protocol
    if any(sign in path for sign in ("*[" if is_http else "*?[")):
        found = filesystem.glob(path)  # hidden files too, unlike glob.glob
        found = sorted(name for name in found if not name.rpartition("/")[2].startswith("."))
    elif is_shard(url) or is_table(url) or is_image(url):
        yield url
        return
    else:
        found = _walk_remote(filesystem, path)
    for each in found:
        yield filesystem.unstrip_protocol(each)


def _walk_remote(filesystem, folder):
    """Yield the images in a folder and its subfolders, in the order of a local folder."""
    pending = [[folder.rstrip("/") + "/"]]
    while pending:
        if not pending[-1]:
            pending.pop()
        elif not (path := pending[-1].pop(0)).endswith("/"):
            yield path
        else:
            inside = []
            for entry in filesystem.ls(path.rstrip("/") or path, detail=True):
                name = unquote(entry["name"].rstrip("/").rpartition("/")[2])
                if entry["type"] == "directory" and not name.startswith(HIDDEN):
                    inside.append(entry["name"].rstrip("/") + "/")
                elif is_image(name) and not name.startswith("."):
                    inside.append(entry["name"])
            pending.append(sorted(inside))


def _read_table(place, path_column, n_rows):
    """Yield rows of a table as a dict of paths and other columns."""
    with _local_copy(place) as path:
        for frame in iter_table(path, [path_column], n_rows):
            names = frame.pop(path_column)
            for column in frame:
                frame[column] = frame[column].map(to_utf8)
            paths = [_from_table(name, place) for name in names]
            yield {"paths": paths, "columns": frame if len(frame.columns) else None}


def _from_table(name, table):
    """Return a path in a table; relative ones start from its folder."""
    if is_url(name):
        return name
    if is_url(table):
        return posixpath.join(table.partition("?")[0].rpartition("/")[0], name)
    return str(table_folder(table) / name)


@contextmanager
def _local_copy(place):
    """Give the path of a table, or of a temporary copy if it is a URL."""
    if not is_url(place):
        yield place
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, posixpath.basename(place.partition("?")[0]))
        with open_file(place) as source, open(copy, "wb") as target:
            shutil.copyfileobj(source, target)
        try:
            yield copy
        except ValueError as error:
            raise ValueError(str(error).replace(copy, place)) from error
