"""Pretrained models that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from skblood._typing import Pretrained
from skblood.networks import PRETRAINED_WEIGHTS

from ._pipelines import restore_model
from ._save_load import read_file

_FOLDER = Path(__file__).parents[1] / "pretrained"
# The name of its weights, by the name of the model.
_WEIGHTS = {model: weights for weights, (_, model) in PRETRAINED_WEIGHTS.items()}
# Median size of the training cells of pbc8, whose file, of an earlier version, does not have it.
_CELL_SIZE = 0.5575


def load_pretrained(
    name: Literal["blood8-2", "pbc8"] = "blood8-2", *, device: str = "auto"
) -> Pretrained:
    """Load a pretrained model that comes with the package.

    Nothing is trained or downloaded.

    Parameters
    ----------
    name : {"blood8-2", "pbc8"}, default="blood8-2"
        Both classify the eight classes of PBC and BloodMNIST: basophil, eosinophil, erythroblast,
        ig (immature granulocytes), lymphocyte, monocyte, neutrophil and platelet. "blood8-2" is
        made for other laboratories: a ``cell_lite0``, which started from ImageNet weights and was
        trained on the training part of PBC (10,766 images) and on 508 cells of another laboratory,
        shown in many stains and scales. "pbc8" is an older ``cellnet_s``, trained on PBC alone.
    device : str, default="auto"
        As in :func:`skblood.load`.

    Returns
    -------
    model : TransferCellClassifier
        Fitted. Its parameter `weights` is "blood8-2" or "pbc": a clone of it starts from these
        weights.

    Raises
    ------
    ValueError
        If there is no model of that name, or the device is unknown or not available.

    See Also
    --------
    TransferCellClassifier : With such `weights`, trains them further.

    Notes
    -----
    They expect a cell that fills the image as in BloodMNIST: of PBC's originals, the central 200
    px. Images may have any size. They assign one of their classes to every image, whatever it
    shows; measure how well they do in your laboratory. For research use; not a medical device. The
    model card is the Markdown file beside the model's. Its `score` warns (`TrainingOverlapWarning`)
    of images that it was trained on.

    References
    ----------
    Acevedo et al. 2020: A dataset of microscopic peripheral blood cell images for development of
    automatic recognition systems, Data in Brief 30:105474 (CC BY 4.0).

    WBC dataset of Chulalongkorn University, https://github.com/singgihbekti/WBC_Dataset (MIT).

    Tan, Le 2019: EfficientNet: Rethinking model scaling for convolutional neural networks, ICML.

    Examples
    --------
    >>> from skblood import load_pretrained
    >>> from skblood.datasets import make_blood_cells
    >>> X, _ = make_blood_cells(4, image_size=64, random_state=0)
    >>> model = load_pretrained()
    >>> model.predict_proba(X).shape
    (4, 8)
    """
    if name not in _WEIGHTS:
        raise ValueError(
            f"{name!r} is not a pretrained model of skblood; choose from {(*_WEIGHTS,)}. For a "
            "file of your own, use skblood.load."
        )
    contents = read_file(_FOLDER / f"{name}.safetensors")
    model = contents.document["model"]
    # What starts from it, and its own scores, know it by its own name.
    model["spec"]["backbones"][0] |= {"weights": _WEIGHTS[name], "weights_sha256": None}
    model["parameters"]["weights"] = _WEIGHTS[name]
    model = restore_model(model, contents.tensors, device)
    model.training_data_.setdefault("cell_size", _CELL_SIZE)
    return model
