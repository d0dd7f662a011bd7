"""PBC: 17,092 normal blood cells, as published."""

import os
import re
import shutil
import tempfile
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from skblood.datasets._bunch import as_dataset
from skblood.datasets._download import ensure_file, hold_lock, resolve_data_home
from skblood.datasets._folders import count_labels, list_class_folders

_NAME = "PBC_dataset_normal_DIB"
_URL = (
    "https://data.mendeley.com/public-files/datasets/snkd93bnjr/files/"
    "2fc38728-2ae7-4a62-a857-032af82334c3/file_downloaded"
)
# The one that the repository states; of 281,366,219 bytes.
_CHECKSUM = "sha256:6c50b82d1ab499b0b5a6beda0d0f75e6013df4a7233f116da354351ac10ca4f8"
# Images of each class, as counted by Acevedo et al. (2020).
_PUBLISHED = {
    "basophil": 1218,
    "eosinophil": 3117,
    "erythroblast": 1551,
    "ig": 2895,
    "lymphocyte": 1214,
    "monocyte": 1420,
    "neutrophil": 3329,
    "platelet": 2348,
}
# Not hidden: the archive also holds neutrophil/.DS_169665.jpg, which is no image.
_FILE_NAME = re.compile(r"\w[\w -]*\.jpe?g", re.IGNORECASE)
_SIZES = (28, 64, 128, 224)
# The recipe of BloodMNIST: this much of the centre, then resized.
_CROP = 200
# The originals have 359 pixels or more; what has less was resized, and the crop would be another.
_MIN_SIDE = 350
_MAX_THREADS = 16
_DESCRIPTION = """PBC: single normal cells of peripheral blood, 8 classes, about 360x363 pixels.

Source: Hospital Clinic of Barcelona, CellaVision DM96, May-Gruenwald-Giemsa stain.
https://data.mendeley.com/datasets/snkd93bnjr/1
Licence: CC BY 4.0.

Citation: A. Acevedo, A. Merino, S. Alferez, A. Molina, L. Boldu, J. Rodellar (2020). A dataset of
microscopic peripheral blood cell images for development of automatic recognition systems. Data in
Brief 30:105474.

BloodMNIST is made of these images: whoever trains on them has seen its test cells.
"""


def fetch_pbc(data_home=None, *, size=None, download=True, return_X_y=False):
    """Load PBC, all 17,092 originals, and download it the first time.

    PBC [1]_ holds single normal blood cells of eight classes, which BloodMNIST [2]_ shows in
    small. It has no patient or smear ids, and no split.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of the data. By default the environment variable ``SKBLOOD_DATA_HOME``, or
        ``~/skblood_data`` if that is not set. It holds the folder ``PBC_dataset_normal_DIB``
        with one folder per class; if it does not, that is extracted from
        ``PBC_dataset_normal_DIB.zip`` beside it, which is kept. Either may be put there by hand.
    size : {28, 64, 128, 224}, default=None
        Height and width of images made as those of BloodMNIST are: the 200 x 200 pixels in the
        centre of the original, resized (bicubic). None returns the paths of the originals, and
        decodes nothing.
    download : bool, default=True
        Whether the archive (281 MB) is downloaded if it is missing or damaged and the folder is
        not there. A download that was broken off is gone on with.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary whose entries are attributes as well:

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
            Source, licence, citation, and the images found, by class.
    (data, target) : tuple
        If `return_X_y` is True.

    Warns
    -----
    UserWarning
        If the numbers of images in the folder are not those published.

    Raises
    ------
    ValueError
        If `size` is none of the above, or a file is not of the original size.
    OSError
        If the folder is not there, and the archive is missing or damaged and could not, or should
        not, be downloaded. The message says where to get it and where to put it.

    See Also
    --------
    fetch_bloodmnist : The same cells in small, with a fixed split.
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
    import pandas as pd

    if size is not None and size not in _SIZES:
        raise ValueError(f"`size` must be None or one of {_SIZES}, got {size!r}.")
    folder = resolve_data_home(data_home) / _NAME
    if not folder.exists():
        _provide(folder, download)
    # Some tools extract an archive into a folder of its name.
    inner = folder / _NAME
    paths, labels = list_class_folders(inner if inner.is_dir() else folder)
    if different := _compare_counts(labels):
        warnings.warn(
            f"{str(folder)!r} does not hold PBC as published, but {different}. Is it whole?",
            stacklevel=2,
        )
    files = [os.path.basename(path) for path in paths]
    return as_dataset(
        paths if size is None else _read(paths, size),
        labels,
        description=f"{_DESCRIPTION}\nFound: {count_labels(labels)}.",
        return_X_y=return_X_y,
        target_names=list(_PUBLISHED),
        frame=pd.DataFrame(
            {"file": files, "label": labels, "subtype": [f.partition("_")[0] for f in files]}
        ),
    )


def _provide(folder, download):
    """Extract the archive, and download it before if it is not there."""
    archive = folder.with_name(f"{_NAME}.zip")
    ensure_file(archive, _URL, _CHECKSUM, download=download)
    with hold_lock(folder):
        if not folder.exists():  # another process may have been first
            _extract(archive, folder)


def _extract(archive, folder):
    """Extract the images to `folder`, which is there when it is whole.

    Of the names in the archive only those of a class and of an image are used: it cannot write
    elsewhere.
    """
    with (
        tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{_NAME}-") as temporary,
        zipfile.ZipFile(archive) as file,
    ):
        whole = Path(temporary, _NAME)
        for label in _PUBLISHED:
            (whole / label).mkdir(parents=True)
        for info in tqdm(file.infolist(), desc="Extracting PBC", unit=" files", delay=1):
            path = PurePosixPath(info.filename)
            if path.parent.name in _PUBLISHED and _FILE_NAME.fullmatch(path.name):
                with (
                    file.open(info) as source,
                    open(whole / path.parent.name / path.name, "wb") as target,
                ):
                    shutil.copyfileobj(source, target)
        whole.rename(folder)


def _compare_counts(labels):
    """Say which classes have another number of images than published; '' if none has."""
    found = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    return ", ".join(
        f"{label} {found.get(label, 0)} instead of {_PUBLISHED.get(label, 0)}"
        for label in sorted(_PUBLISHED.keys() | found.keys())
        if found.get(label, 0) != _PUBLISHED.get(label, 0)
    )


def _read(paths, size):
    """Return images of the recipe of BloodMNIST."""
    images = np.empty((len(paths), size, size, 3), np.uint8)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MAX_THREADS)) as pool:
        read = pool.map(lambda path: _read_one(path, size), paths)
        bar = tqdm(read, desc="Reading PBC", total=len(paths), unit=" images", delay=1)
        for i, image in enumerate(bar):
            images[i] = image
    return images


def _read_one(path, size):
    with Image.open(path) as image:
        if min(image.size) < _MIN_SIDE:
            raise ValueError(
                f"{str(path)!r} has {image.width} x {image.height} pixels; the originals of PBC "
                "have about 360 x 363. Use them, or pass size=None."
            )
        left, top = (image.width - _CROP) // 2, (image.height - _CROP) // 2
        cell = image.convert("RGB").crop((left, top, left + _CROP, top + _CROP))
        return np.asarray(cell.resize((size, size), Image.Resampling.BICUBIC))
