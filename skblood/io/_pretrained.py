"""The models that come with the package."""

from pathlib import Path

from skblood.io import load
from skblood.networks import READY_WEIGHTS

_FOLDER = Path(__file__).parents[1] / "pretrained"
_NAMES = ("pbc8",)


def load_pretrained(name="pbc8", *, device="auto"):
    """Load a model that comes with the package: nothing is trained, and nothing is downloaded.

    Parameters
    ----------
    name : {"pbc8"}, default="pbc8"
        "pbc8" tells the eight classes of PBC and BloodMNIST apart: basophil, eosinophil,
        erythroblast, ig (immature granulocytes), lymphocyte, monocyte, neutrophil and platelet.
        A ``cellnet_s``, trained on the train part of PBC (10,766 images).
    device : str, default="auto"
        As in :func:`skblood.load`.

    Returns
    -------
    model : TransferCellClassifier
        Fitted. Its parameter `weights` is "pbc": a clone of it starts from these weights.

    Raises
    ------
    ValueError
        If there is no model of that name.

    Warns
    -----
    SeenImagesWarning
        Not here but later, when `score` meets images that the model was trained on.

    See Also
    --------
    TransferCellClassifier : With ``weights="pbc"``, trains on from these weights.

    Notes
    -----
    It looks for a cell that fills the image as in BloodMNIST: of PBC's originals, the central
    200 px. Images of any size are taken. It gives each of them one of its classes, whatever they
    show, and how well it does in another laboratory is to be measured there. For research use: it
    is no medical device. Its model card is the file ``pbc8.md`` beside it.

    References
    ----------
    Acevedo et al. 2020: A dataset of microscopic peripheral blood cell images for development of
    automatic recognition systems, Data in Brief 30:105474 (CC BY 4.0).

    Examples
    --------
    >>> from skblood.pretrained import load_pretrained
    >>> from skblood.datasets import make_blood_cells
    >>> X, _ = make_blood_cells(4, image_size=64, random_state=0)
    >>> model = load_pretrained("pbc8")
    >>> model.predict_proba(X).shape
    (4, 8)
    """
    if name not in _NAMES:
        raise ValueError(
            f"{name!r} is no model that comes with skblood; there is "
            f"{', '.join(map(repr, _NAMES))}. A file of your own is loaded by skblood.load."
        )
    model = load(_FOLDER / f"{name}.safetensors", device=device)
    # What it starts from, when it is fitted again, and what its scores are warned of for.
    return model.set_params(weights=READY_WEIGHTS)
