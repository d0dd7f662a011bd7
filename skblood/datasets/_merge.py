"""Several sets of images to one, with a split that no copy crosses."""

import os
from collections.abc import Mapping

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.utils import check_consistent_length, column_or_1d

from skblood._sklearn import safe_indexing
from skblood.datasets._bunch import as_dataset
from skblood.datasets._class_map import map_labels
from skblood.datasets._folders import count_labels
from skblood.datasets._partition import PARTS
from skblood.datasets._random import generators
from skblood.datasets._split import assign_parts, check_shares, encode_groups
from skblood.images import content_keys, convert_channels, holds_arrays, read_images, resize_images


def merge_datasets(
    sources,
    *,
    class_map=None,
    image_size=None,
    split=(0.7, 0.15, 0.15),
    random_state=None,
    return_X_y=False,
):
    """Merge several sets of images into one, and split it.

    Parameters
    ----------
    sources : mapping of str to Bunch or (X, y)
        Name -> what a loader returned, or images and labels. X holds arrays, paths or PIL images.
    class_map : mapping, default=None
        Label -> merged label, for all sources; or source name -> such a mapping. None as the
        merged label drops the images. Labels that are not named stay as they are.
    image_size : int or (int, int), default=None
        Height and width that all images are brought to. None keeps paths as paths if there is
        nothing else, and arrays as they are if they have one size.
    split : (float, float, float), default=(0.7, 0.15, 0.15)
        Shares of the training, validation and test part, which sum to 1.
    random_state : int, RandomState instance or None, default=None
        Seed of the split. The same int gives the same split. None draws a new one on each call.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary whose entries are attributes as well:

        data : ndarray of shape (n, height, width, channels), dtype uint8; or (n,), dtype str
            Images or paths, one source after the other; also as ``images`` or ``paths``.
        target : ndarray of shape (n,)
            Merged labels.
        target_names : ndarray of shape (n_classes,)
            The merged labels, sorted.
        groups : ndarray of int of shape (n,)
            Images that are in one part of any split because they are copies of one another, or
            because the source's own ``groups`` say so. For further splits.
        frame : DataFrame with n rows
            Columns ``source``, ``source_label``, ``label``, ``split`` ("train", "val" or "test")
            and ``index``, the position in the source.
        DESCR : str
            What was merged, and the descriptions of the sources.
    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    TypeError
        If a source is neither a Bunch nor a pair, or a label neither a string nor an integer.
    ValueError
        If `class_map` names what is not there, labels differ only by case or spelling or are of
        two kinds, `image_size` is needed, or the classes cannot be split.

    See Also
    --------
    train_val_test_split : The split alone.

    Notes
    -----
    The split is stratified by the merged labels. Copies are arrays with the same pixels (after
    `image_size`), or equal paths; files that are not decoded are not compared.

    Examples
    --------
    >>> from skblood.datasets import make_blood_cells, merge_datasets
    >>> ours = make_blood_cells(80, image_size=32, random_state=0)
    >>> X, y = make_blood_cells(40, image_size=48, random_state=1)
    >>> theirs = X, [label.title() for label in y]
    >>> cells = merge_datasets(
    ...     {"ours": ours, "theirs": theirs},
    ...     class_map={"theirs": {name: name.lower() for name in set(theirs[1])}},
    ...     image_size=32,
    ...     random_state=0,
    ... )
    >>> cells.data.shape, len(cells.target_names)
    ((120, 32, 32, 3), 8)
    >>> cells.frame.groupby("source")["split"].count().to_dict()
    {'ours': 80, 'theirs': 40}

    The 33,725 images of Pineda and Muñoz (2025), White Blood Cells in BloodMNIST's classes. The
    five classes of Raabin-WBC have BloodMNIST's names, so no map is needed:

    >>> from skblood.datasets import fetch_bloodmnist, load_raabin_wbc
    >>> cells = merge_datasets(
    ...     {"bloodmnist": fetch_bloodmnist(), "wbc": load_raabin_wbc("raabin-wbc")},
    ...     image_size=28,
    ...     random_state=0,
    ... )  # doctest: +SKIP
    """
    import pandas as pd

    shares = _check_split(split)
    images, labels, own_groups = _unpack(sources)
    merged = map_labels(labels, class_map)
    rows = {
        name: np.array([i for i, label in enumerate(merged[name]) if label is not None], dtype=int)
        for name in images
    }
    if not any(map(len, rows.values())):
        raise ValueError("class_map drops all images; map one label at least to a class.")
    kept = {name: safe_indexing(X, rows[name]) for name, X in images.items() if len(rows[name])}
    data = _join_images(kept, image_size)
    target = np.array([merged[name][i] for name in images for i in rows[name]])
    groups = _join_groups(
        _number_copies(data), np.concatenate([own_groups[name][rows[name]] for name in images])
    )
    (rng,) = generators(random_state, 1)
    parts = assign_parts(target, groups, shares, rng)
    frame = pd.DataFrame(
        {
            "source": np.repeat(list(rows), [len(each) for each in rows.values()]),
            "source_label": [labels[name][i] for name in images for i in rows[name]],
            "label": target,
            "split": np.array(PARTS)[parts],
            "index": np.concatenate(list(rows.values())),
        }
    )
    dataset = as_dataset(
        data,
        target,
        description=_describe(sources, frame),
        return_X_y=return_X_y,
        frame=frame,
    )
    if not return_X_y:
        dataset.groups = groups
    return dataset


