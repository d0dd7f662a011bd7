"""The page of a review: what it holds of each cell, and writing it."""

import hashlib
import os
from functools import partial
from pathlib import Path, PurePath

import numpy as np

from skblood._writing import NO_CLASS, escape_formula
from skblood.images import image_items, map_images
from skblood.pages import render, thumbnail, write

# Columns of corrections.csv besides the group.
COLUMNS = "path label given_label predicted first_reader second_reader consensus note".split()
# Sides of the pictures of cells under review and of similar cells, in pixels.
_SIDE, _SMALL_SIDE = 192, 96
_N_ALIKE = 3
# Classes whose probability is shown.
_N_PROBABLE = 3


def write_page(cells, rows, pool, bit_depth, order, root, out):
    """Write the page of some cells, or return it.

    Parameters
    ----------
    cells : Cells
    rows : ndarray of int
        Positions of the cells of the page, in their order.
    pool : object or None
        Labeled cells with `items`, `labels`, `positions` and `similarities`.
    bit_depth : int or None
        Of the files.
    order : str
    root, out : str or path-like, or None
        As of `review`.
    """
    names, others = _name_columns(cells)
    paths = [_path_in_table(cells.items[row], root) for row in rows]
    pictures = _pictures(cells.items, rows, _SIDE, bit_depth)
    alike, small = [[] for _ in rows], []
    if pool is not None:
        nearest = pool.positions[rows, :_N_ALIKE]
        used, places = np.unique(nearest, return_inverse=True)
        small = _pictures(pool.items, used, _SMALL_SIDE, bit_depth)
        places = places.reshape(nearest.shape) + len(pictures)
        texts = np.char.mod("%.2f", pool.similarities[rows, :_N_ALIKE].clip(0, 1))
        keys, found = ("picture", "label", "similarity"), (places, pool.labels[nearest], texts)
        columns = zip(*(each.tolist() for each in found), strict=True)
        alike = [[dict(zip(keys, x, strict=True)) for x in zip(*c, strict=True)] for c in columns]
    listed = [
        _describe(cells, row) | {"path": path, "alike": similar, "others": others[row]}
        for row, path, similar in zip(rows, paths, alike, strict=True)
    ]
    data = {"id": _identify(paths, cells.names, out), "classes": cells.names.tolist()}
    data |= {"no_class": NO_CLASS, "others": names, "blind": cells.probabilities is None}
    data["groups"] = None if cells.groups is None else cells.group_column
    data["group_names"] = sorted({each["group"] for each in listed if each["group"]})
    data["cells"] = listed
    told = {
        "order": order,
        "n_all": len(cells.items),
        "folder": None if root is None else str(root),
    }
    page = render("review.html", data=data, pictures=[*pictures, *small], **told)
    return write(page, out)


def _name_columns(cells):
    """Return the names of the other columns in corrections.csv, and their texts of each cell."""
    if cells.columns is None:
        return [], [[] for _ in cells.items]
    names, taken = [], [*COLUMNS, *([] if cells.groups is None else [cells.group_column])]
    for name in map(str, cells.columns):
        while name in (*taken, *names):
            name = f"given_{name}"
        names.append(name)
    texts = cells.columns.astype(object).where(cells.columns.notna(), "").astype(str)
    return names, texts.to_numpy().tolist()


def _describe(cells, row):
    """Return what the page says of a cell."""
    group = "" if cells.groups is None else cells.groups[row]
    if cells.probabilities is None:
        return {"group": group, "given": "", "predicted": "", "probable": []}
    values = cells.probabilities[row]
    best = np.argsort(-values, kind="stable")[:_N_PROBABLE]
    probable = [[str(cells.names[code]), round(100 * float(values[code]), 1)] for code in best]
    about = {"given": cells.given[row], "predicted": probable[0][0], "probable": probable}
    return {"group": group, **about}


def _pictures(X, rows, side, bit_depth):
    """Return images as values of ``src``."""
    items = image_items(X)
    chosen = [items[row] for row in rows]
    small = partial(thumbnail, side=side)
    found, unreadable = map_images(small, chosen, bit_depth=bit_depth)
    if unreadable:
        place, reason = next(iter(unreadable.items()))
        raise ValueError(f"{len(unreadable)} images cannot be read: {chosen[place]}: {reason}.")
    return found


def _path_in_table(path, root):
    """Return a path that opens where corrections.csv is, and that is no formula."""
    path = os.path.abspath(path)
    if root is None:
        return path
    try:
        path = PurePath(os.path.relpath(path, os.path.abspath(root))).as_posix()
    except ValueError as error:  # on another drive
        raise ValueError(f"{path!r} has no path relative to root, {str(root)!r}: {error}") from None
    return path if escape_formula(path) == path else f"./{path}"


def _identify(paths, names, out):
    """Return the name under which browsers keep the answers of this page."""
    place = "" if out is None else str(Path(out).expanduser().absolute())
    text = "\0".join([place, *names, "", *sorted(paths)])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
