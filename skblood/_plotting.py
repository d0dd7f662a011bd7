"""matplotlib, an optional dependency, and single cell images on an axes."""

import numpy as np

from skblood._sklearn import safe_indexing
from skblood.images import CellImages, is_table, read_images, unflatten_rows


def import_pyplot(what):
    """Return `matplotlib.pyplot`, or raise an ImportError that says how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{what} needs matplotlib, which is not installed. Run: pip install skblood[plot]"
        ) from error
    return plt


def make_axes(what, ax, size):
    """Return the axes to draw `what` on: those given, or new ones of a size in inches."""
    plt = import_pyplot(what)
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def read_some(X, positions):
    """Return the images at some positions as a list of uint8 arrays; no others are read."""
    if isinstance(X, CellImages):
        return list(X.pixels[positions])
    # One by one, since images of different sizes do not make one array.
    read = (lambda x: unflatten_rows(np.asarray(x))) if is_table(X) else read_images
    return [read(safe_indexing(X, [position]))[0] for position in positions]


def show_cell(ax, image, **options):
    """Draw an image (height, width, channels) with `ax.imshow`, gray if it has one channel."""
    gray = image.shape[-1] == 1
    pixels = image[..., 0] if gray else image
    ax.imshow(pixels, cmap="gray" if gray else None, vmin=0, vmax=255, **options)
