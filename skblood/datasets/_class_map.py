"""Mapping of the labels of several sources to one set of classes."""

from collections.abc import Mapping
from numbers import Integral


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
        If the map is not such a mapping, or the merged labels are not all str or all int.
    ValueError
        If the map has unknown keys, or the merged labels differ only in spelling.
    """
    maps = _map_of_each_source(class_map or {}, labels)
    merged = {name: [maps[name].get(x, x) for x in each] for name, each in labels.items()}
    found = dict.fromkeys(label for each in merged.values() for label in each if label is not None)
    is_text = {isinstance(label, str) for label in found}
    if len(is_text) == 2 or not all(isinstance(label, (str, Integral)) for label in found):
        examples = {type(label).__name__: label for label in found}
        raise TypeError(
            f"Labels must be all strings or all integers, but there are {examples}. Map them, e.g. "
            "class_map={'source': {0: 'monocyte'}}."
        )
    _check_spellings(label for label in found if isinstance(label, str))
    return merged


def _map_of_each_source(class_map, labels):
    is_map = isinstance(class_map, Mapping)
    is_nested = {isinstance(value, Mapping) for value in class_map.values()} if is_map else ()
    if not is_map or len(is_nested) == 2:
        raise TypeError(
            "class_map must be a dict from labels to merged labels, for all sources, or a dict "
            "from names of sources to such dicts."
        )
    known, given = set().union(*labels.values()), set(class_map)
    if True in is_nested:
        known = {(name, label) for name, each in labels.items() for label in each}
        given = {(name, label) for name, each in class_map.items() for label in each}
    if unknown := given - known:
        unknown, known = (sorted(each, key=str) for each in (unknown, known))
        raise ValueError(f"class_map names {unknown}, but the sources hold {known}.")
    if True in is_nested:
        return {name: class_map.get(name, {}) for name in labels}
    return dict.fromkeys(labels, class_map)


def _check_spellings(labels):
    """Raise an error if labels differ only by case, punctuation, spaces or a plural s."""
    spelled, same = {}, {}
    for label in labels:
        plain = "".join(filter(str.isalnum, label.casefold())).removesuffix("s")
        if spelled.setdefault(plain, label) != label:
            same[label] = spelled[plain]
    if same:
        raise ValueError(
            f"Labels differ only by case or spelling. If they are the same classes, map them: "
            f"class_map={same}; otherwise rename them."
        )
