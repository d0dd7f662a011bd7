"""`skblood embed`."""

import io
from pathlib import Path

import typer

from skblood.cli import _batches, _classifier, _data, _output, _settings, _shards


def embed(
    words: list[str],
    *,
    out: Path,
    workers: _shards.Workers,
    backbone: str | None = None,
    image_size: int | None = None,
    device: str = "auto",
    files: _data.Files,
    on_error: _data.ErrorMode = _data.ErrorMode.RAISE,
    output: _output.Output,
):
    """Write the features of images from a model or a backbone.

    An .npz file holds the arrays features (float32, a row per image) and path; a table has the
    column path and one per feature. The features of a classifier are what its head is given.
    Of millions of images, write a folder of Parquet files: --out with a name without a suffix. The
    command may be stopped or killed at any time; the same command goes on where it was. There,
    --on-error skip writes rows without features.
    --image-size goes with --backbone.

    Parameters
    ----------
    words : [MODEL] IMAGES
        A model file, or --backbone; then image files, folders (with all subfolders), patterns such
        as 'new/**/*.png', csv files with the column path, or one npz file in the MedMNIST format.
    out : FILE or FOLDER
        A .npz, .csv or .parquet file to write, or a folder of Parquet files.
    backbone : NAME
        A backbone with its published weights, instead of MODEL.

    Examples
    --------
    skblood embed cells.skblood new/ --out features.npz
    skblood embed --backbone efficientnet_b0 new/ --out features.parquet
    skblood embed cells.skblood 'shards/*.tar' --out features/ --workers 8
    """
    suffixes = (".csv", ".parquet", ".npz")
    is_folder = workers.is_folder(out, suffixes)
    if not is_folder:
        output.reserve_table(out, suffixes=suffixes)
    if backbone is None and len(words) == 1:
        raise typer.BadParameter("name a model file and images, or images and --backbone.")
    if is_folder:
        model, images = _open_model(words, backbone, image_size, device)
        if backbone is not None:
            model.fit(_batches.Batches(images, files).sample.items)
        about = {"task": "embed", "on_error": on_error.value}
        return _shards.write_folder(model, images, out, workers, files, output, **about)
    if backbone is None:
        _data.check_words(words, on_error, files.list_columns())
    import numpy as np
    import pandas as pd

    names, features = _embed(words, backbone, image_size, device, files, on_error)
    if out.suffix.lower() == ".npz":
        buffer = io.BytesIO()
        np.savez(buffer, features=features, path=np.array(names))
        output.write_content(out, buffer.getvalue())
    else:
        frame = pd.DataFrame(features).add_prefix("feature_")
        frame.insert(0, "path", names)
        output.write_table(out, frame)
    _output.say(f"{out}: {features.shape[1]} features of {len(names)} images.")
    output.show({"path": str(out), "n_images": len(names), "n_features": features.shape[1]})


def _open_model(words, backbone, image_size, device):
    """Return the model, or an embedder that is not fitted, and the words that name images."""
    from skblood.estimators import CellEmbedder

    if backbone is None:
        path, *words = words
        return _classifier.load_model(path, _classifier.Model(device=device)), words
    options = {"backbone": backbone, "image_size": image_size, "device": device}
    return _settings.set_parameters(CellEmbedder(), random_state=0, **options), words


def _embed(words, backbone, image_size, device, files, on_error):
    """Return the names of the images, and their features."""
    model, words = _open_model(words, backbone, image_size, device)
    cells, _ = _data.leave_out_unreadable(_data.find_images(words, files), on_error)
    names = _data.name_images(cells)
    if backbone is not None:
        return names, model.fit_transform(cells.X)
    from skblood.streaming import embed_images

    return names, embed_images(model, cells.X)
