"""Arguments and options of the commands."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

ErrorMode = StrEnum("ErrorMode", {"RAISE": "raise", "SKIP": "skip"})
Estimator = StrEnum(
    "Estimator", {name.upper(): name for name in ("transfer", "mlp", "hybrid", "contrastive")}
)


def _option(kind, metavar, text, *names, **more):
    return Annotated[kind, Option(*names, metavar=metavar, help=text, **more)]


def _flag(name, text):
    return Annotated[bool, Option(name, help=text)]


_DATA = (
    "A folder with one subfolder per class, optionally within train, val and test; a csv file with "
    "the columns path, label and optionally split; an npz file in the MedMNIST format; or a name: "
    "bloodmnist and pbc (downloaded), or synthetic (drawn cells, to try things out)."
)
_IMAGES = (
    "image files, folders (with all subfolders), patterns such as 'new/**/*.png', or one npz file "
    "in the MedMNIST format."
)
_PRETRAINED = "A model file; by default, the pretrained model."

Data = Annotated[str, Argument(metavar="DATA", help=_DATA)]
Model = Annotated[
    Path, Argument(metavar="MODEL", help="A file written by `skblood train` or skblood.save.")
]
ModelAndData = Annotated[
    list[str], Argument(metavar="[MODEL] DATA", help=f"{_PRETRAINED} Then the data. {_DATA}")
]
ModelAndImages = Annotated[
    list[str], Argument(metavar="[MODEL] IMAGES", help=f"{_PRETRAINED} Then {_IMAGES}")
]
EmbedImages = Annotated[
    list[str],
    Argument(metavar="[MODEL] IMAGES", help=f"A model file, or --backbone; then {_IMAGES}"),
]

# Several commands.
Device = _option(str, "NAME", "cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one.")
AsJson = _flag("--json", "Print one JSON document as the only result.")
Overwrite = _flag("--overwrite", "Replace existing files.")
PathColumn = _option(str, "NAME", "Column of a csv file: image files.")
LabelColumn = _option(str, "NAME", "Column of a csv file: labels.")
SplitColumn = _option(str, "NAME", "Column of a csv file: part of each image, if present.")
GroupColumn = _option(str | None, "NAME", "Column of a csv file: slide or patient of each image.")
Table = _option(Path | None, "FILE", "A .csv or .parquet file to write.")
ImageSize = _option(int | None, "PIXELS", "Height and width that images are resized to.", min=1)
Crop = _option(
    float | None,
    "SHARE",
    "Share of each side to keep, around the center, instead of that of the model (above 1: the "
    "image continues as its mirror image). Cells must fill the image as they did in training: "
    "0.556 for the originals of PBC, if that was on BloodMNIST.",
)
OnError = _option(
    ErrorMode, None, "raise: list the unreadable images and fail. skip: leave their rows empty."
)

# train
ModelOut = _option(Path, "MODEL", "The model file to write.")
Val = _option(str | None, "DATA", "Validation images, instead of the val part of DATA.")
Test = _option(str | None, "DATA", "Test images, instead of the test part of DATA.")
EstimatorName = _option(Estimator, None, "The class of the classifier.")
Backbones = _option(
    list[str] | None,
    "NAME",
    "A network of timm, torchvision/NAME, or one of skblood, e.g. cellnet_s; repeat for hybrid.",
)
Epochs = _option(int | None, None, "Maximum number of epochs.", min=1)
Seed = _option(int, None, "Seed; the same seed gives the same model.", min=0)
Settings = _option(
    list[str] | None,
    "NAME=VALUE",
    "Any parameter of the class, e.g. lr=1e-3, augment=none, dropout=0.2. Repeat for several.",
    "--set",
)
Memory = _option(Path | None, "FOLDER", "Cache of decoded images and features for other runs.")
Resume = _flag("--resume", "Continue this training if it was interrupted.")
History = _option(Path | None, "FILE", "A .csv or .parquet table of the epochs to write.")
Plots = _option(Path | None, "FOLDER", "Write the learning curves and the confusion matrix here.")

# evaluate, embed, audit, info
Split = _option(str | None, "NAME", "Part to evaluate on, or all; by default, test.")
Folder = _option(Path | None, "FOLDER", "Write tables, metrics and pictures here.")
Features = _option(Path, "FILE", "A .npz, .csv or .parquet file to write.")
Backbone = _option(str | None, "NAME", "A backbone with its published weights, instead of MODEL.")
Fail = _flag("--fail", "Exit with 1 if copies or groups cross the split.")
Card = _flag("--card", "Print the model card (Markdown).")
