"""`skblood embed`."""

import io
from pathlib import Path
from typing import Annotated

import typer

from skblood.cli._data import find_images
from skblood.cli._options import Device, Overwrite
from skblood.cli._output import check_new, check_table, say, write, write_table


def embed(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL] IMAGES",
            help="A model file, unless --backbone is given; then image files, folders (with all "
            "below them), patterns such as 'new/**/*.png', or one npz file.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="A .npz, .csv or .parquet file to write.")
    ],
    backbone: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A backbone with its published weights, for a model."),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="PIXELS", help="With --backbone: the size that the images are given."
        ),
    ] = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
):
    """Write the features that a model, or a backbone, sees in images.

    An .npz file holds the arrays features (float32, a row for each image) and path; a table has
    the column path and one for each feature. Of a classifier, features are what its head is given.

    Examples
    --------
    skblood embed cells.skblood new/ --out features.npz
    skblood embed --backbone efficientnet_b0 new/ --out features.parquet
    """
    check_table(out, more=(".npz",))
    check_new([out], overwrite)
    if backbone is None:
        names, features = _by_model(images, device)
    else:
        names, features = _by_backbone(images, backbone, image_size, device)
    _write(out, names, features)
    say(f"{out}: {features.shape[1]} features of {len(names)} images.")


def _by_model(images, device):
    import skblood

    model_file, *images = images
    if not images:
        raise typer.BadParameter(
            "name a model file and images, or images and --backbone.", param_hint="IMAGES"
        )
    model = skblood.load(model_file, device=device)
    names, X = find_images(images)
    if hasattr(model, "transform"):
        return names, model.transform(X)
    if not hasattr(model, "net_"):
        raise TypeError(
            f"{model_file!r} holds a {type(model).__name__}. Features are had of an embedder or a "
            "classifier itself, not of a Pipeline."
        )
    return names, model._forward_all(
        model.net_.module_, model.net_.module_.encode, model._read_to_predict(X)
    )


def _by_backbone(images, backbone, image_size, device):
    from skblood import CellEmbedder
    from skblood.cli._settings import check

    embedder = CellEmbedder(backbone, image_size=image_size, device=device, random_state=0)
    check(embedder)
    names, X = find_images(images)
    return names, embedder.fit(X).transform(X)


def _write(out, names, features):
    import numpy as np
    import pandas as pd

    if out.suffix.lower() == ".npz":
        buffer = io.BytesIO()
        np.savez(buffer, features=features, path=np.array(names))
        write(out, buffer.getvalue())
        return
    columns = [f"feature_{i}" for i in range(features.shape[1])]
    frame = pd.DataFrame(features, columns=columns)
    frame.insert(0, "path", names)
    write_table(out, frame)
