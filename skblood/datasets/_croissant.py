"""A data set described for others: Croissant metadata, and the table that they refer to."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from skblood._typing import StrPath
from skblood._writing import printable, replace_file, to_utf8
from skblood.datasets._bunch import CellsBunch

_TABLE = "croissant_cells.csv"
_UNKNOWN = "application/octet-stream"
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
    cells: CellsBunch,
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
        Folder that holds all images, in sub-folders or not; it may be a link, or they reached
        by one. The two files are written here.
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
    TypeError
        If `cells` is not what a loader returns, such as ``(data, target)``.
    ValueError
        If `cells` holds pixels instead of paths, an image is not in `folder`, or a path, label,
        part or group holds bytes that are not UTF-8, which the files cannot.
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
    _check_texts(columns)
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
    if not isinstance(cells, Bunch) or "target" not in cells or cells.get("frame") is None:
        raise TypeError(
            "cells must be the Bunch that load_image_folder, load_csv or load_cells returns "
            f"without return_X_y=True, not an object of the type {type(cells).__name__}."
        )
    if "paths" not in cells:
        raise ValueError(
            "cells must hold paths of images, as load_image_folder and load_csv return them, not "
            "pixels. Save the images as files first."
        )
    root = folder.resolve()

    @cache  # of a folder, of which many images have the same
    def below_root(path):
        """Return a folder from the root, or None; links below the root are not followed."""
        parents = (each for each in (path, *path.parents) if each.resolve() == root)
        return next((path.relative_to(each) for each in parents), None)

    paths = [Path(os.path.abspath(path)) for path in cells.paths]
    folders = [below_root(path.parent) for path in paths]
    if outside := [path for path, each in zip(paths, folders, strict=True) if each is None]:
        raise ValueError(
            f"{len(outside)} images are not in {str(folder)!r}, the first being "
            f"{str(outside[0])!r}. Give the folder that holds all of them."
        )
    joined = zip(folders, paths, strict=True)
    return np.array([(each / path.name).as_posix() for each, path in joined], dtype=object)


def _check_texts(columns):
    """Raise ValueError unless all texts are UTF-8."""
    for name, values in columns.items():
        if wrong := [text for text in map(str, values) if to_utf8(text) != text]:
            raise ValueError(
                f"{len(wrong)} texts of the column {name!r} are not UTF-8, the first being "
                f"'{printable(wrong[0], keep='')}'. Rename the files or folders, or correct the "
                "table."
            )


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
    """Return a set of files for each suffix of the images; those without are in the table only."""
    from PIL import Image

    formats = Image.registered_extensions()
    return [
        {
            **_node("FileSet", f"images{suffix}"),
            "encodingFormat": Image.MIME.get(formats.get(suffix.lower()), _UNKNOWN),
            "includes": f"**/*{suffix}",
        }
        for suffix in sorted({Path(path).suffix for path in paths})
        if suffix
    ]


def _describe_field(column):
    kind, description = _FIELDS[column]
    source = {"fileObject": {"@id": _TABLE}, "extract": {"column": column}}
    described = {"description": description, "dataType": kind, "source": source}
    return {**_node("Field", column, f"cells/{column}"), **described}
