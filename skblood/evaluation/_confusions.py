"""Confusions of classes, from a confusion matrix."""

from typing import NamedTuple


class Confusion(NamedTuple):
    """Number of images of one class predicted as another, and their share of the true class."""

    true: object
    predicted: object
    count: int
    share: float


def list_confusions(classes, confusion_matrix):
    """Return the confusions that occur, the most frequent first."""
    found = [
        Confusion(true, predicted, int(count), float(count / row.sum()))
        for true, row in zip(classes, confusion_matrix, strict=True)
        for predicted, count in zip(classes, row, strict=True)
        if count and predicted != true
    ]
    return sorted(found, key=lambda each: (-each.count, -each.share))
