"""Files in the MedMNIST format, and BloodMNIST."""

import os
import zipfile
from http.client import HTTPException
from pathlib import Path

import numpy as np

SPLITS = ("train", "val", "test")
_SIZES = (28, 64, 128, 224)
# The package's long label, whose text lists what the class holds, is unfit for a plot or a table.
_SHORT_NAMES = {"immature granulocytes(myelocytes, metamyelocytes and promyelocytes)": "ig"}


def load_npz(path, split=None):
    """Read images and labels from a file in the MedMNIST format.

    Such a file holds the arrays ``train_images``, ``train_labels``, and the same for ``val`` and
    ``test``.

    Parameters
    ----------
    path : str or path-like
        The ``.npz`` file.
    split : {"train", "val", "test"}, default=None
        Split to read; None reads the three of them, in this order.

    Returns
    -------
    X : ndarray of uint8 of shape (n_images, height, width, 3) or (n_images, height, width)
        Images, 0..255; grayscale ones have no last axis.
    y : ndarray of int64 of shape (n_images,)
        Labels as the file has them.

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
    ...     X, y = load_npz(file, split="train")
    >>> X.shape, y
    ((5, 28, 28, 3), array([0, 1, 2, 1, 0]))
    """
    _check_split(split)
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"There is no file {str(path)!r} (in {os.getcwd()!r}).")
    # Opened here, since numpy leaves the file of a broken archive open.
    with open(path, "rb") as file:
        archive = _open_archive(file, path)
        parts = [_read_split(archive, name, path) for name in ([split] if split else SPLITS)]
    if len(parts) == 1:
        return parts[0]
    X, y = zip(*parts, strict=True)
    return np.concatenate(X), np.concatenate(y)


def fetch_bloodmnist(size=28, split=None, data_home=None, download=True):
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
        Whether a file that is missing or damaged is downloaded.

    Returns
    -------
    X : ndarray of uint8 of shape (n_images, size, size, 3)
        Images, 0..255.
    y : ndarray of str of shape (n_images,)
        Classes: basophil, eosinophil, erythroblast, ig (immature granulocytes), lymphocyte,
        monocyte, neutrophil, platelet.

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

    References
    ----------
    .. [1] Yang et al. (2023). MedMNIST v2 - A large-scale lightweight benchmark for 2D and 3D
       biomedical image classification. Scientific Data 10:41.
    .. [2] Acevedo et al. (2020). A dataset of microscopic peripheral blood cell images for
       development of automatic recognition systems. Data in Brief 30:105474.

    Examples
    --------
    >>> from skblood.datasets import fetch_bloodmnist
    >>> X, y = fetch_bloodmnist(split="train")  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (11959, 28, 28, 3)
    """
    _check_split(split)
    if size not in _SIZES:
        raise ValueError(f"`size` must be one of {_SIZES}, got {size!r}.")
    # Imported here: medmnist brings pandas and scikit-image, and makes a folder in the home.
    from medmnist import INFO

    info = INFO["bloodmnist"]
    suffix = "" if size == 28 else f"_{size}"
    file = _data_home(data_home) / f"bloodmnist{suffix}.npz"
    _ensure_file(file, url=info[f"url{suffix}"], md5=info[f"MD5{suffix}"], download=download)
    X, y = load_npz(file, split)
    names = [_SHORT_NAMES.get(name, name) for _, name in sorted(info["label"].items())]
    return X, np.array(names)[y]


def _check_split(split):
    if split is not None and split not in SPLITS:
        raise ValueError(f"`split` must be None or one of {SPLITS}, got {split!r}.")


def _open_archive(file, path):
    try:
        archive = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{str(path)!r} is not a readable .npz file: {error}") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise ValueError(f"{str(path)!r} holds a single array (.npy), not the arrays of a .npz.")
    return archive


def _read_split(archive, name, path):
    """Return the checked images and labels of one split."""
    keys = [f"{name}_images", f"{name}_labels"]
    missing = [key for key in keys if key not in archive]
    if missing:
        raise ValueError(
            f"{str(path)!r} is not in the MedMNIST format: it lacks {missing} and holds "
            f"{archive.files}. Choose a `split` that it holds."
        )
    X, y = (archive[key] for key in keys)
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


def _data_home(data_home):
    folder = data_home or os.environ.get("SKBLOOD_DATA_HOME") or "~/skblood_data"
    return Path(folder).expanduser()


def _ensure_file(file, *, url, md5, download):
    """Download `file` unless it is there and whole."""
    from torchvision.datasets import utils

    if file.exists() and utils.check_integrity(file, md5):
        return
    state = "is damaged (its MD5 is another)" if file.exists() else "is not there"
    by_hand = f"Download {url} by hand and save it as {str(file)!r} (MD5 {md5})."
    if not download:
        raise OSError(f"{str(file)!r} {state}. Pass download=True, or: {by_hand}")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        utils.download_url(url, root=file.parent, filename=file.name, md5=md5)
    except (OSError, RuntimeError, HTTPException) as error:
        raise OSError(f"The download of BloodMNIST failed ({error}). {by_hand}") from error
