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
# Images of one key that are held; all but one are in error.
_MOST_IMAGES = 4
_APART = (
    "apart from the image of its sample: files that are equal up to the first dot stand together"
)
_ONE = "one of {} images of a sample, whose names are equal up to the first dot: rename all but one"
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
        keys, alone = _Names(), {}
        for sample in webdataset.group_by_keys(members, keys=split, lcase=False):
            key, files = sample["__key__"], _files_of(sample)
            images = [name for name in files if _extension(name) in IMAGE_EXTENSIONS]
            if not images:
                alone |= _check_lone(key, files, damage)
            elif keys.add(key):
                yield from _read_sample(key, files, images, damage)
            else:
                for name in images:
                    damage.add(_APART, name)
    for name, key in alone.items():
        if key in keys:
            damage.add(_APART, name)


def _read_files(members, damage, split):
    """Yield files as `group_by_keys` takes them, {} between samples."""
    names, key, n_images = _Names(), None, 0
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
        former, key = key, split(name)[0]
        n_images = (n_images if key == former else 0) + (kind in IMAGE_EXTENSIONS)
        is_image = kind in IMAGE_EXTENSIONS and (n_images <= _MOST_IMAGES or _stem(name) == key)
        data = read() if kind in _LABELS or is_image else b""
        if data is None:
            damage.add("cut off", name)
            continue
        yield {"fname": name, "data": (name, data), "__url__": damage.shard}


class _Names:
    """Names that came before, in about 20 bytes each: a set takes 100."""

    def __init__(self):
        self._recent, self._sorted = set(), np.empty(0, np.int64)

    def __contains__(self, name):
        key = hash(name)
        place = np.searchsorted(self._sorted, key)
        return key in self._recent or key in self._sorted[place : place + 1]

    def add(self, name):
        """Add a name; return whether it is new."""
        if name in self:
            return False
        self._recent.add(hash(name))
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


def _files_of(sample):
    return dict(value for suffix, value in sample.items() if suffix not in ("__key__", "__url__"))


def _check_lone(key, files, damage):
    """Note the files of a key without an image; return those that may be of one elsewhere."""
    kinds = {name: _extension(name) for name in files}
    if odd := [name for name, kind in kinds.items() if kind not in _DOCUMENTS]:
        damage.add(f"no image ({', '.join(IMAGE_EXTENSIONS)})", odd[0])
    # Of an image that was cut off, that is noted.
    if not odd and not any(name.startswith(f"{damage.shard}/{key}.") for name in damage):
        for name in [name for name, kind in kinds.items() if kind == ".cls"]:
            damage.add(_APART, name)
    return {name: key for name, kind in kinds.items() if kind in (".txt", ".json")}


def _read_sample(key, files, images, damage):
    """Yield the image of a key: key.png, or else the only one, such as key.cell.png."""
    images = [name for name in images if _stem(name) == key] or images
    if len(images) > 1:
        for name in images:
            damage.add(_ONE.format(len(images)), name)
        return
    columns, stem = {}, _stem(images[0])
    names = {_stem(name) + _extension(name): name for name in files}
    for kind in reversed(_LABELS):
        # Of x.left.png, x.left.cls goes before x.cls.
        if label := names.get(stem + kind) or names.get(key + kind):
            columns |= _read_label(files[label], label, kind, damage)
    yield images[0], files[images[0]], columns


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
