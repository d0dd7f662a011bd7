"""Files in the MedMNIST format, and the BloodMNIST data set."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from skblood._typing import StrPath
from skblood.datasets._bunch import Dataset, as_dataset, read_description
from skblood.datasets._download import ensure_file, resolve_data_home
from skblood.datasets._folders import check_exists
from skblood.datasets._pbc import SIZES

SPLITS = ("train", "val", "test")
# The label in the medmnist package is too long for plots and tables.
_SHORT_NAMES = {"immature granulocytes(myelocytes, metamyelocytes and promyelocytes)": "ig"}


def load_npz(
    path: StrPath, split: Literal["train", "val", "test"] | None = None, *, return_X_y: bool = False
) -> Dataset:
    """Read images and labels from a file in the MedMNIST format.

    Such a file holds the arrays ``train_images``, ``train_labels``, and the same for ``val`` and
    ``test``.

    Parameters
    ----------
    path : str or path-like
        The ``.npz`` file.
    split : {"train", "val", "test"}, default=None
        Split to read; None reads all splits of the file, in this order.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary with attribute access:

        data, images : ndarray of uint8 of shape (n_images, height, width, 3) or \
(n_images, height, width)
            Images with values 0..255; grayscale images have no last axis.
        target : ndarray of int64 of shape (n_images,)
            Labels, as in the file.
        target_names : ndarray of int64 of shape (n_classes,)
            The labels, sorted.
        frame : DataFrame with n_images rows
            Columns ``label`` and ``split``.
        DESCR : str
            The file and the number of images of each class.
    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If `split` is none of the three, the file is not in this format, or its images are not
        uint8 with one label each.

    See Also
    --------
    fetch_bloodmnist : BloodMNIST itself, with the names of its classes.
    load_image_folder : Paths and labels of an image folder.

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
    _check_split(split)
    path = Path(path).expanduser()
    arrays = _read_arrays(path, split)
    found = [name for name in SPLITS if f"{name}_images" in arrays]
    names = [split] if split else found or SPLITS
    X, y = zip(*(_check_arrays(arrays, name, path) for name in names), strict=True)
    splits, y = np.repeat(names, list(map(len, y))), np.concatenate(y)
    X = X[0] if len(X) == 1 else np.concatenate(X)  # a single split is not copied
    description = f"File {str(path)!r}" + (f", split {split!r}" if split else "")
    return as_dataset(X, y, description, return_X_y, frame={"label": y, "split": splits})


def fetch_bloodmnist(
    size: Literal[28, 64, 128, 224] = 28,
    split: Literal["train", "val", "test"] | None = None,
    *,
    data_home: StrPath | None = None,
    download: bool = True,
    return_X_y: bool = False,
) -> Dataset:
    """Load BloodMNIST; download it on the first call.

    BloodMNIST [1]_ is the PBC data set [2]_ of 17,092 normal peripheral blood cells in eight
    classes, with a fixed split (11,959 / 1,712 / 3,421). A model trained on PBC has seen the test
    images of BloodMNIST.

    Parameters
    ----------
    size : {28, 64, 128, 224}, default=28
        Height and width of the images, in pixels.
    split : {"train", "val", "test"}, default=None
        Split to read; None reads all three, in this order.
    data_home : str or path-like, default=None
        Folder of the file. None means the environment variable ``SKBLOOD_DATA_HOME``, or
        ``~/skblood_data`` if it is not set.
    download : bool, default=True
        Whether to download the file if it is missing or damaged.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary with attribute access:

        data, images : ndarray of uint8 of shape (n_images, size, size, 3)
            Images with values 0..255.
        target : ndarray of str of shape (n_images,)
            Classes: basophil, eosinophil, erythroblast, ig (immature granulocytes), lymphocyte,
            monocyte, neutrophil, platelet.
        target_names : ndarray of str of shape (8,)
            These eight classes, in the order of the labels 0..7 of the file.
        frame : DataFrame with n_images rows
            Columns ``label`` and ``split``.
        DESCR : str
            Source, license, citations, and the number of images of each class.
    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    ValueError
        If `size` or `split` is none of the above.
    OSError
        If the file is missing or damaged, and `download` is False or fails. The message says how
        to place the file by hand.

    See Also
    --------
    load_npz : Any file in the same format.
    fetch_pbc : The original images.

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
    if size not in SIZES:
        raise ValueError(f"`size` must be one of {SIZES}, got {size!r}.")
    _check_split(split)
    # Imported here: medmnist imports scikit-image, and makes a folder in the home.
    from medmnist import INFO

    info = INFO["bloodmnist"]
    suffix = "" if size == 28 else f"_{size}"
    file = resolve_data_home(data_home) / f"bloodmnist{suffix}.npz"
    url, md5 = info[f"url{suffix}"], info[f"MD5{suffix}"]
    ensure_file(file, url, f"md5:{md5}", download=download)
    cells = load_npz(file, split)
    names = [_SHORT_NAMES.get(name, name) for _, name in sorted(info["label"].items())]
    y = np.array(names)[cells.target]
    description = read_description("bloodmnist").replace("{size}", str(size))
    frame = cells.frame.assign(label=y)
    return as_dataset(cells.data, y, description, return_X_y, target_names=names, frame=frame)


def _check_split(split):
    if split is not None and split not in SPLITS:
        raise ValueError(f"`split` must be None or one of {SPLITS}, got {split!r}.")


def _read_arrays(path, split):
    """Return the arrays of the split, or of all; those that are not read are None."""
    check_exists(path)
    # Opened here, since numpy does not close the file of a damaged archive.
    with open(path, "rb") as file:
        try:
            archive = np.lib.npyio.NpzFile(file)
            read = split or SPLITS
            return {k: archive[k] if k.startswith(read) else None for k in archive.files}
        except Exception as error:  # numpy and zipfile raise errors of many types
            raise ValueError(
                f"{str(path)!r} is not a readable .npz file ({error!r}). Download it again, or "
                "save plain arrays by numpy.savez: images of one size as uint8, labels as int64 "
                "(of names or objects, np.unique(y.tolist(), return_inverse=True)[1])."
            ) from error


def _check_arrays(arrays, name, path):
    """Return the images and labels of one split."""
    keys = [f"{name}_images", f"{name}_labels"]
    if missing := [key for key in keys if key not in arrays]:
        raise ValueError(
            f"{str(path)!r} lacks {missing} and holds {list(arrays)}. Choose another `split`."
        )
    X, y = (arrays[key] for key in keys)
    if X.dtype != np.uint8 or not (X.ndim == 3 or (X.ndim == 4 and X.shape[3] == 3)):
        raise ValueError(
            f"{keys[0]} must be uint8 of shape (n, height, width, 3) or (n, height, width), got "
            f"{X.dtype} of shape {X.shape}."
        )
    is_integer = y.dtype.kind in "iu" and (y <= np.iinfo(np.int64).max).all()
    if y.shape not in [(len(X),), (len(X), 1)] or not is_integer:
        raise ValueError(
            f"{keys[1]} must hold one int64 for each of {len(X)} images, got {y.dtype} of shape "
            f"{y.shape}. Save np.unique(y, return_inverse=True)[1], or of one-hot y, y.argmax(1)."
        )
    return X, y.reshape(-1).astype(np.int64)
