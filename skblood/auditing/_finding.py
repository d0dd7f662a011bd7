"""A finding of the audit, and the kinds of findings."""

from dataclasses import dataclass
from typing import Any

# Most serious first; in words, for one finding and for several.
KINDS = {
    "crossing_split": ("pair of copies crosses the split", "pairs of copies cross the split"),
    "crossing_groups": ("group crosses the split", "groups cross the split"),
    "contradictory_labels": ("pair of copies has two labels", "pairs of copies have two labels"),
    "label_errors": ("suspected label error", "suspected label errors"),
    "unreadable": ("image cannot be read", "images cannot be read"),
    "identical_files": ("pair of identical files", "pairs of identical files"),
    "identical_pixels": ("other pair of identical images", "other pairs of identical images"),
    "near_identical": ("pair of nearly identical images", "pairs of nearly identical images"),
    "training_overlap": (
        "training image of the pretrained models",
        "training images of the pretrained models",
    ),
    "blank": ("blank image", "blank images"),
    "odd_size": ("image of an unusual size", "images of an unusual size"),
    "cell_size": ("difference in the size of cells", "differences in the size of cells"),
    "rare_classes": ("class too rare for the folds", "classes too rare for the folds"),
    "similar_labels": ("set of labels of similar spelling", "sets of labels of similar spelling"),
}
COPIES = ("identical_files", "identical_pixels", "near_identical")


@dataclass(frozen=True)
class Finding:
    """A finding: its kind, and the images concerned.

    Attributes
    ----------
    kind : str
        A key of `KINDS`.
    positions : tuple of int
        Positions in X; empty if a whole part is concerned.
    detail : str
    similarity : float or None
        For copies: 1 for identical pixels, else the correlation of the two images.
    suggested : label or None
        For a suspected label error: the class that is more probable.
    """

    kind: str
    positions: tuple[Any, ...]
    detail: str = ""
    similarity: float | None = None
    suggested: object = None
