"""The file container: one safetensors file whose header carries JSON, the card and a checksum.

A safetensors file is a JSON header followed by raw tensors: nothing to unpack, no paths, no code.
The header's `__metadata__`, which safetensors reserves for the writer, begins with the SHA-256 of
all other bytes of the file, so that damage is found before anything is built.
"""

import hashlib
import json
import os
import stat
from typing import NamedTuple

import safetensors
import safetensors.torch

from ._errors import ModelFileError

FORMAT = 2
# Bytes of the header, at most: the JSON of a model has some thousand.
_MAX_HEADER = 2**24
_SIZE = 8  # bytes that hold the size of the header
_MAGIC = b'{"__metadata__":{"sha256":"'
_DIGEST = slice(_SIZE + len(_MAGIC), _SIZE + len(_MAGIC) + 64)
_METADATA = ("sha256", "format", "skblood", "model", "card")

# Files that are often mistaken for a model, by their first bytes.
_OTHERS = {
    b"PK\x03\x04": "a zip archive, as torch.save (.pth, .pt) and numpy.savez write them",
    b"\x80": "a pickle, which could run any code and is not opened",
    b"\x89HDF": "an HDF5 file, as Keras writes them",
    b"\x1f\x8b": "a gzip file. Decompress it first",
}


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
    packed = safetensors.torch.save(tensors)
    data = _SIZE + int.from_bytes(packed[:_SIZE], "little")
    metadata = {
        "sha256": "0" * 64,
        "format": str(FORMAT),
        "skblood": version,
        "model": json.dumps(document, allow_nan=False),
        "card": card.encode("utf-8", "replace").decode(),  # lone surrogates are not UTF-8
    }
    header = {"__metadata__": metadata, **json.loads(packed[_SIZE:data])}
    header = json.dumps(header, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors are aligned to 8 bytes
    if len(header) > _MAX_HEADER:
        raise ValueError(
            f"The description of the model has {len(header):,} bytes as JSON; at most "
            f"{_MAX_HEADER:,} fit into a file."
        )
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
    path = os.fspath(path)
    content = _read(path)
    header = _parse(path, content[_SIZE : _SIZE + int.from_bytes(content[:_SIZE], "little")])
    metadata = header.get("__metadata__")
    found = _check_format(path, metadata)
    if set(metadata) != set(_METADATA) or not all(isinstance(v, str) for v in metadata.values()):
        raise ModelFileError(
            f"{path!r} is not a model of this version: its header must hold "
            f"{', '.join(_METADATA)}, and holds {', '.join(map(repr, metadata))[:200]}."
        )
    document = _parse(path, metadata["model"])
    try:
        tensors = safetensors.torch.load(bytes(content))
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelFileError(f"The tensors of {path!r} cannot be read: {error}") from error
    return Contents(document, metadata["card"], tensors, metadata["skblood"], found)


def _read(path):
    """Return the bytes of a file whose checksum is right."""
    status = os.stat(path)  # FileNotFoundError names the path
    if not stat.S_ISREG(status.st_mode):  # a pipe or a device might never end
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise ModelFileError(f"{path!r} is {what}. Name a file that skblood.save wrote.")
    with open(path, "rb") as file:
        start = file.read(_DIGEST.stop)
        _check_start(path, start, status.st_size)
        content = bytearray(start + file.read())
    if _digest(content) != bytes(content[_DIGEST]):
        raise ModelFileError(
            f"{path!r} is damaged: its checksum is wrong, so it was changed or cut off after it "
            "was written. Copy it again, or save the model again."
        )
    return content


def _check_start(path, start, n_bytes):
    n_header = int.from_bytes(start[:_SIZE], "little")
    if start[_SIZE : _DIGEST.start] != _MAGIC or len(start) < _DIGEST.stop:
        known = [f" It is {what}." for magic, what in _OTHERS.items() if start.startswith(magic)]
        raise ModelFileError(
            f"{path!r} is empty, or not a file that skblood.save wrote.{''.join(known)} Weights of "
            "a backbone (.pth, .safetensors) go into the parameter weights= of an estimator."
        )
    if n_header > min(_MAX_HEADER, n_bytes - _SIZE):
        raise ModelFileError(f"{path!r} is damaged or cut off. Copy it again.")


def _digest(content):
    """Return the SHA-256 of a file without the bytes of the checksum itself, in hex."""
    view = memoryview(content)
    digest = hashlib.sha256(view[: _DIGEST.start])
    digest.update(view[_DIGEST.stop :])
    return digest.hexdigest().encode()


def _check_format(path, metadata):
    found = metadata.get("format") if isinstance(metadata, dict) else None
    if not isinstance(found, str) or not found.isdecimal() or len(found) > 9 or int(found) < 1:
        raise ModelFileError(f"{path!r} is damaged: its header does not name the file format.")
    if int(found) > FORMAT:
        raise ModelFileError(
            f"{path!r} has format {found}; this version of skblood reads formats 1 to {FORMAT}. "
            f"It was written by skblood {str(metadata.get('skblood'))[:40]}: install that version "
            "or a later one."
        )
    return int(found)


def _parse(path, text):
    """Return the object in a JSON text."""
    try:
        parsed = json.loads(text if isinstance(text, str) else bytes(text).decode())
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path!r} is damaged: its JSON cannot be read ({error}).") from error
    if not isinstance(parsed, dict):
        raise ModelFileError(f"{path!r} is damaged: its JSON is not an object.")
    return parsed
