"""Arguments and options of the commands."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

ErrorMode = StrEnum("ErrorMode", {"RAISE": "raise", "SKIP": "skip"})


class Estimator(StrEnum):
    """Class of a classifier -> value of --estimator."""

    TransferCellClassifier = "transfer"
    MLPCellClassifier = "mlp"
    HybridFeatureClassifier = "hybrid"
    ContrastiveCellClassifier = "contrastive"


def _argument(kind, metavar, text):
    return Annotated[kind, Argument(metavar=metavar, help=text)]


def _option(kind, metavar, text, *names, **more):
    return Annotated[kind, Option(*names, metavar=metavar, help=text, **more)]


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

Data = _argument(str, "DATA", _DATA)
Model = _argument(Path, "MODEL", "A file written by `skblood train` or skblood.save.")
ModelAndData = _argument(list[str], "[MODEL] DATA", f"{_PRETRAINED} Then the data. {_DATA}")
ModelAndImages = _argument(list[str], "[MODEL] IMAGES", f"{_PRETRAINED} Then {_IMAGES}")
EmbedImages = _argument(list[str], "[MODEL] IMAGES", f"A model file, or --backbone; then {_IMAGES}")
OnnxOut = _argument(Path, "OUT.onnx", "The file to write.")

# Several commands.
Device = _option(str, "NAME", "cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one.")
AsJson = _option(bool, None, "Print one JSON document as the only result.", "--json")
Overwrite = _option(bool, None, "Replace existing files.", "--overwrite")
PathColumn = _option(str, "NAME", "Column of a csv file: image files.")
LabelColumn = _option(str, "NAME", "Column of a csv file: labels.")
SplitColumn = _option(str, "NAME", "Column of a csv file: part of each image, if present.")
GroupColumn = _option(str | None, "NAME", "Column of a csv file: slide or patient of each image.")
Table = _option(Path | None, "FILE", "A .csv or .parquet file to write.")
ImageSize = _option(int | None, "PIXELS", "Height and width that images are resized to.", min=1)
_CROP = (
    "Share of each side to keep, around the center, instead of that of the model (above 1: the "
    "image continues as its mirror image). Cells must fill the image as they did in training: "
    "0.556 for the originals of PBC, if that was on BloodMNIST."
)
Crop = _option(float | None, "SHARE", _CROP)
OnError = _option(ErrorMode, None, "raise: name unreadable images, and fail. skip: empty rows.")

# train
ModelOut = _option(Path, "MODEL", "The model file to write.")
Val = _option(str | None, "DATA", "Validation images, instead of the val part of DATA.")
Test = _option(str | None, "DATA", "Test images, instead of the test part of DATA.")
EstimatorName = _option(Estimator, None, "The class of the classifier.")
_BACKBONES = "A network of timm, torchvision/NAME, or cellnet_s and others; repeat for hybrid."
Backbones = _option(list[str] | None, "NAME", _BACKBONES)
Epochs = _option(int | None, None, "Maximum number of epochs.", min=1)
Seed = _option(int, None, "Seed; the same seed gives the same model.", min=0)
_SETTINGS = "Any parameter of the class, e.g. lr=1e-3, augment=none. Repeat for several."
Settings = _option(list[str] | None, "NAME=VALUE", _SETTINGS, "--set")
Memory = _option(Path | None, "FOLDER", "Cache of decoded images and features for other runs.")
Resume = _option(bool, None, "Continue this training if it was interrupted.", "--resume")
History = _option(Path | None, "FILE", "A .csv or .parquet table of the epochs to write.")
Plots = _option(Path | None, "FOLDER", "Write the learning curves and the confusion matrix here.")

# evaluate, embed, audit, info, datasets
Split = _option(str | None, "NAME", "Part to evaluate on, or all; by default, test.")
Results = _option(Path | None, "FOLDER", "Write tables, metrics and pictures here.")
Features = _option(Path, "FILE", "A .npz, .csv or .parquet file to write.")
Backbone = _option(str | None, "NAME", "A backbone with its published weights, instead of MODEL.")
Fail = _option(bool, None, "Exit with 1 if copies or groups cross the split.", "--fail")
Card = _option(bool, None, "Print the model card (Markdown).", "--card")
DataHome = _option(Path | None, "FOLDER", "By default, $SKBLOOD_DATA_HOME, or ~/skblood_data.")

# skblood
Traceback = _option(bool, None, "Print the Python traceback of an error.", "--traceback")
