"""Pretrained weights: from a file of the user's, or through timm and torchvision."""

import json
import os
import pickle
import re
import warnings
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

# What trainers wrap a network in, and what the parameters are then called by.
_WRAPPER_KEYS = ("state_dict", "model", "model_state_dict", "state_dict_ema")
_WRAPPER_PREFIX = re.compile(r"^(module\.|_orig_mod\.|model\.)+")
# torchvision's published DenseNets have names of a time when these could hold a dot.
_LEGACY_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")

# The weights of the model that comes with the package: their name, the backbone that they are of,
# and the file, which `skblood.save` wrote.
READY_WEIGHTS = "pbc"
READY_BACKBONE = "cellnet_s"
_READY_FILE = Path(__file__).parents[1] / "pretrained" / "pbc8.safetensors"
_READY_BODY, _READY_STATISTICS = "backbones.0.body.", "backbones.0.standardize."

# In place of weights that are not loaded here: what is built is the network that would take them.
LATER = object()
_wanted = ContextVar("wanted", default=True)


@contextmanager
def without_weights():
    """Build backbones as their `weights` ask for, but load none: the caller has those of a fit.

    In this thread and block, nothing is read from the disk or the network.
    """
    token = _wanted.set(False)
    try:
        yield
    finally:
        _wanted.reset(token)


def weights_wanted(weights):
    """Return `weights`, or inside :func:`without_weights` what stands for any but None."""
    return weights if weights is None or _wanted.get() else LATER


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
        Names of the classifier that the backbone went without; such keys of the file are
        left out silently.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be read, or keys of the backbone are missing from it or have another
        shape. The message lists them.

    Warns
    -----
    UserWarning
        If the file holds keys that the backbone does not have.
    """
    given = _read_state(path)
    wanted = body.state_dict()
    # A counter that only momentum=None uses; files made before it existed lack it.
    needed = [k for k in wanted if not k.endswith("num_batches_tracked")]
    missing = [k for k in needed if k not in given]
    wrong = [k for k in needed if k in given and given[k].shape != wanted[k].shape]
    if missing or wrong:
        raise ValueError(
            f"The weights of {os.fspath(path)!r} do not fit backbone {name!r} "
            f"({len(needed) - len(missing) - len(wrong)} of {len(needed)} tensors fit).\n"
            + _listed("missing from the file", missing)
            + _listed(
                "of another shape",
                [f"{k}: {tuple(given[k].shape)}, not {tuple(wanted[k].shape)}" for k in wrong],
            )
            + "Name the backbone that the file was saved from, or use weights=None."
        )
    extra = [k for k in given if k not in wanted and not k.startswith(head_prefixes)]
    if extra:
        warnings.warn(
            f"{os.fspath(path)!r} holds {len(extra)} tensors that backbone {name!r} does not "
            f"have; they were left out.\n{_listed('left out', extra)}",
            UserWarning,
            stacklevel=2,
        )
    body.load_state_dict({k: given.get(k, wanted[k]) for k in wanted})


def load_ready_weights(body):
    """Load the weights of the ready model into its backbone, in place."""
    state = load_file(_READY_FILE)
    body.load_state_dict(
        {k.removeprefix(_READY_BODY): v for k, v in state.items() if k.startswith(_READY_BODY)}
    )


@cache
def ready_preprocessing():
    """Return how the ready model normalises images.

    Returns
    -------
    statistics : tuple of (torch.Tensor, torch.Tensor)
        Mean and standard deviation per channel.
    standardize : {"auto", "image"}
        By these, or each image by its own; see `create_backbone`.
    """
    with safe_open(_READY_FILE, "pt") as file:
        statistics = tuple(file.get_tensor(_READY_STATISTICS + name) for name in ("mean", "std"))
        parameters = json.loads(file.metadata()["model"])["model"]["parameters"]
    return statistics, parameters["standardize"]


def _listed(what, keys):
    return f"  {what} ({len(keys)}): {', '.join(keys)}\n" if keys else ""


def _read_state(path):
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"weights={os.fspath(path)!r} is no file. weights takes 'default', None, 'pbc' or the "
            "path of a .safetensors, .pth, .pt or .bin file."
        )
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"The weights file {os.fspath(path)!r} cannot be read: it is damaged, or holds other "
            "objects than tensors, and their code is not run. It must be a .safetensors file, or "
            "what torch.save wrote of a state_dict."
        ) from error
    # Damaged files make the readers raise nearly any exception.
    except Exception as error:
        raise ValueError(
            f"The weights file {os.fspath(path)!r} cannot be read ({type(error).__name__}: "
            f"{error}). It must be a .safetensors file, or what torch.save wrote of a state_dict."
        ) from error
    for key in _WRAPPER_KEYS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    tensors = {}
    if isinstance(state, dict):
        tensors = {k: v for k, v in state.items() if isinstance(k, str) and torch.is_tensor(v)}
    if not tensors:
        raise ValueError(
            f"The weights file {os.fspath(path)!r} holds no state_dict: a dict of named tensors "
            f"was expected, a {type(state).__name__} without any was found."
        )
    return {
        _LEGACY_DENSENET.sub(r"\1\2", _WRAPPER_PREFIX.sub("", k)): v for k, v in tensors.items()
    }


def default_weights_error(name, error):
    """Say what to do when published weights could not be fetched."""
    return ConnectionError(
        f"The default weights of {name!r} could not be loaded "
        f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}). "
        "Without a network there are three ways on: weights='path/to/file.safetensors' (or .pth) "
        "with a file brought by hand; weights=None to train this backbone from scratch; or "
        "backbone='cellnet_s', made to be trained from scratch."
    )
