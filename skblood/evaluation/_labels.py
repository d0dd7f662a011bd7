"""Labels to be counted."""

import numpy as np


def count_labels(y):
    """Return the classes, sorted, the class of each label by its position there, and the counts.

    Raises
    ------
    ValueError
        If there is no label, or the labels cannot be sorted.
    """
    y = np.ravel(y)
    if len(y) == 0:
        raise ValueError("There is nothing to draw: `y` is empty.")
    try:
        return np.unique(y, return_inverse=True, return_counts=True)
    except TypeError as error:
        kinds = sorted({type(label).__name__ for label in y})
        raise ValueError(
            f"The labels in `y` are of the kinds {kinds} and cannot be sorted. Make them all str "
            "or all numbers, and give images without a label one of their own, or leave them out."
        ) from error


def check_lengths(**lengths):
    """Raise ValueError unless all lengths, given by the names of the arguments, are the same."""
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"`{name}` {length:,}" for name, length in lengths.items())
        raise ValueError(f"There must be one entry for each image, got different lengths: {found}.")
