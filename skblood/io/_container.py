"""The file: one safetensors file, whose header carries the JSON, the card and a checksum.

A safetensors file is a JSON header and raw tensors: nothing to unpack, no names that are paths,
nothing that could run. The header's `__metadata__`, which the format sets aside for the writer,
begins with the SHA-256 of all other bytes of the file: so whatever was changed or cut off shows
before anything is made of it.
"""

import hashlib
import json
import os
import stat

import safetensors
import safetensors.torch
import torch

from skblood.io._errors import ModelFileError

FORMAT = 1
# Bytes of the header, at most: the JSON of a model has some thousand.
_MAX_HEADER = 2**24
_SIZE = 8  # bytes that tell the size of the header
_MAGIC = b'{"__metadata__":{"sha256":"'
_DIGEST = slice(_SIZE + len(_MAGIC), _SIZE + len(_MAGIC) + 64)
_METADATA = ("sha256", "format", "skblood", "model", "card")

# What is often taken for a model file: how it begins, what it is, what to do.
_OTHERS = {
    b"PK\x03\x04": (
        "a zip archive, as torch.save (.pth, .pt) and numpy.savez write them. Weights of "
        "a backbone go into the parameter weights= of an estimator"
    ),
    b"\x80": (
        "a pickle, as pickle, joblib and older torch.save write them; it could run any code and is "
        "not opened. If you trust it, open it by what wrote it and write the model by skblood.save"
    ),
    b"\x89HDF": "an HDF5 file, as Keras writes them; skblood has no use for it",
    b"\x1f\x8b": "a gzip file. Unpack it first",
}