def _check_split(split):
    shares = np.ravel(split)
    if len(shares) != len(PARTS) or not np.isclose(sum(shares), 1):
        raise ValueError(
            f"split={split!r} is not three shares, of {', '.join(PARTS)}, that sum to 1; pass e.g. "
            "(0.7, 0.15, 0.15)."
        )
    return check_shares(*map(float, shares[1:]))


def _unpack(sources):
    """Return three dicts by source: images, labels as a list, groups as integers of their own."""
    if not isinstance(sources, Mapping) or not sources:
        raise TypeError(
            f"sources is {type(sources).__name__}, or empty; pass a dict from names to what "
            "loaders return, or to (X, y)."
        )
    images, labels, groups, n_groups = {}, {}, {}, 0
    for name, source in sources.items():
        X, y, own = _unpack_one(name, source)
        check_consistent_length(X, y, own)
        images[name], labels[name] = X, column_or_1d(y).tolist()
        codes = np.arange(len(labels[name])) if own is None else encode_groups(own)
        groups[name] = n_groups + codes
        n_groups += len(codes)
    return images, labels, groups


def _unpack_one(name, source):
    if isinstance(source, Mapping) and {"data", "target"} <= source.keys():
        return source["data"], source["target"], source.get("groups")
    if isinstance(source, (tuple, list)) and len(source) == 2:
        return *source, None
    raise TypeError(
        f"The source {name!r} is a {type(source).__name__}; pass what a loader returns (a Bunch "
        "with data and target), or (X, y)."
    )


def _join_images(images, image_size):
    """Return the images of all sources as one array, or the paths."""
    paths = {name: _as_paths(X) for name, X in images.items()}
    are_files = [each is not None for each in paths.values()]
    if image_size is None:
        if all(are_files):
            return np.concatenate(list(paths.values()))
        if any(are_files):
            files = [name for name, each in paths.items() if each is not None]
            raise ValueError(
                f"{', '.join(map(repr, files))} holds paths and the other sources hold arrays. Set "
                "image_size=(height, width) to read them all as arrays of one size."
            )
        arrays = {name: read_images(X) for name, X in images.items()}
        sizes = {name: array.shape[1:3] for name, array in arrays.items()}
        if len(set(sizes.values())) > 1:
            named = ", ".join(f"{name!r} {h} x {w}" for name, (h, w) in sizes.items())
            raise ValueError(
                f"The sources have images of different sizes (height x width): {named}. Set "
                "image_size=(height, width) to bring them to one."
            )
    else:
        size = (image_size, image_size) if np.ndim(image_size) == 0 else image_size
        arrays = {
            name: resize_images(read_images(X, size=size), size) for name, X in images.items()
        }
    channels = max(array.shape[-1] for array in arrays.values())
    return np.concatenate([convert_channels(array, channels) for array in arrays.values()])


def _as_paths(X):
    """Return the paths that X holds as an array of str, or None if it holds images."""
    if holds_arrays(X):
        return None
    items = np.ravel(X) if hasattr(X, "__array__") else X
    if all(isinstance(item, (str, os.PathLike)) for item in items):
        return np.array([os.fspath(item) for item in items])
    return None


def _number_copies(data):
    """Return a number for each image that is the same for copies only."""
    if data.ndim == 1:
        return np.unique([os.path.abspath(path) for path in data], return_inverse=True)[1]
    return np.unique(content_keys(data), axis=0, return_inverse=True)[1].ravel()


def _join_groups(copies, groups):
    """Return groups that keep together what either of the two keeps together."""
    n_copies, n_groups = copies.max() + 1, groups.max() + 1
    links = coo_array(
        (np.ones(len(copies)), (copies, n_copies + groups)),
        shape=(n_copies + n_groups, n_copies + n_groups),
    )
    return connected_components(links, directed=False)[1][copies]


def _describe(sources, frame):
    counts = frame["split"].value_counts()
    lines = [
        f"Merged from {', '.join(map(str, sources))}: {count_labels(frame['label'].to_numpy())}.",
        f"Split: {', '.join(f'{part} {counts[part]}' for part in PARTS)}.",
    ]
    for name, source in sources.items():
        used = (frame["source"] == name).sum()
        lines += ["", f"{name}: {used} images."]
        if isinstance(source, Mapping) and source.get("DESCR"):
            lines.append(source["DESCR"])
    return "\n".join(lines)
