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
        as 'new/**/*.png', tables with the column path, tar files in the WebDataset form, or one npz
        file in the MedMNIST format.
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
    if backbone is None:
        _data.check_words(words, on_error, files.list_columns())
    model, words = _open_model(words, backbone, image_size, device)
    images = _batches.Images(words, files)
    if backbone is not None:
        model.fit(images.survey.sample)
    if is_folder:
        about = {"task": "embed", "on_error": on_error.value}
        return _shards.write_folder(model, words, out, workers, files, output, **about)
    rows = _batches.Rows(model, images, on_error, task="embed")
    tables = _leave_out_unreadable(rows)
    if out.suffix.lower() == ".npz":
        n_features = _write_arrays(out, tables, output)
    else:
        with output.table_writer(out) as add:
            for table in tables:
                add(table)
        n_features = table.shape[1] - 1
    n_images = rows.n_images - rows.n_unreadable
    _output.say(f"{out}: {n_features} features of {n_images} images.")
    output.show({"path": str(out), "n_images": n_images, "n_features": n_features})


def _open_model(words, backbone, image_size, device):
    """Return the model, or an embedder that is not fitted, and the words that name images."""
    from skblood.estimators import CellEmbedder

    if backbone is None:
        path, *words = words
        return _classifier.load_model(path, _classifier.Model(device=device)), words
    options = {"backbone": backbone, "image_size": image_size, "device": device}
    return _settings.set_parameters(CellEmbedder(), random_state=0, **options), words


def _leave_out_unreadable(rows):
    """Yield tables without rows of unreadable images, which are named at the end."""
    for table in rows:
        yield table[table["error"] == ""].drop(columns="error") if "error" in table else table
    left_out = f" and are left out:\n{rows.unreadable}"
    _data.tell_unreadable(rows.n_unreadable, rows.n_images, left_out)
    if rows.n_unreadable == rows.n_images:
        raise ValueError("No image is left.")


def _write_arrays(out, tables, output):
    """Write an npz file, and return the number of features."""
    import numpy as np
    import pandas as pd

    table, buffer = pd.concat(tables, ignore_index=True), io.BytesIO()
    paths = np.array(table.pop("path").tolist())
    np.savez(buffer, features=table.to_numpy(np.float32), path=paths)
    output.write_content(out, buffer.getvalue())
    return table.shape[1]
