"""The file container: one safetensors file whose header carries JSON, the card and a checksum.

A safetensors file is a JSON header followed by raw tensors: nothing to unpack, no paths, no code.
The header's `__metadata__`, which safetensors reserves for the writer, begins with the SHA-256 of
all other bytes of the file, so that damage is found before anything is built.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from skblood._writing import printable, suggest

_FORMATS = ("1", "2")
# Bytes of the header, at most: the JSON of a model has some thousand.
_MAX_HEADER = 2**24
_SIZE = 8  # bytes that hold the size of the header
_MAGIC = b'{"__metadata__":{"sha256":"'
_DIGEST = slice(_SIZE + len(_MAGIC), _SIZE + len(_MAGIC) + 64)
# Files that are often mistaken for a model, by their first bytes.
_OTHERS = {
    b"PK\x03\x04": "a zip archive, as torch.save writes it",
    b"\x80": "a pickle, which could run any code and is not opened",
}


class ModelFileError(ValueError):
    """A file is not a model of skblood, is damaged, or needs a later version of skblood.

    Raised by `skblood.load` and `skblood.load_info`.

    Parameters
    ----------
    message : str
        What is wrong with the file and what to do.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import skblood
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.skblood")
    ...     _ = path.write_bytes(b"")
    ...     try:
    ...         skblood.load(path)
    ...     except skblood.ModelFileError:
    ...         print("not a model")
    not a model
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)


class Contents(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    document : dict
        The JSON that describes the model.
    card : str
        Markdown.
    tensors : dict of str to torch.Tensor
    version : str
        The version of skblood that wrote the file.
    format : int
        The version of the file format.
    """

    document: dict
    card: str
    tensors: dict
    version: str
    format: int


def pack(document, tensors, card, version):
    """Return the bytes of a file in the current format.

    Parameters
    ----------
    document : dict
        JSON values only.
    tensors : dict of str to torch.Tensor
    card : str
        Markdown.
    version : str
        The version of skblood.

    Returns
    -------
    content : bytes

    Raises
    ------
    ValueError
        If the document is too long for the header.
    """
    import safetensors.torch

    packed = safetensors.torch.save(tensors)
    data = _SIZE + int.from_bytes(packed[:_SIZE], "little")
    metadata = {
        "sha256": "0" * 64,
        "format": _FORMATS[-1],
        "skblood": version,
        "model": json.dumps(document, allow_nan=False),
        "card": card,
    }
    header = {"__metadata__": metadata, **json.loads(packed[_SIZE:data])}
    header = json.dumps(header, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors are aligned to 8 bytes
    if len(header) > _MAX_HEADER:
        raise ValueError(f"The model takes {len(header):,} bytes as JSON; {_MAX_HEADER:,} fit.")
    content = bytearray(len(header).to_bytes(_SIZE, "little") + header + packed[data:])
    content[_DIGEST] = _digest(content)
    return bytes(content)


def unpack(path):
    """Read a file and check everything that does not depend on the model.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    contents : Contents

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ModelFileError
        If the file is damaged, of another kind, or of a later format.
    """
    import safetensors.torch

    path = os.fspath(path)
    try:
        metadata, content = _read(path)
        found, version = metadata["format"], metadata["skblood"]
        if found in _FORMATS:
            document, tensors = json.loads(metadata["model"]), safetensors.torch.load(content)
            return Contents(document, metadata["card"], tensors, version, int(found))
    except (ModelFileError, OSError, MemoryError):
        raise
    # Whatever it meets: the header may be any JSON.
    except Exception as error:
        raise _damaged(path, f"its header or tensors cannot be read ({error})") from error
    raise ModelFileError(
        f"{path!r} has format {found!s:.40}; this version of skblood reads {', '.join(_FORMATS)}. "
        f"It was written by skblood {printable(version):.40}: install that version or a later one."
    )


def load_summary(path):
    """Return the JSON of a file of one estimator as it is written, without loading torch.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    summary : dict or None
        `class`, `spec`, `attributes`, `skblood`, `evaluation` and `card`, as of `load_info`, but
        unchecked. None for other files, which `load_info` reads, or tells what is wrong with.

    Raises
    ------
    FileNotFoundError, ModelFileError
        As of `load_info`.
    """
    metadata, _ = _read(os.fspath(path))
    try:
        document = json.loads(metadata["model"])
        model = document["model"]
        attributes = {
            "image_shape_": model["spec"]["image_shape"],
            **_simplify(model["attributes"]),
        }
        summary = {"class": model["class"], "spec": model["spec"], "attributes": attributes}
        summary |= {"skblood": metadata["skblood"], "card": metadata["card"]}
        is_known = metadata["format"] == _FORMATS[-1] and isinstance(model["class"], str)
        return {**summary, "evaluation": document["evaluation"]} if is_known else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _simplify(value):
    """Return a value of the JSON in plain types."""
    if isinstance(value, list):
        return [_simplify(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"dict"}:
        return {key: _simplify(item) for key, item in value["dict"]}
    if value.keys() in ({"tuple"}, {"Adaptation"}):
        return _simplify(*value.values())
    return {name: _simplify(item) for name, item in value.items()}


def _read(path):
    """Return the metadata and the bytes of a file whose size and checksum are right."""
    try:
        size = os.stat(path).st_size
    except FileNotFoundError as error:
        raise FileNotFoundError(f"There is no model file {path!r}{suggest(path)}.") from error
    if not Path(path).is_file():  # a pipe or a device might never end
        raise ModelFileError(f"{path!r} is a folder, a pipe or a device. Name a model file.")
    with open(path, "rb") as file:
        start = file.read(_DIGEST.stop)
        if start[_SIZE : _DIGEST.start] != _MAGIC or len(start) < _DIGEST.stop:
            known = [f" It is {_OTHERS[m]}." for m in _OTHERS if start.startswith(m)]
            raise ModelFileError(
                f"{path!r} is empty, or not a file that skblood.save wrote.{''.join(known)} "
                "Weights of a backbone (.pth, .safetensors) go into weights= of an estimator."
            )
        data = _SIZE + int.from_bytes(start[:_SIZE], "little")
        if data > min(_SIZE + _MAX_HEADER, size):
            raise _damaged(path, "its header has no end")
        file.seek(_SIZE)
        header = json.loads(file.read(data - _SIZE))
        metadata = header.pop("__metadata__")
        # Before the rest is read, of which there may be any amount.
        if size != data + max([each["data_offsets"][1] for each in header.values()], default=0):
            raise _damaged(path, "its checksum is wrong, since its size is not that in its header")
        file.seek(0)
        content = file.read()
    if _digest(content) != content[_DIGEST]:
        raise _damaged(path, "its checksum is wrong")
    return metadata, content


def _damaged(path, reason):
    return ModelFileError(
        f"{path!r} is damaged: {reason:.200}, so it was changed or cut off after it was written. "
        "Copy it again, or save the model again."
    )


def _digest(content):
    """Return the SHA-256 of a file without the bytes of the checksum itself, in hex."""
    view = memoryview(content)
    digest = hashlib.sha256(view[: _DIGEST.start])
    digest.update(view[_DIGEST.stop :])
    return digest.hexdigest().encode()
