"""The options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

ErrorMode = StrEnum("ErrorMode", {"RAISE": "raise", "SKIP": "skip"})

_DATA = (
    "A folder with one sub-folder per class, maybe within train, val and test; a csv file with the "
    "columns path, label and maybe split; an npz file in the MedMNIST format; or a name: "
    "bloodmnist and pbc (which are fetched), or synthetic (drawn cells, to try things out)."
)
Data = Annotated[str, typer.Argument(metavar="DATA", help=_DATA)]
ModelAndData = Annotated[
    list[str],
    typer.Argument(
        metavar="[MODEL] DATA",
        help=f"A model file, without which the ready model is taken; then the data. {_DATA}",
    ),
]
Model = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A file that `skblood train` or skblood.save wrote.")
]
ModelAndImages = Annotated[
    list[str],
    typer.Argument(
        metavar="[MODEL] IMAGES",
        help="A model file, without which the ready model is taken; then image files, folders "
        "(with all below them), patterns such as 'new/**/*.png', or one npz file in the MedMNIST "
        "format.",
    ),
]
Device = Annotated[
    str, typer.Option(metavar="NAME", help="cpu, cuda, cuda:1, mps; auto takes what there is.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, and nothing else, as the result.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")]

OnError = Annotated[
    ErrorMode,
    typer.Option(help="raise: name what cannot be read, and fail. skip: leave its row empty."),
]

Crop = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        help="Take this share of each side, around the centre (above 1: with mirror images beyond "
        "the edges), not that of the model. Cells must fill the picture as they did in training: "
        "0.556 of PBC's originals, where that was on BloodMNIST.",
    ),
]

_PANEL = "Columns of a csv file"
PathColumn = Annotated[
    str, typer.Option(metavar="NAME", rich_help_panel=_PANEL, help="The image files.")
]
LabelColumn = Annotated[
    str, typer.Option(metavar="NAME", rich_help_panel=_PANEL, help="The labels.")
]
SplitColumn = Annotated[
    str,
    typer.Option(
        metavar="NAME", rich_help_panel=_PANEL, help="The part of each image, if there is one."
    ),
]
GroupColumn = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", rich_help_panel=_PANEL, help="The slide or patient of each image."
    ),
]
