"""What a fit is, so that it is known again in another process: its checkpoint's name."""

import hashlib
import os
import pickle
from importlib.metadata import version
from pathlib import Path

import joblib
import torch

# Parameters that do not decide the result, or whose effect is in the data, the seed, the weights
# that training starts from or the device.
_NO_MATTER = {
    "callbacks",
    "checkpoint",
    "device",
    "memory",
    "on_error",
    "precision",
    "random_state",
    "verbose",
    "warm_start",
}


def checkpoint_file(estimator, data, device, seed):
    """Return the file for the state of a fit, named by all that decides its result.

    Parameters
    ----------
    estimator : TrainableModel
    data : TrainingSet
    device : torch.device
    seed : int
        What was drawn from `random_state`. It is no part of the name when that is None: such a
        fit cannot know the seed that it had when it was broken off.

    Returns
    -------
    file : Path or None
        None if no checkpoint is asked for.

    Raises
    ------
    ValueError
        If the fit has callbacks, whose state nobody knows, or parameters that cannot be known
        again.
    OSError
        If the folder cannot be made.
    """
    if estimator.checkpoint is None:
        return None
    if estimator.callbacks:
        raise ValueError(
            f"checkpoint={str(estimator.checkpoint)!r} cannot be used with callbacks, whose state "
            "would be lost when the training goes on. Set callbacks=None or checkpoint=None."
        )
    params = estimator.get_params(deep=False)
    facts = {
        "class": (type(estimator).__module__, type(estimator).__qualname__),
        "versions": (version("skblood"), torch.__version__),
        "device": device.type,
        "dtype": str(estimator._autocast_dtype(device)),
        "seed": None if estimator.random_state is None else seed,
        "data": data.identity(),
        **{name: _hash(name, value) for name, value in params.items() if name not in _NO_MATTER},
    }
    digest = hashlib.sha256(repr(sorted(facts.items())).encode()).hexdigest()
    return _folder(estimator.checkpoint) / f"{type(estimator).__name__}-{digest[:32]}.checkpoint"


def _hash(name, value):
    try:
        return joblib.hash(value)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{name}={value!r} cannot be known again in another process ({error}), as a checkpoint "
            "needs. Define it at the top of a module, or set checkpoint=None."
        ) from error


def _folder(checkpoint):
    folder = Path(os.path.abspath(Path(checkpoint).expanduser()))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise type(error)(
            error.errno,
            f"checkpoint={str(checkpoint)!r} must be a folder, or one that can be made "
            f"({error.strerror})",
        ) from error
    return folder
