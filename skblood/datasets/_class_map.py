"""Labels of several sources, brought to one set of classes without a guess."""

from collections.abc import Mapping
from numbers import Integral


def map_labels(labels, class_map):
    """Return the merged label of each image.

    Parameters
    ----------
    labels : dict of str to list
        Source name -> its labels.
    class_map : mapping or None
        As in `merge_datasets`.

    Returns
    -------
    dict of str to list
        Source name -> merged labels; None where an image is dropped.

    Raises
    ------
    TypeError, ValueError
        If the map names what is not there, or the merged labels are of two kinds or are two
        spellings of one.
    """
    maps = _maps_by_source(class_map or {}, labels)
    merged = {name: [maps[name].get(label, label) for label in labels[name]] for name in labels}
    _check_kinds(merged)
    _check_spellings(merged)
    return merged


def _maps_by_source(class_map, labels):
    if not isinstance(class_map, Mapping):
        raise TypeError(
            f"class_map is a {type(class_map).__name__}; pass a dict from labels to merged labels, "
            "or one from names of sources to such dicts."
        )
    nested = [isinstance(value, Mapping) for value in class_map.values()]
    if not any(nested):
        _check_keys(class_map, set().union(*labels.values()), "the sources hold")
        return dict.fromkeys(labels, class_map)
    if not all(nested):
        raise TypeError(
            "class_map has labels and dicts as values; give a dict for each source, or one dict "
            "for all of them."
        )
    _check_keys(class_map, labels, "the sources are")
    for name, each in class_map.items():
        _check_keys(each, set(labels[name]), f"{name!r} holds")
    return {name: class_map.get(name, {}) for name in labels}


def _check_keys(class_map, known, where):
    if unknown := [key for key in class_map if key not in known]:
        raise ValueError(f"class_map names {unknown}, but {where} {sorted(known, key=str)}.")


def _first_sources(merged):
    """Return each merged label with the first source that has it, in the order of the sources."""
    first = {}
    for name, labels in merged.items():
        for label in dict.fromkeys(labels):
            if label is not None:
                first.setdefault(label, name)
    return first


def _check_kinds(merged):
    first = _first_sources(merged)
    texts = [label for label in first if isinstance(label, str)]
    numbers = [label for label in first if isinstance(label, Integral)]
    for label in first:
        if not isinstance(label, (str, Integral)):
            raise TypeError(
                f"The label {label!r} in {first[label]!r} is a {type(label).__name__}; labels are "
                "strings or integers."
            )
    if texts and numbers:
        text, number = texts[0], numbers[0]
        name = first[number]
        raise ValueError(
            f"The labels are strings, such as {text!r} in {first[text]!r}, and integers, such as "
            f"{number} in {name!r}. Name what the integers mean: "
            f"class_map={{{name!r}: {{{number}: {text!r}, ...}}}}."
        )


def _check_spellings(merged):
    """Raise if two labels differ only by case, spaces, hyphens, underscores or a plural's s."""
    first, spelled, same = _first_sources(merged), {}, {}
    for label in first:
        if isinstance(label, str):
            plain = "".join(filter(str.isalnum, label.casefold())).removesuffix("s")
            if spelled.setdefault(plain, label) != label:
                same[label] = spelled[plain]
    if same:
        pairs = [f"{b!r} in {first[b]!r} and {a!r} in {first[a]!r}" for a, b in same.items()]
        raise ValueError(
            f"Labels differ only by case or spelling: {'; '.join(pairs)}. If they are the same "
            f"classes, map them, e.g. by class_map={same}; if not, give them names that differ."
        )
