"""Pretrained models that come with the package."""

from pathlib import Path

from ._pipelines import restore_model
from ._save_load import read_file

_FOLDER = Path(__file__).parents[1] / "pretrained"
_NAMES = ("pbc8",)
# Median size of its training cells, which the file does not have: it is of an earlier version.
_CELL_SIZE = 0.5575


def load_pretrained(name="pbc8", *, device="auto"):
    """Load a pretrained model that comes with the package.

    Nothing is trained or downloaded.

    Parameters
    ----------
    name : {"pbc8"}, default="pbc8"
        "pbc8" classifies the eight classes of PBC and BloodMNIST: basophil, eosinophil,
        erythroblast, ig (immature granulocytes), lymphocyte, monocyte, neutrophil and platelet.
        A ``cellnet_s``, trained on the training part of PBC (10,766 images).
    device : str, default="auto"
        As in :func:`skblood.load`.

    Returns
    -------
    model : TransferCellClassifier
        Fitted. Its parameter `weights` is "pbc": a clone of it starts from these weights.

    Raises
    ------
    ValueError
        If there is no model of that name, or the device is unknown or not available.

    See Also
    --------
    TransferCellClassifier : With ``weights="pbc"``, trains these weights further.

    Notes
    -----
    It expects a cell that fills the image as in BloodMNIST: of PBC's originals, the central 200 px.
    Images may have any size. It assigns one of its classes to every image, whatever it shows;
    measure how well it does in your laboratory. For research use; not a medical device. Its model
    card is the file ``pbc8.md`` beside it. Its `score` warns (`TrainingOverlapWarning`) of images
    that it was trained on.

    References
    ----------
    Acevedo et al. 2020: A dataset of microscopic peripheral blood cell images for development of
    automatic recognition systems, Data in Brief 30:105474 (CC BY 4.0).

    Examples
    --------
    >>> from skblood import load_pretrained
    >>> from skblood.datasets import make_blood_cells
    >>> X, _ = make_blood_cells(4, image_size=64, random_state=0)
    >>> model = load_pretrained("pbc8")
    >>> model.predict_proba(X).shape
    (4, 8)
    """
    if name not in _NAMES:
        raise ValueError(
            f"{name!r} is not a pretrained model of skblood; choose from {_NAMES}. For a file of "
            "your own, use skblood.load."
        )
    contents = read_file(_FOLDER / f"{name}.safetensors")
    model = contents.document["model"]
    # It was trained from scratch. What starts from it, and its own scores, know it as "pbc".
    model["spec"]["backbones"][0]["weights"] = model["parameters"]["weights"] = "pbc"
    model = restore_model(model, contents.tensors, device)
    model.training_data_.setdefault("cell_size", _CELL_SIZE)
    return model
