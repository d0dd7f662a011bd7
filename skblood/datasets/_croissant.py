"""A data set described for others: Croissant metadata, and the table that they refer to."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from skblood._typing import Dataset, StrPath
from skblood._writing import replace_file

_TABLE = "croissant_cells.csv"
_TERMS = (
    "citeAs column extract field fileObject fileProperty fileSet format includes isLiveDataset "
    "jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate "
    "separator source subField transform"
)
# As the specification gives it.
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "sc": "https://schema.org/",
    **{term: f"cr:{term}" for term in _TERMS.split()},
}
# Column of the table: type of its values, and what it is.
_FIELDS = {
    "path": ("sc:Text", "Path of the image, from the folder of this file."),
    "label": (["sc:Text", "cr:Label"], "Class of the cell."),
    "split": (["sc:Text", "cr:Split"], "Part of the data set."),
    "group": ("sc:Text", "Patient, slide or cell that several images share."),
}


def write_croissant(
    cells: Dataset,
    folder: StrPath,
    *,
    name: str,
    description: str,
    license: str,
    url: str,
    cite_as: str | None = None,
) -> Path:
    """Describe a folder of images by Croissant metadata, so that others find and read them.

    Croissant [1]_ is a JSON-LD file that search engines index and that PyTorch, TensorFlow and
    Hugging Face read. ``croissant.json`` names the data set, its license and its images, and the
    table ``croissant_cells.csv`` beside it, with its SHA-256: the path, label and, where they are
    known, part and group of each image. Both are replaced if they exist; no image is read.

    Parameters
    ----------
    cells : Bunch
        What a loader of paths returns: :func:`load_image_folder`, :func:`load_csv`,
        :func:`load_cells`.
    folder : str or path-like
        Folder that holds all images, in sub-folders or not. The two files are written here.
    name, description : str
        Of the data set.
    license : str
        Its URL, such as ``"https://creativecommons.org/licenses/by/4.0/"``, or its SPDX name.
    url : str
        Where the data set is, or will be, published.
    cite_as : str, default=None
        How to cite it.

    Returns
    -------
    path : pathlib.Path
        ``croissant.json`` in `folder`.

    Raises
    ------
    ValueError
        If `cells` holds pixels instead of paths, or an image is not in `folder`.
    OSError
        If a file cannot be written.

    See Also
    --------
    load_csv : Reads the table, too.

    References
    ----------
    .. [1] Akhtar et al. (2024). Croissant: a metadata format for ML-ready datasets. DEEM workshop.
       Format 1.0, http://mlcommons.org/croissant/1.0

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from skblood.datasets import load_image_folder, make_blood_cells, write_croissant
    >>> X, y = make_blood_cells(4, image_size=16, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i, (image, label) in enumerate(zip(X, y)):
    ...         Path(folder, label).mkdir(exist_ok=True)
    ...         Image.fromarray(image).save(Path(folder, label, f"{i}.png"))
    ...     path = write_croissant(
    ...         load_image_folder(folder),
    ...         folder,
    ...         name="synthetic",
    ...         description="Synthetic blood cells.",
    ...         license="https://creativecommons.org/publicdomain/zero/1.0/",
    ...         url="https://example.org/synthetic",
    ...     )
    ...     [field["name"] for field in json.loads(path.read_text())["recordSet"][0]["field"]]
    ['path', 'label']
    """
    import pandas as pd

    folder = Path(folder).expanduser()
    columns = {"path": _relative_paths(cells, folder), "label": cells.target}
    if "split" in cells.frame:
        columns["split"] = cells.frame["split"].to_numpy()
    if "groups" in cells:
        columns["group"] = cells.groups
    table = pd.DataFrame(columns).to_csv(index=False, lineterminator="\n").encode()
    metadata = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": description,
        "license": license,
        "url": url,
        "distribution": [_describe_table(table), *_describe_images(columns["path"])],
        "recordSet": [{**_node("RecordSet", "cells"), "field": [*map(_describe_field, columns)]}],
    }
    metadata |= {} if cite_as is None else {"citeAs": cite_as}
    replace_file(folder / _TABLE, table)
    content = json.dumps(metadata, indent=2, ensure_ascii=False, allow_nan=False)
    return replace_file(folder / "croissant.json", f"{content}\n".encode())


def _relative_paths(cells, folder):
    """Return the paths of the images, from the folder."""
    if "paths" not in cells:
        raise ValueError(
            "cells must hold paths of images, as load_image_folder and load_csv return them, not "
            "pixels. Save the images as files first."
        )
    root = os.path.abspath(folder)
    paths = [Path(os.path.relpath(path, root)).as_posix() for path in cells.paths]
    if outside := [path for path in paths if path.startswith("../") or os.path.isabs(path)]:
        raise ValueError(
            f"{len(outside)} images are not in {str(folder)!r}, the first being {outside[0]!r}. "
            "Give the folder that holds all of them."
        )
    return np.array(paths)


def _node(kind, name, identifier=None):
    return {"@type": f"cr:{kind}", "@id": identifier or name, "name": name}


def _describe_table(table):
    return {
        **_node("FileObject", _TABLE),
        "contentUrl": _TABLE,
        "contentSize": f"{len(table)} B",
        "encodingFormat": "text/csv",
        "sha256": hashlib.sha256(table).hexdigest(),
    }


def _describe_images(paths):
    """Return a set of files for each suffix of the images."""
    suffixes = sorted({Path(path).suffix for path in paths})
    return [
        {
            **_node("FileSet", f"images{suffix}"),
            "encodingFormat": f"image/{suffix.lower().lstrip('.')}",
            "includes": f"**/*{suffix}",
        }
        for suffix in suffixes
    ]


def _describe_field(column):
    kind, description = _FIELDS[column]
    source = {"fileObject": {"@id": _TABLE}, "extract": {"column": column}}
    described = {"description": description, "dataType": kind, "source": source}
    return {**_node("Field", column, f"cells/{column}"), **described}
