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
    TypeError, ValueError
        If the map has unknown keys, or the merged labels are of two types or differ only in
        spelling.
    """
    maps = _map_of_each_source(class_map or {}, labels)
    merged = {name: [maps[name].get(label, label) for label in labels[name]] for name in labels}
    first_source = {}
    for name, each in merged.items():
        for label in each:
            if label is not None:
                first_source.setdefault(label, name)
    _check_types(first_source)
    _check_spellings(first_source)
    return merged


def _map_of_each_source(class_map, labels):
    is_map = isinstance(class_map, Mapping)
    is_nested = [isinstance(value, Mapping) for value in class_map.values()] if is_map else []
    if not is_map or (any(is_nested) and not all(is_nested)):
        raise TypeError(
            "class_map must be a dict from labels to merged labels, for all sources, or a dict "
            "from names of sources to such dicts."
        )
    if not any(is_nested):
        _check_keys(class_map, set().union(*labels.values()), "the sources hold")
        return dict.fromkeys(labels, class_map)
    _check_keys(class_map, labels, "the sources are")
    for name, each in class_map.items():
        _check_keys(each, set(labels[name]), f"{name!r} holds")
    return {name: class_map.get(name, {}) for name in labels}


def _check_keys(class_map, known, where):
    if unknown := [key for key in class_map if key not in known]:
        raise ValueError(f"class_map names {unknown}, but {where} {sorted(known, key=str)}.")


def _check_types(first_source):
    """Raise an error unless all labels are str, or all are integers."""
    examples = {}
    for label, name in first_source.items():
        if not isinstance(label, (str, Integral)):
            raise TypeError(
                f"The label {label!r} in {name!r} is a {type(label).__name__}; labels must be "
                "strings or integers."
            )
        examples.setdefault(isinstance(label, str), (label, name))
    if len(examples) == 2:
        (text, text_source), (number, source) = examples[True], examples[False]
        raise ValueError(
            f"The labels are strings, such as {text!r} in {text_source!r}, and integers, such as "
            f"{number} in {source!r}. Map the integers to strings: "
            f"class_map={{{source!r}: {{{number}: {text!r}, ...}}}}."
        )


def _check_spellings(first_source):
    """Raise an error if labels differ only by case, punctuation, spaces or a plural s."""
    spelled, same = {}, {}
    for label in first_source:
        if isinstance(label, str):
            plain = "".join(filter(str.isalnum, label.casefold())).removesuffix("s")
            if spelled.setdefault(plain, label) != label:
                same[label] = spelled[plain]
    if same:
        pairs = [
            f"{b!r} in {first_source[b]!r} and {a!r} in {first_source[a]!r}"
            for a, b in same.items()
        ]
        raise ValueError(
            f"Labels differ only by case or spelling: {'; '.join(pairs)}. If they are the same "
            f"classes, map them, e.g. class_map={same}; otherwise rename them."
        )
