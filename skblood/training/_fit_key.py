"""Key of a fit, used to find its checkpoint."""

import hashlib
import pickle
from importlib.metadata import version

import joblib
import torch

# Parameters that do not change the result, or whose effect is in the data, the seed, the initial
# weights or the device.
_WITHOUT_EFFECT = "callbacks device memory precision random_state verbose warm_start".split()


def fit_key(name, parameters, data, device, dtype, seed):
    """Hash all that decides the result of a fit.

    Parameters
    ----------
    name : str
        Class of the estimator.
    parameters : dict
        Its parameters.
    data : TrainingSet
    device : torch.device
    dtype : torch.dtype
        Precision of the training.
    seed : int
        Drawn from `random_state`; not a part of the key if that is None, since the fit could not
        be found again.

    Returns
    -------
    key : str
        32 hexadecimal digits.

    Raises
    ------
    ValueError
        If a parameter cannot be hashed.
    """
    facts = {
        "class": name,
        "versions": (version("skblood"), torch.__version__),
        "device": device.type,
        "dtype": str(dtype),
        "seed": None if parameters["random_state"] is None else seed,
        "data": data.hash(),
        "callbacks": sorted(type(each).__name__ for each in parameters["callbacks"] or []),
    }
    for parameter, value in parameters.items():
        if parameter not in _WITHOUT_EFFECT:
            try:
                facts[parameter] = joblib.hash(value)
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise ValueError(
                    f"{parameter}={value!r} cannot be pickled, which a checkpoint needs. Define it "
                    "at the top level of a module, or leave TrainingCheckpoint out."
                ) from error
    return hashlib.sha256(repr(sorted(facts.items())).encode()).hexdigest()[:32]