def pack(document, tensors, card, version):
    """Return the bytes of a file.

    Parameters
    ----------
    document : dict
        Of values that JSON has.
    tensors : dict of str to torch.Tensor
    card : str
        Markdown.
    version : str
        That of skblood.

    Returns
    -------
    content : bytes
    """
    packed = safetensors.torch.save(tensors)
    data = _SIZE + int.from_bytes(packed[:_SIZE], "little")
    metadata = {
        "sha256": "0" * 64,
        "format": str(FORMAT),
        "skblood": version,
        "model": json.dumps(document, allow_nan=False),
        "card": card.encode("utf-8", "replace").decode(),  # half a surrogate pair is no UTF-8
    }
    header = {"__metadata__": metadata, **json.loads(packed[_SIZE:data])}
    header = json.dumps(header, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # the tensors behind it begin at a multiple of 8
    if len(header) > _MAX_HEADER:
        raise ValueError(
            f"What describes the model has {len(header):,} bytes as JSON; a file takes "
            f"{_MAX_HEADER:,}. Longest are {_longest(document)}."
        )
    content = bytearray(len(header).to_bytes(_SIZE, "little") + header + packed[data:])
    content[_DIGEST] = _digest(content)
    return bytes(content)


def unpack(path, with_tensors=True):
    """Return what is in a file, checked as far as it can be without knowing the model.

    Parameters
    ----------
    path : str or path-like
    with_tensors : bool, default=True
        False leaves the tensors out, but their bytes are checked all the same.

    Returns
    -------
    document : dict
    card : str
    layout : dict of str to (str, list of int)
        The dtype, as safetensors names it, and the shape of each tensor.
    tensors : dict of str to torch.Tensor, or None
    version : str
        That of skblood which wrote it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ModelFileError
        If the file is not whole, or is of another kind or a later version.
    """
    path = os.fspath(path)
    content = _read(path)
    header = _parse(path, content[_SIZE : _SIZE + int.from_bytes(content[:_SIZE], "little")])
    metadata = header.pop("__metadata__", None)
    _check_version(path, metadata)
    if set(metadata) != set(_METADATA) or not all(isinstance(v, str) for v in metadata.values()):
        raise ModelFileError(
            f"{path!r} is no model of this version: its header must hold {', '.join(_METADATA)}, "
            f"and holds {', '.join(map(repr, metadata))[:200]}."
        )
    document = _parse(path, metadata["model"])
    try:
        tensors = safetensors.torch.load(bytes(content)) if with_tensors else None
        layout = {name: (entry["dtype"], entry["shape"]) for name, entry in header.items()}
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelFileError(f"The tensors of {path!r} cannot be read: {error}") from error
    return document, metadata["card"], layout, tensors, metadata["skblood"]


def layout_of(tensors):
    """Return the dtype and shape of tensors as `unpack` does, those of the meta device included."""
    return {name: (_dtype_name(t.dtype), list(t.shape)) for name, t in tensors.items()}


def _dtype_name(dtype):
    known = {torch.bool: "BOOL", torch.bfloat16: "BF16", torch.uint8: "U8"}
    kind = "F" if dtype.is_floating_point else "I"
    return known.get(dtype, f"{kind}{dtype.itemsize * 8}")


def _read(path):
    """Return the bytes of a file that is one of ours and whole."""
    status = os.stat(path)  # FileNotFoundError names the path
    if not stat.S_ISREG(status.st_mode):  # a pipe or a device might never end
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "no file"
        raise ModelFileError(f"{path!r} is {what}. Name a file that skblood.save wrote.")
    with open(path, "rb") as file:
        start = file.read(_DIGEST.stop)
        _check_start(path, start, status.st_size)
        content = bytearray(start + file.read())
    if _digest(content) != bytes(content[_DIGEST]):
        raise ModelFileError(
            f"{path!r} is damaged: its checksum does not hold, so it was changed or cut off after "
            "it was written. Copy it anew, or save the model again."
        )
    return content


def _check_start(path, start, n_bytes):
    if not start:
        raise ModelFileError(f"{path!r} is empty. Save the model again.")
    if start[_SIZE : _DIGEST.start] != _MAGIC or len(start) < _DIGEST.stop:
        known = [text for magic, text in _OTHERS.items() if start.startswith(magic)]
        if start[_SIZE : _SIZE + 1] == b"{":
            known = [
                "a safetensors file of weights alone, or a damaged model. Weights of a backbone go "
                "into the parameter weights= of an estimator"
            ]
        what = f"It looks like {known[0]}. " if known else ""
        raise ModelFileError(f"{path!r} is not a file that skblood.save wrote. {what}")
    n_header = int.from_bytes(start[:_SIZE], "little")
    if n_header > min(_MAX_HEADER, n_bytes - _SIZE):
        raise ModelFileError(
            f"{path!r} is damaged or cut off: it has {n_bytes:,} bytes, and says of its header "
            f"that it has {n_header:,} (at most {_MAX_HEADER:,} are read). Copy it anew."
        )


def _digest(content):
    """Return the SHA-256 of a file, leaving out the place where it stands, as 64 hex digits."""
    view = memoryview(content)
    digest = hashlib.sha256(view[: _DIGEST.start])
    digest.update(view[_DIGEST.stop :])
    return digest.hexdigest().encode()


def _check_version(path, metadata):
    found = metadata.get("format") if isinstance(metadata, dict) else None
    if not isinstance(found, str) or not found.isdecimal() or len(found) > 9 or int(found) < 1:
        raise ModelFileError(f"{path!r} is damaged: it names no version of its format.")
    if int(found) > FORMAT:
        raise ModelFileError(
            f"{path!r} has format {found}; this version of skblood reads {FORMAT} and older ones. "
            f"It was written by skblood {str(metadata.get('skblood'))[:40]}: install that version "
            "or a later one."
        )


def _parse(path, text):
    """Return an object of strict JSON: no key twice, no NaN."""
    try:
        text = text if isinstance(text, str) else bytes(text).decode()
        parsed = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path!r} is damaged: its JSON cannot be read ({error}).") from error
    if not isinstance(parsed, dict):
        raise ModelFileError(f"{path!r} is damaged: its JSON is no object.")
    return parsed


def _unique(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in an object")
    return found


def _no_constant(name):
    raise ValueError(f"{name} is no JSON")


def _longest(document):
    sizes = {key: len(json.dumps(value)) for key, value in document.items()}
    longest = sorted(sizes, key=sizes.get)[-2:]
    return " and ".join(f"{key!r} ({sizes[key]:,} bytes)" for key in longest)
