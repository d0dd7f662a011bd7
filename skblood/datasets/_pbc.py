"""The PBC data set: 17,092 normal blood cells."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from skblood._typing import StrPath
from skblood._writing import list_some, lock
from skblood.datasets._bunch import Dataset, as_dataset, read_description, warn_if_incomplete
from skblood.datasets._cell_sampling import CLASSES
from skblood.datasets._download import ensure_file, resolve_data_home
from skblood.datasets._folders import list_class_folders
from skblood.images import map_images

_NAME = "PBC_dataset_normal_DIB"
_URL = (
    "https://data.mendeley.com/public-files/datasets/snkd93bnjr/files/"
    "2fc38728-2ae7-4a62-a857-032af82334c3/file_downloaded"
)
# As stated by the repository; the file has 281,366,219 bytes.
_CHECKSUM = "sha256:6c50b82d1ab499b0b5a6beda0d0f75e6013df4a7233f116da354351ac10ca4f8"
# Images of each class (Acevedo et al. 2020).
_COUNTS = (1218, 3117, 1551, 2895, 1214, 1420, 3329, 2348)
_PUBLISHED = dict(zip(CLASSES, _COUNTS, strict=True))
SIZES = (28, 64, 128, 224)
# BloodMNIST is cropped to this many pixels, then resized.
_CROP = 200
# Originals have at least 359 pixels. Smaller images were resized, so that the crop would be wrong.
_MIN_SIDE = 350


def fetch_pbc(
    data_home: StrPath | None = None,
    *,
    size: Literal[28, 64, 128, 224] | None = None,
    download: bool = True,
    return_X_y: bool = False,
) -> Dataset:
    """Load the 17,092 original images of PBC; download them on the first call.

    PBC [1]_ holds single normal blood cells of eight classes. BloodMNIST [2]_ holds the same
    images, cropped and resized. PBC has no patient or smear ids, and no split.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of the data. None means the environment variable ``SKBLOOD_DATA_HOME``, or
        ``~/skblood_data`` if it is not set. The images are in its folder
        ``PBC_dataset_normal_DIB``, which is extracted from ``PBC_dataset_normal_DIB.zip`` if it
        does not exist. Either may be placed there by hand.
    size : {28, 64, 128, 224}, default=None
        Height and width of the images, if prepared as in BloodMNIST: the 200 x 200 pixels in the
        center of the original, resized (bicubic). None returns the paths of the originals.
    download : bool, default=True
        Whether to download the archive (281 MB) if it is needed and missing or damaged.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary with attribute access:

        data : ndarray of str of shape (17092,) or of uint8 of shape (17092, size, size, 3)
            Paths or images (0..255), sorted by class and then by file name. Also as ``paths`` or
            ``images``.
        target : ndarray of str of shape (17092,)
            Classes: basophil, eosinophil, erythroblast, ig (immature granulocytes), lymphocyte,
            monocyte, neutrophil, platelet.
        target_names : ndarray of str of shape (8,)
            These eight.
        frame : DataFrame with 17092 rows
            Columns ``file`` (the name), ``label`` and ``subtype`` (its prefix: BNE and SNE are
            band and segmented neutrophils; MMY, MY and PMY metamyelocytes, myelocytes and
            promyelocytes).
        DESCR : str
            Source, license, citation, and the number of images of each class.
    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    ValueError
        If `size` is none of the above, or a file cannot be read or has not the original size.
    OSError
        If the archive is missing or damaged, and `download` is False or fails. The message says
        how to place the archive by hand.

    Warns
    -----
    UserWarning
        If the number of images of a class differs from the published one.

    See Also
    --------
    fetch_bloodmnist : The same cells at 28 to 224 px, with a fixed split.
    load_image_folder : Any folder of images.

    References
    ----------
    .. [1] Acevedo et al. (2020). A dataset of microscopic peripheral blood cell images for
       development of automatic recognition systems. Data in Brief 30:105474.
    .. [2] Yang et al. (2023). MedMNIST v2 - A large-scale lightweight benchmark for 2D and 3D
       biomedical image classification. Scientific Data 10:41.

    Examples
    --------
    >>> from skblood.datasets import fetch_pbc
    >>> cells = fetch_pbc()  # doctest: +SKIP
    >>> cells.data.shape, cells.frame["subtype"].nunique()  # doctest: +SKIP
    ((17092,), 13)
    >>> X, y = fetch_pbc(size=64, return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (17092, 64, 64, 3)
    """
    if size is not None and size not in SIZES:
        raise ValueError(f"`size` must be None or one of {SIZES}, got {size!r}.")
    folder = resolve_data_home(data_home) / _NAME
    if not folder.exists():
        _extract(folder, download)
    inner = folder / _NAME  # some tools extract an archive into a folder of its name
    paths, labels = list_class_folders(inner if inner.is_dir() else folder)
    warn_if_incomplete(folder, Counter(labels.tolist()), _PUBLISHED)
    files = [os.path.basename(path) for path in paths]
    frame = {"file": files, "label": labels, "subtype": [f.partition("_")[0] for f in files]}
    X, description = paths if size is None else _read(paths, size), read_description("pbc")
    return as_dataset(X, labels, description, return_X_y, target_names=CLASSES, frame=frame)


def _extract(folder, download):
    """Extract the verified archive to the folder, which appears once it is complete."""
    archive = folder.with_name(f"{_NAME}.zip")
    ensure_file(archive, _URL, _CHECKSUM, download=download)
    with (
        lock(folder),
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{_NAME}-") as temporary,
        zipfile.ZipFile(archive) as file,
    ):
        if not folder.exists():  # another process may have extracted it meanwhile
            file.extractall(temporary)
            Path(temporary, _NAME).rename(folder)


def _read(paths, size):
    """Return images as prepared for BloodMNIST."""
    images, unreadable = map_images(partial(_crop_and_resize, size=size), paths)
    if unreadable:
        reasons = list_some(f"{paths[i]}: {why}" for i, why in unreadable.items())
        raise ValueError(
            f"{len(unreadable)} images cannot be used. Replace them by the originals of PBC, or "
            f"pass size=None:\n{reasons}"
        )
    return np.stack(images)


def _crop_and_resize(image, size):
    height, width = image.shape[:2]
    if min(height, width) < _MIN_SIDE:
        raise ValueError(f"{width} x {height} pixels, but the originals have about 360 x 363")
    top, left = (height - _CROP) // 2, (width - _CROP) // 2
    cell = Image.fromarray(image[top : top + _CROP, left : left + _CROP])
    return np.asarray(cell.resize((size, size), Image.Resampling.BICUBIC))
