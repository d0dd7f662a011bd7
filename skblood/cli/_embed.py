"""`skblood embed`."""

import io

import typer

from skblood.cli import _options as option
from skblood.cli._data import find_images
from skblood.cli._output import check_new, check_table, say, write, write_table
from skblood.cli._settings import check_parameters


def embed(
    words: option.EmbedImages,
    out: option.Features,
    backbone: option.Backbone = None,
    image_size: option.ImageSize = None,
    device: option.Device = "auto",
    overwrite: option.Overwrite = False,
):
    """Write the features of images from a model or a backbone.

    An .npz file holds the arrays features (float32, a row per image) and path; a table has the
    column path and one per feature. The features of a classifier are what its head is given.
    --image-size goes with --backbone.

    \b
    Examples:
      skblood embed cells.skblood new/ --out features.npz
      skblood embed --backbone efficientnet_b0 new/ --out features.parquet
    """  # noqa: D301
    import numpy as np
    import pandas as pd

    check_table(out, suffixes=(".csv", ".parquet", ".npz"))
    check_new([out], overwrite)
    embed_by = _embed_by_model if backbone is None else _embed_by_backbone
    names, features = embed_by(words, backbone, image_size, device)
    if out.suffix.lower() == ".npz":
        buffer = io.BytesIO()
        np.savez(buffer, features=features, path=np.array(names))
        write(out, buffer.getvalue())
    else:
        frame = pd.DataFrame(features).add_prefix("feature_")
        frame.insert(0, "path", names)
        write_table(out, frame)
    say(f"{out}: {features.shape[1]} features of {len(names)} images.")


def _embed_by_backbone(images, backbone, image_size, device):
    from skblood import CellEmbedder

    embedder = CellEmbedder(backbone, image_size=image_size, device=device, random_state=0)
    check_parameters(embedder)
    names, X = find_images(images)
    return names, embedder.fit_transform(X)


def _embed_by_model(words, backbone, image_size, device):
    import skblood

    file, *images = words
    if not images:
        raise typer.BadParameter(
            "name a model file and images, or images and --backbone.", param_hint="IMAGES"
        )
    model = skblood.load(file, device=device)
    names, X = find_images(images)
    if hasattr(model, "transform"):
        return names, model.transform(X)
    if not hasattr(model, "predictor_"):
        raise TypeError(
            f"{file!r} holds a {type(model).__name__}. `skblood embed` takes an embedder or a "
            "classifier itself, not a Pipeline."
        )
    return names, model.predictor_.features(model.read_images(X))
