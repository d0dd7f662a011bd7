"""Pretrained weights: from a file of the user's, or of a pretrained model of skblood."""

import hashlib
import os
import re
import warnings
from contextlib import suppress
from pathlib import Path, PureWindowsPath

import torch
from safetensors.torch import load_file

from skblood._labels import list_few

# Keys and prefixes that training scripts put around the names of the parameters.
_WRAPPER_KEYS = ("state_dict", "model", "model_state_dict", "state_dict_ema")
_WRAPPER_PREFIX = re.compile(r"^(module\.|_orig_mod\.|model\.)+")
# torchvision's published DenseNets have names from a time when these could hold a dot.
_LEGACY_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")

# What weights are stored in. Integers and floats of 8 bits are quantized: they need a scale, too.
_DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)

# Weights of the pretrained models: name, backbone, and the file, without its suffix.
_FOLDER = Path(__file__).parents[1] / "pretrained"
PRETRAINED_WEIGHTS = {"blood8-2": ("cell_lite0", "blood8-2"), "pbc": ("cellnet_s", "pbc8")}
_BODY = "backbones.0.body."


def load_weights(body, path, name, head_prefixes):
    """Load a weights file into a backbone, in place.

    Parameters
    ----------
    body : torch.nn.Module
        The backbone without its classifier.
    path : str or path-like
        A ``.safetensors`` file, or a ``.pth``/``.pt``/``.bin`` file of tensors
        (read with ``weights_only=True``: no code of the file is run).
    name : str
        The backbone's name, for messages.
    head_prefixes : tuple of str
        Names of the classifier that the backbone lacks; such keys of the file are ignored.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be read, or keys of the backbone are missing from it, have another
        shape, or are no finite numbers of 16 bits or more. The message lists them.

    Warns
    -----
    UserWarning
        If the file holds keys that the backbone does not have.
    """
    given, wanted, path = _read_state(path), body.state_dict(), os.fspath(path)
    # A counter that only momentum=None uses; files made before it existed lack it.
    needed = [k for k in wanted if not k.endswith("num_batches_tracked")]
    flaws = [f"{k}: {flaw}" for k in needed if (flaw := _flaw(given.get(k), wanted[k]))]
    if flaws:
        raise ValueError(
            f"{path!r} holds no usable weights of backbone {name!r}: {len(flaws)} of "
            f"{len(needed)} tensors do not fit. They must be those of this backbone, finite, dense "
            "and of dtype float32, float16, bfloat16 or float64, not quantized.\n  "
            f"{list_few(flaws, '; ')}"
        )
    extra = [k for k in given if k not in wanted and not k.startswith(head_prefixes)]
    if extra:
        warnings.warn(
            f"{path!r} holds {len(extra)} tensors that backbone {name!r} does not have. They are "
            f"ignored: {list_few(extra)}",
            stacklevel=2,
        )
    body.load_state_dict({k: given.get(k, wanted[k]) for k in wanted})


def identify_weights(path):
    """Return the name of a weights file, without its folder, and its SHA-256, None if unread."""
    name, path = PureWindowsPath(path).name, Path(path).expanduser()  # either kind of separator
    with suppress(OSError), open(path, "rb") as file:
        return name, hashlib.file_digest(file, "sha256").hexdigest()
    return name, None


def load_pretrained_body(body, name):
    """Load the weights of a pretrained model into its backbone, in place."""
    state = load_file(_FOLDER / f"{PRETRAINED_WEIGHTS[name][1]}.safetensors").items()
    body.load_state_dict({k.removeprefix(_BODY): v for k, v in state if k.startswith(_BODY)})


def _flaw(given, wanted):
    """Return what keeps a tensor from being loaded into a parameter or buffer, or None."""
    if given is None:
        return "missing"
    if given.shape != wanted.shape:
        return f"shape {tuple(given.shape)}, not {tuple(wanted.shape)}"
    if given.dtype not in (_DTYPES if wanted.is_floating_point() else (wanted.dtype,)):
        return str(given.dtype)
    if given.layout != torch.strided or given.is_meta:
        return "not dense"
    return None if given.to(wanted.dtype).isfinite().all() else "not finite"


def _read_state(path):
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"weights={os.fspath(path)!r} is no file. weights takes 'default', None, "
            f"{', '.join(map(repr, PRETRAINED_WEIGHTS))} or the path of a .safetensors, .pth, .pt "
            "or .bin file. A saved model keeps only the name of the file: give its path by "
            "set_params(weights=...)."
        )
    try:
        safe = path.suffix == ".safetensors"
        state = load_file(path) if safe else torch.load(path, "cpu", weights_only=True)
    # Damaged files make the readers raise nearly any exception.
    except Exception as error:
        raise ValueError(
            f"The weights file {os.fspath(path)!r} cannot be read ({type(error).__name__}). It "
            "must be a .safetensors file, or a state_dict of tensors, saved by torch.save."
        ) from error
    for key in _WRAPPER_KEYS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    items = state.items() if isinstance(state, dict) else ()
    tensors = {
        _LEGACY_DENSENET.sub(r"\1\2", _WRAPPER_PREFIX.sub("", key)): value
        for key, value in items
        if isinstance(key, str) and torch.is_tensor(value)
    }
    if not tensors:
        raise ValueError(
            f"The weights file {os.fspath(path)!r} holds no state_dict, a dict of named tensors, "
            f"but a {type(state).__name__}."
        )
    return tensors
