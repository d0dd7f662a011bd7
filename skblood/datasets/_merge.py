"""Merging of several data sets into one."""

import os
from collections.abc import Mapping

import numpy as np
from sklearn.utils import check_consistent_length

from skblood._labels import as_column, encode_groups, join_groups, plain_list
from skblood._sklearn import safe_indexing
from skblood.datasets._bunch import as_dataset
from skblood.datasets._class_map import map_labels
from skblood.datasets._random import generators
from skblood.datasets._split import PARTS, assign_parts, check_shares
from skblood.images import (
    content_keys,
    convert_channels,
    holds_arrays,
    read_images,
    resize_images,
    state_depth,
)


def merge_datasets(
    sources,
    *,
    class_map=None,
    image_size=None,
    split=(0.7, 0.15, 0.15),
    random_state=None,
    return_X_y=False,
):
    """Merge several data sets into one, and split it.

    Parameters
    ----------
    sources : mapping of str to Bunch or (X, y)
        Name -> the result of a loader, or images and labels. X holds arrays, paths or PIL images.
    class_map : mapping, default=None
        Label -> merged label, for all sources; or source name -> such a mapping. The merged label
        None drops the images. Labels that are not in the map stay as they are.
    image_size : int or (int, int), default=None
        Height and width to which all images are resized. None keeps paths if all sources hold
        paths, and arrays if all have the same size.
    split : (float, float, float), default=(0.7, 0.15, 0.15)
        Shares of the training, validation and test images, which sum to 1.
    random_state : int, RandomState instance or None, default=None
        Seed of the split. The same int gives the same split; None gives a new one on each call.
    return_X_y : bool, default=False
        Return ``(data, target)`` only.

    Returns
    -------
    dataset : Bunch
        A dictionary with attribute access:

        data : ndarray of shape (n, height, width, channels), dtype uint8; or (n,), dtype str
            Images or paths, in the order of the sources; also as ``images`` or ``paths``.
        target : ndarray of shape (n,)
            Merged labels.
        target_names : ndarray of shape (n_classes,)
            The merged labels, sorted.
        groups : ndarray of int of shape (n,)
            Images of one group are copies of each other, or are in one group of their source. Any
            further split must keep groups together.
        frame : DataFrame with n rows
            Columns ``source``, ``source_label``, ``label``, ``split`` ("train", "val" or "test")
            and ``index``, the position in the source.
        DESCR : str
            The counts, and the descriptions of the sources.
    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    TypeError
        If a source is neither a Bunch nor a pair, or the merged labels are not all strings or all
        integers.
    ValueError
        If `class_map` has unknown keys, labels differ only by case or spelling, `image_size` is
        needed, or the classes cannot be split.

    See Also
    --------
    train_val_test_split : The split alone.

    Notes
    -----
    The split is stratified by the merged labels. Copies are arrays with the same pixels (after
    resizing to `image_size`), or equal paths. The contents of files that stay paths are not
    compared.

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

    shares = np.ravel(split)
    if len(shares) != len(PARTS) or not np.isclose(sum(shares), 1):
        raise ValueError(
            f"split={split!r} must be three shares that sum to 1, of {', '.join(PARTS)}."
        )
    shares = check_shares(*shares[1:].tolist())
    if not isinstance(sources, Mapping) or not sources:
        raise TypeError(
            f"sources is {type(sources).__name__}, or empty; pass a dict from names to results of "
            "loaders, or to (X, y)."
        )
    parts = {name: _unpack(name, source) for name, source in sources.items()}
    merged = map_labels({name: labels for name, (_, labels, _) in parts.items()}, class_map)
    frames = []
    for name, (_, labels, groups) in parts.items():
        columns = {"source_label": labels, "label": merged[name], "group": groups}
        frames.append(pd.DataFrame({"source": name, **columns}, dtype=object).reset_index())
        frames[-1] = frames[-1][[label is not None for label in merged[name]]]
    frame = pd.concat(frames, ignore_index=True)
    if frame.empty:
        raise ValueError("class_map drops all images; map at least one label to a class.")
    kept = frame.groupby("source", sort=False)["index"]
    images = {name: safe_indexing(parts[name][0], rows.to_numpy()) for name, rows in kept}
    data = _join_images(images, image_size)
    target = np.array(frame["label"].tolist())
    own_groups = frame.groupby(["source", "group"], sort=False).ngroup()
    copies = [os.path.abspath(path) for path in data] if data.ndim == 1 else content_keys(data)
    copies = np.unique(copies, axis=0, return_inverse=True)[1].ravel()
    groups = join_groups(len(data), own_groups, copies)
    (rng,) = generators(random_state, 1)
    frame["split"] = np.array(PARTS)[assign_parts(target, groups, shares, rng)]
    frame = frame[["source", "source_label", "label", "split", "index"]].infer_objects()
    description = _describe(sources, frame)
    return as_dataset(data, target, description, return_X_y, frame=frame, groups=groups)


def _unpack(name, source):
    """Return images, list of labels, and codes of groups of a source."""
    if isinstance(source, Mapping) and {"data", "target"} <= source.keys():
        X, y, groups = source["data"], source["target"], source.get("groups")
    elif isinstance(source, (tuple, list)) and len(source) == 2:
        X, y, groups = *source, None
    else:
        raise TypeError(
            f"The source {name!r} is a {type(source).__name__}; pass the result of a loader (a "
            "Bunch with data and target), or (X, y)."
        )
    check_consistent_length(X, y, groups)
    labels = plain_list(as_column(y, f"y of {name}"))
    return X, labels, encode_groups(groups, len(labels), f"groups of {name}")[1]


def _join_images(images, image_size):
    """Return the images of all sources as one array, or all paths."""
    paths = {name: _as_paths(X) for name, X in images.items()}
    with_paths = [name for name, each in paths.items() if each is not None]
    if image_size is None and len(with_paths) == len(images):
        return np.concatenate(list(paths.values()))
    if image_size is None and with_paths:
        raise ValueError(
            f"The sources {with_paths} hold paths, the others hold arrays. Set image_size=(height, "
            "width) to read all of them as arrays of one size."
        )
    size = None if image_size is None else tuple(np.broadcast_to(image_size, 2).tolist())
    arrays = {name: read_images(X, size=size) for name, X in images.items()}
    if size is not None:
        arrays = {name: resize_images(array, size) for name, array in arrays.items()}
    shapes = {name: array.shape[1:3] for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(
            f"The sources have images of different heights and widths: {shapes}. Set "
            "image_size=(height, width) to resize them."
        )
    channels = max(array.shape[-1] for array in arrays.values())
    return np.concatenate([convert_channels(each, channels) for each in arrays.values()])


def _as_paths(X):
    """Return paths as an array of str, or None if X holds images."""
    if holds_arrays(X):
        return None
    items = np.ravel(X) if hasattr(X, "__array__") else X
    is_path = all(isinstance(item, (str, os.PathLike)) for item in items)
    return state_depth([os.fspath(item) for item in items]) if is_path else None


def _describe(sources, frame):
    """Return the descriptions of the sources, and the number of images of each and each part."""
    lines = []
    for name, source in sources.items():
        own = source.get("DESCR", "") if isinstance(source, Mapping) else ""
        lines += [f"{name}: {(frame['source'] == name).sum()} images.\n{own}".rstrip(), ""]
    counts = frame["split"].value_counts()
    split = ", ".join(f"{part} {counts[part]}" for part in PARTS)
    return "\n".join([*lines, f"Split: {split}.", f"Merged from {', '.join(map(str, sources))}"])
