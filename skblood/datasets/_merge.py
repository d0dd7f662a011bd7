"""Merging of several data sets into one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length

from skblood._labels import as_column, encode_groups, join_groups, plain_list
from skblood._sklearn import safe_indexing
from skblood._typing import RandomState
from skblood.datasets._bunch import Dataset, as_dataset
from skblood.datasets._random import generators
from skblood.datasets._split import PARTS, assign_parts, check_shares
from skblood.images import (
    content_keys,
    convert_channels,
    image_items,
    read_images,
    resize_images,
    state_depth,
)


def merge_datasets(
    sources: Mapping[str, Any],
    *,
    class_map: Mapping[Any, Any] | None = None,
    image_size: int | Sequence[int] | None = None,
    split: tuple[float, float, float] = (0.7, 0.15, 0.15),
    random_state: RandomState = None,
    return_X_y: bool = False,
) -> Dataset:
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
        raise ValueError(f"split={split!r} must be three shares that sum to 1, of {PARTS}.")
    shares = check_shares(*shares[1:].tolist())
    if not isinstance(sources, Mapping) or not sources:
        raise TypeError(
            "sources is empty or not a dict: pass a dict from names to loaders' results or (X, y)."
        )
    parts = {name: _unpack(name, source) for name, source in sources.items()}
    merged = map_labels({name: labels for name, (_, labels, _) in parts.items()}, class_map)
    tables = {}
    for name, (_, labels, groups) in parts.items():
        columns = {"source_label": labels, "label": merged[name], "group": groups}
        tables[name] = pd.DataFrame(columns, dtype=object)
    frame = pd.concat(tables, names=["source", "index"]).reset_index()
    frame = frame[[label is not None for label in frame["label"]]]
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
            f"Source {name!r} is a {type(source).__name__}; pass the result of a loader or (X, y)."
        )
    check_consistent_length(X, y, groups)
    labels = plain_list(as_column(y, f"y of {name}"))
    return X, labels, encode_groups(groups, len(labels), f"groups of {name}")[1]


def _join_images(images, image_size):
    """Return the images of all sources as one array, or all paths."""
    images = {name: image_items(X) for name, X in images.items()}
    with_paths = [
        name
        for name, each in images.items()
        if all(isinstance(image, (str, os.PathLike)) for image in each)
    ]
    if image_size is None and len(with_paths) == len(images):
        return state_depth([os.fspath(path) for each in images.values() for path in each])
    if image_size is None and with_paths:
        raise ValueError(
            f"The sources {with_paths} hold paths, the others hold images. Set image_size=(height, "
            "width) to read all of them."
        )
    size = None if image_size is None else tuple(np.broadcast_to(image_size, 2).tolist())
    arrays = {name: read_images(X, size=size) for name, X in images.items()}
    if size is not None:
        arrays = {name: resize_images(array, size) for name, array in arrays.items()}
    shapes = {name: array.shape[1:3] for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(
            f"Images differ in height and width: {shapes}. Set image_size=(height, width)."
        )
    channels = max(array.shape[-1] for array in arrays.values())
    return np.concatenate([convert_channels(each, channels) for each in arrays.values()])


def _describe(sources, frame):
    """Return the descriptions of the sources, and the number of images of each and each part."""
    lines = []
    for name, source in sources.items():
        own = source.get("DESCR", "") if isinstance(source, Mapping) else ""
        lines += [f"{name}: {(frame['source'] == name).sum()} images.\n{own}".rstrip(), ""]
    split = ", ".join(f"{part} {(frame['split'] == part).sum()}" for part in PARTS)
    return "\n".join([*lines, f"Split: {split}.", f"Merged from {', '.join(map(str, sources))}"])


def map_labels(labels, class_map):
    """Return the merged label of each image.

    Parameters
    ----------
    labels : dict of str to list
        Source name -> labels.
    class_map : mapping or None
        As in `merge_datasets`.

    Returns
    -------
    merged : dict of str to list
        Source name -> merged labels; None for an image that is dropped.

    Raises
    ------
    TypeError
        If the map is no mapping, or the merged labels are not all str or all int.
    ValueError
        If the map has unknown keys, or the merged labels differ only in spelling.
    """
    maps = _map_of_each_source(class_map or {}, labels)
    merged = {name: [maps[name].get(x, x) for x in each] for name, each in labels.items()}
    found = dict.fromkeys(label for each in merged.values() for label in each if label is not None)
    if not any(all(isinstance(label, kind) for label in found) for kind in (str, Integral)):
        examples = {type(label).__name__: label for label in found}
        raise TypeError(f"Labels must be all strings or all integers, not {examples}: map them.")
    _check_spellings(label for label in found if isinstance(label, str))
    return merged


def _map_of_each_source(class_map, labels):
    if not isinstance(class_map, Mapping):
        raise TypeError("class_map must be a dict from labels, or from sources to such dicts.")
    is_nested = all(isinstance(value, Mapping) for value in class_map.values())
    known, given = set().union(*labels.values()), set(class_map)
    if is_nested:
        known = {(name, label) for name, each in labels.items() for label in each}
        given = {(name, label) for name, each in class_map.items() for label in each}
    if unknown := sorted(given - known, key=str):
        known = sorted(known, key=str)
        raise ValueError(f"class_map names {unknown}, but the sources hold {known}.")
    return {name: class_map.get(name, {}) if is_nested else class_map for name in labels}


def _check_spellings(labels):
    """Raise an error if labels differ only by case, punctuation, spaces or a plural s."""
    spelled, same = {}, {}
    for label in labels:
        plain = "".join(filter(str.isalnum, label.casefold())).removesuffix("s")
        if spelled.setdefault(plain, label) != label:
            same[label] = spelled[plain]
    if same:
        raise ValueError(
            f"Labels differ only by case or spelling: map them, class_map={same}, or rename them."
        )
