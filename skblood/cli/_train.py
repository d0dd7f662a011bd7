"""`skblood train`."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Option

from skblood.cli._data import Columns
from skblood.cli._options import (
    AsJson,
    Data,
    Device,
    LabelColumn,
    Overwrite,
    PathColumn,
    SplitColumn,
)
from skblood.cli._output import print_json
from skblood.cli._run import Outputs, fit, read_parts, score_test, summary_of, summary_text
from skblood.cli._settings import (
    Estimator,
    make_estimator,
    parse_settings,
    read_config,
    use_config,
)

_MODEL = {"rich_help_panel": "Model"}
_FURTHER = {"rich_help_panel": "Further output"}

_Out = Annotated[Path, Option(metavar="MODEL", help="The model file to write.")]
_Val = Annotated[
    str | None,
    Option(metavar="DATA", help="Images to find the best epoch, in place of the val part."),
]
_Test = Annotated[
    str | None, Option(metavar="DATA", help="Images for the score, in place of the test part.")
]
_Estimator = Annotated[Estimator, Option(**_MODEL, help="The class of the classifier.")]
_Backbone = Annotated[
    list[str] | None,
    Option(
        metavar="NAME",
        **_MODEL,
        help="A network of timm, torchvision/NAME, or one of ours, such as cellnet_s; for hybrid "
        "several times.",
    ),
]
_Size = Annotated[
    int | None,
    Option(min=1, metavar="PIXELS", **_MODEL, help="Height and width that images are brought to."),
]
_Epochs = Annotated[int | None, Option(min=1, **_MODEL, help="Epochs, at most.")]
_Seed = Annotated[int, Option(min=0, **_MODEL, help="The same seed gives the same model.")]
_Settings = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="NAME=VALUE",
        **_MODEL,
        help="Any parameter of the class: lr=1e-3, augment=none, dropout=0.2. "
        "Several times for several.",
    ),
]
_Config = Annotated[
    Path | None,
    Option(
        metavar="FILE",
        callback=use_config,
        is_eager=True,
        help="A TOML file: these options, without their dashes, and in a table called parameters "
        "what --set gives. The command line goes before it.",
    ),
]
_Memory = Annotated[
    Path | None,
    Option(metavar="FOLDER", help="Where decoded images and features are kept for other runs."),
]
_Resume = Annotated[bool, Option("--resume", help="Go on with this training if it was broken off.")]
_History = Annotated[
    Path | None, Option(metavar="FILE", **_FURTHER, help="A .csv or .parquet table of the epochs.")
]
_Plots = Annotated[
    Path | None,
    Option(metavar="FOLDER", **_FURTHER, help="Where to draw learning curves and confusions."),
]


def train(
    data: Data,
    out: _Out,
    val: _Val = None,
    test: _Test = None,
    estimator: _Estimator = Estimator.TRANSFER,
    backbone: _Backbone = None,
    image_size: _Size = None,
    epochs: _Epochs = None,
    seed: _Seed = 0,
    settings: _Settings = None,
    config: _Config = None,
    memory: _Memory = None,
    device: Device = "auto",
    resume: _Resume = False,
    history: _History = None,
    plots: _Plots = None,
    as_json: AsJson = False,
    overwrite: Overwrite = False,
    path_column: PathColumn = "path",
    label_column: LabelColumn = "label",
    split_column: SplitColumn = "split",
):
    """Train a classifier on images, and write it to a file.

    If DATA has the parts train, val and test, they are used: val to find the best epoch, test for
    the score that goes into the file. Without val, a part of the training images is set aside.

    Ctrl-C keeps the best so far as MODEL.partial, a model file like any other. Whatever broke a
    training off, the same command with --resume goes on from the last epoch, and gives what an
    unbroken training gives.

    Examples
    --------
    skblood train cells/ --out cells.skblood
    skblood train cells.csv --out cells.skblood --backbone resnet18 --set trainable=head
    skblood train cells/ --out cells.skblood --config train.toml --seed 1
    skblood train synthetic --out toy.skblood --estimator mlp --epochs 5
    """
    outputs = Outputs(out.expanduser(), history, plots)
    outputs.check(resume, overwrite)
    _, parameters = read_config(config)
    model = make_estimator(
        estimator.value,
        backbone,
        {"early_stopping": True, **parameters},
        parse_settings(settings or []),
        image_size=image_size,
        max_epochs=epochs,
        random_state=seed,
        memory=memory,
        device=device,
    )
    # A bar for a person who looks on; for a log, a line for each epoch.
    model.set_params(verbose=1 if sys.stderr.isatty() else 2)
    parts = read_parts(data, val, test, Columns(path_column, label_column, split_column))
    fit(model, parts, outputs, resume)
    report = score_test(model, parts, outputs)
    outputs.write_further(model, report)
    if as_json:
        print_json(summary_of(model, report, out))
    else:
        print(summary_text(model, report, out))
