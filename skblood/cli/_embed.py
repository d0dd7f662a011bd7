"""`skblood embed`."""

import io

import typer

from skblood.cli import _data, _options, _output, _settings


def embed(
    words: _options.EmbedImages,
    out: _options.Features,
    backbone: _options.Backbone = None,
    image_size: _options.ImageSize = None,
    device: _options.Device = "auto",
    overwrite: _options.Overwrite = False,
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
    _output.check_table(out, overwrite, suffixes=(".csv", ".parquet", ".npz"))
    names, features = _embed(words, backbone, image_size, device)
    _write(out, names, features)
    _output.say(f"{out}: {features.shape[1]} features of {len(names)} images.")


def _embed(words, backbone, image_size, device):
    """Return the names of the images, and their features."""
    from skblood.estimators import CellEmbedder
    from skblood.io import load

    if backbone is not None:
        options = {"backbone": backbone, "image_size": image_size, "device": device}
        model = _settings.set_parameters(CellEmbedder(), random_state=0, **options)
        names, X = _data.find_images(words)
        return names, model.fit_transform(X)
    file, *images = words
    if not images:
        raise typer.BadParameter("name a model file and images, or images and --backbone.")
    model = load(file, device=device)
    names, X = _data.find_images(images)
    if hasattr(model, "transform"):
        return names, model.transform(X)
    if not hasattr(model, "predictor_"):
        raise TypeError(
            f"{file!r} holds a {type(model).__name__}: name an embedder or a classifier itself."
        )
    return names, model.predictor_.features(model.read_images(X))


def _write(out, names, features):
    """Write the features and the names of the images."""
    import numpy as np
    import pandas as pd

    if out.suffix.lower() == ".npz":
        buffer = io.BytesIO()
        np.savez(buffer, features=features, path=np.array(names))
        _output.write(out, buffer.getvalue())
    else:
        frame = pd.DataFrame(features).add_prefix("feature_")
        frame.insert(0, "path", names)
        _output.write_table(out, frame)
