"""Files in the MedMNIST format, and BloodMNIST."""

import os
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from skblood.datasets._bunch import as_dataset
from skblood.datasets._download import ensure_file, resolve_data_home
from skblood.datasets._folders import count_labels

SPLITS = ("train", "val", "test")
_SIZES = (28, 64, 128, 224)
# What a damaged archive makes numpy and zipfile raise: of an unknown compression a RuntimeError, of
# a header that is no Python literal a TokenError.
_DAMAGE = (
    *(ValueError, EOFError, OSError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)
# The package's long label, whose text lists what the class holds, is unfit for a plot or a table.
_SHORT_NAMES = {"immature granulocytes(myelocytes, metamyelocytes and promyelocytes)": "ig"}
_DESCRIPTION = """BloodMNIST: single normal cells of peripheral blood, 8 classes, official split.

Source: the images of PBC (Acevedo et al.), cropped and resized by MedMNIST, {size}x{size} pixels.
{url}
Licence: CC BY 4.0.

Citations: J. Yang, R. Shi, D. Wei, Z. Liu, L. Zhao, B. Ke, H. Pfister, B. Ni (2023). MedMNIST v2 -
A large-scale lightweight benchmark for 2D and 3D biomedical image classification. Scientific Data
10:41.
A. Acevedo, A. Merino, S. Alferez, A. Molina, L. Boldu, J. Rodellar (2020). A dataset of
microscopic peripheral blood cell images for development of automatic recognition systems. Data in
Brief 30:105474.

Found: {found}.
"""


def load_npz(path, split=None, *, return_X_y=False):
    """Read images and labels from a file in the MedMNIST format.

    Such a file holds the arrays ``train_images``, ``train_labels``, and the same for ``val`` and
    ``test``.

    Parameters
    ----------
    path : str or path-like
        The ``.npz`` file.
    split : {"train", "val", "test"}, default=None
        Split to read; None reads those that the file holds, in this order.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary whose entries are attributes as well:

        data, images : ndarray of uint8 of shape (n_images, height, width, 3) or \
(n_images, height, width)
            Images, 0..255; grayscale ones have no last axis.
        target : ndarray of int64 of shape (n_images,)
            Labels as the file has them.
        target_names : ndarray of int64 of shape (n_classes,)
            Those that occur, sorted.
        frame : DataFrame with n_images rows
            Columns ``label`` and ``split``.
        DESCR : str
            The file and the number of images in it, by class.
    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If `split` is none of the three, the file is not in this format, or its images are not
        uint8 pictures with one label each.

    See Also
    --------
    fetch_bloodmnist : BloodMNIST itself, with the names of its classes.
    load_image_folder : Paths and labels of a folder of images.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from pathlib import Path
    >>> from skblood.datasets import load_npz
    >>> images = np.zeros((5, 28, 28, 3), dtype=np.uint8)
    >>> labels = np.array([[0], [1], [2], [1], [0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "cells.npz")
    ...     np.savez(file, train_images=images, train_labels=labels)
    ...     X, y = load_npz(file, split="train", return_X_y=True)
    >>> X.shape, y
    ((5, 28, 28, 3), array([0, 1, 2, 1, 0]))
    """
    X, y, splits = _read_npz(path, split)
    named = "" if split is None else f", split {split!r}"
    return as_dataset(
        X,
        y,
        description=f"File {str(path)!r}{named}: {count_labels(y)}.",
        return_X_y=return_X_y,
        frame=_frame(y, splits),
    )


def fetch_bloodmnist(size=28, split=None, *, data_home=None, download=True, return_X_y=False):
    """Load BloodMNIST, and download it the first time.

    BloodMNIST [1]_ is the PBC data set [2]_ of 17,092 normal peripheral blood cells in eight
    classes, with a fixed split (11,959 / 1,712 / 3,421). A network trained on PBC has seen the
    test cells of BloodMNIST.

    Parameters
    ----------
    size : {28, 64, 128, 224}, default=28
        Height and width of the images, in pixels.
    split : {"train", "val", "test"}, default=None
        Split to read; None reads the three of them, in this order.
    data_home : str or path-like, default=None
        Folder of the file. By default the environment variable ``SKBLOOD_DATA_HOME``, or
        ``~/skblood_data`` if that is not set.
    download : bool, default=True
        Whether a file that is missing or damaged is downloaded. A download that was broken off
        is gone on with.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary whose entries are attributes as well:

        data, images : ndarray of uint8 of shape (n_images, size, size, 3)
            Images, 0..255.
        target : ndarray of str of shape (n_images,)
            Classes: basophil, eosinophil, erythroblast, ig (immature granulocytes), lymphocyte,
            monocyte, neutrophil, platelet.
        target_names : ndarray of str of shape (8,)
            These eight, in the order of BloodMNIST's own labels 0..7.
        frame : DataFrame with n_images rows
            Columns ``label`` and ``split``.
        DESCR : str
            Source, licence, citations, and the images read, by class.
    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    ValueError
        If `size` or `split` is none of the above.
    OSError
        If the file is missing or damaged and could not, or should not, be downloaded. The
        message says where to get it and where to put it.

    See Also
    --------
    load_npz : Any file in the same format.
    fetch_pbc : The originals of these cells.

    References
    ----------
    .. [1] Yang et al. (2023). MedMNIST v2 - A large-scale lightweight benchmark for 2D and 3D
       biomedical image classification. Scientific Data 10:41.
    .. [2] Acevedo et al. (2020). A dataset of microscopic peripheral blood cell images for
       development of automatic recognition systems. Data in Brief 30:105474.

    Examples
    --------
    >>> from skblood.datasets import fetch_bloodmnist
    >>> cells = fetch_bloodmnist()  # doctest: +SKIP
    >>> cells.data.shape, cells.target_names.shape  # doctest: +SKIP
    ((17092, 28, 28, 3), (8,))
    >>> X, y = fetch_bloodmnist(64, "train", return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (11959, 64, 64, 3)
    """
    _check_split(split)
    if size not in _SIZES:
        raise ValueError(f"`size` must be one of {_SIZES}, got {size!r}.")
    # Imported here: medmnist brings pandas and scikit-image, and makes a folder in the home.
    from medmnist import INFO

    info = INFO["bloodmnist"]
    suffix = "" if size == 28 else f"_{size}"
    url = info[f"url{suffix}"]
    file = resolve_data_home(data_home) / f"bloodmnist{suffix}.npz"
    ensure_file(file, url, f"md5:{info[f'MD5{suffix}']}", download=download)
    X, codes, splits = _read_npz(file, split)
    names = [_SHORT_NAMES.get(name, name) for _, name in sorted(info["label"].items())]
    y = np.array(names)[codes]
    return as_dataset(
        X,
        y,
        description=_DESCRIPTION.format(size=size, url=url, found=count_labels(y)),
        return_X_y=return_X_y,
        target_names=names,
        frame=_frame(y, splits),
    )


def _check_split(split):
    if split is not None and split not in SPLITS:
        raise ValueError(f"`split` must be None or one of {SPLITS}, got {split!r}.")


def _read_npz(path, split):
    """Return images, labels, and the name of the split of each."""
    _check_split(split)
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"There is no file {str(path)!r} (in {os.getcwd()!r}).")
    # Opened here, since numpy leaves the file of a broken archive open.
    with open(path, "rb") as file:
        archive = _open_archive(file, path)
        held = [name for name in SPLITS if f"{name}_images" in archive]
        names = [split] if split else held or SPLITS  # of none, the first is found missing
        X, y = zip(*(_read_split(archive, name, path) for name in names), strict=True)
    splits = np.repeat(names, [len(labels) for labels in y])
    # A single split is not copied.
    return (X[0] if len(X) == 1 else np.concatenate(X)), np.concatenate(y), splits


