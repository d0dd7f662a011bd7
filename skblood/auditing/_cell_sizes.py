"""Cells of another size: in one part of the split, or than a model expects."""

import numpy as np

from skblood.cells import measure_cells, measure_frame

from ._finding import Finding

# Images of a part that are measured at most, and white cells without which nothing is concluded.
_MOST, _FEWEST = 256, 20
# Medians that differ by less depend on the mix of classes.
_TOLERANCE = 0.15


def find_cell_sizes(summary, split, model):
    """Return parts whose cells are of another size, and whether all are for the model.

    They have no positions: they concern all images of a part, or all images.
    """
    found = []
    if model is not None:
        frame = measure_frame(model, summary["picture"])
        if frame.crop != model.spec_.crop:
            # Without the crop, which is measured better in color, by `measured_crop`.
            seen = f"cells fill {frame.size:.2f} of the side"
            detail = f"{seen}, the model expects {frame.expected:.2f}"
            found.append(Finding("cell_size", (), detail))
    parts = [] if split is None else np.array(split, dtype=object)[summary["position"]]
    measured = {}
    for part in dict.fromkeys(parts):
        pictures = np.random.default_rng(0).permutation(summary["picture"][parts == part])
        sizes = measure_cells(pictures[:_MOST]).white_cell_sizes
        if len(sizes) >= _FEWEST:
            measured[part] = np.median(sizes)
    for part, size in list(measured.items())[1:]:
        first, expected = next(iter(measured.items()))
        if abs(np.log(size / expected)) > _TOLERANCE:
            detail = f"cells of {part} fill {size:.2f} of the side, those of {first} {expected:.2f}"
            found.append(Finding("cell_size", (), detail))
    return found
