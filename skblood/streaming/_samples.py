"""Images of a tar file in the WebDataset form, with what their siblings tell of them."""

import json
import re
from contextlib import closing

import numpy as np

from skblood.datasets import HIDDEN, IMAGE_EXTENSIONS

from ._places import explain, open_file, require
from ._tar import MOST_BYTES, read_members

_LABELS = (".cls", ".txt", ".json")
# Files that may lie beside images, and are no samples without one.
_DOCUMENTS = (*_LABELS, ".csv", ".md", ".tsv")
_MOST_LABEL_BYTES = 2**20
# Images of one key that are held until its labels come.
_MOST_IMAGES = 32
# Names of metadata in WebDataset.
_META = re.compile(r"__[^/]*__($|/)")


def read_samples(place, damage):
    """Yield the images of a shard.

    Parameters
    ----------
    place : str
        Path or URL of a tar file.
    damage : Damage
        Takes what could not be read.

    Yields
    ------
    name : str
        Name of the member.
    data : bytes
    columns : dict of str to str
        label (the text of .cls, or else of .txt) and the fields of .json.
    """
    webdataset = require("webdataset.tariterators", "shards")

    def split(name):
        return webdataset.base_plus_ext(name) if "." in name.rpartition("/")[2] else (name, "")

    try:
        file = open_file(place)
    except (FileNotFoundError, PermissionError, IsADirectoryError, ValueError) as error:
        damage.add(explain(error))
        return
    with closing(file):
        members = _read_files(read_members(file, place, damage), damage, split)
        for sample in webdataset.group_by_keys(members, keys=split, lcase=False):
            yield from _split_sample(sample, damage)


def _read_files(members, damage, split):
    """Yield files as `group_by_keys` takes them, {} between samples."""
    names, key, stem, n_images = _Names(), None, None, 0
    for header, read in members:
        name = header.name.removeprefix("./")
        if header.isdir() or _is_hidden(name):
            continue
        kind = _extension(name)
        if not _is_content(header, name, kind, damage):
            continue
        if not names.add(name):
            damage.add("another member before has the same name", name)
            continue
        data = read() if kind in (*_LABELS, *IMAGE_EXTENSIONS) else b""
        if data is None:
            damage.add("cut off", name)
            continue
        former, (key, stem) = (key, stem), (split(name)[0], _stem(name))
        n_images = (n_images if key == former[0] else 0) + (kind in IMAGE_EXTENSIONS)
        if n_images > _MOST_IMAGES and stem != former[1]:
            yield {}
            n_images = 1
        yield {"fname": name, "data": (name, data), "__url__": damage.shard}


class _Names:
    """Names that came before, in about 20 bytes each: a set takes 100."""

    def __init__(self):
        self._recent, self._sorted = set(), np.empty(0, np.int64)

    def add(self, name):
        """Add a name; return whether it is new."""
        key = hash(name)
        place = np.searchsorted(self._sorted, key)
        if key in self._recent or key in self._sorted[place : place + 1]:
            return False
        self._recent.add(key)
        if len(self._recent) > max(1000, len(self._sorted) // 8):
            recent = np.fromiter(self._recent, np.int64)
            self._sorted = np.sort(np.concatenate([self._sorted, recent]), kind="stable")
            self._recent.clear()
        return True


def _is_content(header, name, kind, damage):
    """Return whether a member is to be read; note what is odd."""
    if not header.isreg() or header.issparse():
        what = "a link" if header.islnk() or header.issym() else "a device, pipe or sparse file"
        damage.add(f"{what}, not a file with content", name)
    elif header.size > (_MOST_LABEL_BYTES if kind in _LABELS else MOST_BYTES):
        damage.add(f"{header.size:,} bytes, which are too many", name)
    else:
        return True
    return False


def _is_hidden(name):
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    return bool(_META.match(name)) or any(part.startswith(HIDDEN) for part in parts)


def _extension(name):
    stem, dot, extension = name.rpartition("/")[2].rpartition(".")
    return dot + extension.lower() if stem else ""


def _stem(name):
    return name[: len(name) - len(_extension(name))]


def _split_sample(sample, damage):
    """Yield the images of one key."""
    files = dict(value for suffix, value in sample.items() if suffix not in ("__key__", "__url__"))
    kinds = {name: _extension(name) for name in files}
    labels = {_stem(name) + kind: name for name, kind in kinds.items() if kind in _LABELS}
    images = [name for name, kind in kinds.items() if kind in IMAGE_EXTENSIONS]
    if not images and (odd := [name for name, kind in kinds.items() if kind not in _DOCUMENTS]):
        damage.add(f"no image ({', '.join(IMAGE_EXTENSIONS)})", odd[0])
    for name in images:
        # x.left.cls is that of x.left.png, x.cls of all images x.
        columns = {}
        for kind in reversed(_LABELS):
            label = labels.get(_stem(name) + kind) or labels.get(sample["__key__"] + kind)
            if label:
                columns |= _read_label(files[label], label, kind, damage)
        yield name, files[name], columns


def _read_label(data, name, kind, damage):
    """Return the columns of a .cls, .txt or .json file; all hold text, and null is none."""
    try:
        text = data.decode("utf-8-sig").strip()
        if kind != ".json":
            return {"label": text}
        fields = json.loads(text, parse_constant=lambda name: None)  # such as NaN
        if not isinstance(fields, dict):
            raise ValueError("not an object with fields")
    except (ValueError, RecursionError) as error:
        damage.add(f"no {'JSON' if kind == '.json' else 'text'} in UTF-8: {error}", name)
        return {}
    fields = {k: v for k, v in fields.items() if v is not None}
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in fields.items()}