def _frame(y, splits):
    import pandas as pd

    return pd.DataFrame({"label": y, "split": splits})


def _open_archive(file, path):
    try:
        archive = np.load(file, allow_pickle=False)
    except _DAMAGE as error:
        raise ValueError(f"{str(path)!r} is not a readable .npz file: {error}") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ValueError(f"{str(path)!r} holds a single array (.npy), not the arrays of a .npz.")
    return archive


def _read_array(archive, key, path):
    try:
        return archive[key]
    except _DAMAGE as error:
        raise ValueError(
            f"{key} of {str(path)!r} cannot be read ({error!r}). The file is damaged, or was not "
            "written by numpy.savez from plain arrays: get it anew."
        ) from error


def _read_split(archive, name, path):
    """Return the checked images and labels of one split."""
    keys = [f"{name}_images", f"{name}_labels"]
    missing = [key for key in keys if key not in archive]
    if missing:
        raise ValueError(
            f"{str(path)!r} is not in the MedMNIST format: it lacks {missing} and holds "
            f"{archive.files}. Choose a `split` that it holds."
        )
    X, y = (_read_array(archive, key, path) for key in keys)
    is_picture = X.ndim == 3 or (X.ndim == 4 and X.shape[3] == 3)
    if X.dtype != np.uint8 or not is_picture:
        raise ValueError(
            f"{keys[0]} must be uint8 of shape (n, height, width, 3) or (n, height, width), got "
            f"{X.dtype} of shape {X.shape}."
        )
    if y.shape not in [(len(X),), (len(X), 1)] or y.dtype.kind not in "iu":
        raise ValueError(
            f"{keys[1]} must hold one integer for each of the {len(X)} images, got {y.dtype} of "
            f"shape {y.shape}."
        )
    return X, y.reshape(-1).astype(np.int64)
