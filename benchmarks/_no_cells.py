"""Images without a blood cell: noise, colours, text, photographs, and the background of smears."""

import string
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# What is cut out of an original, whose corners show no cell of interest: that is in the middle.
_CORNER = 90
# What the cells' images show of an original, and so the scale of both.
_CROP = 200


def noise(n, size, rng):
    """Return pixels drawn one by one, gray ones in every other image."""
    images = rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    images[::2] = images[::2, :, :, :1]
    return images


def colours(n, size, rng):
    """Return fields of one colour, and in every other image of colours that change smoothly."""
    images = np.empty((n, size, size, 3), np.uint8)
    for i in range(n):
        side = 1 + i % 2 * 2
        field = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        images[i] = np.asarray(Image.fromarray(field).resize((size, size), Image.BICUBIC))
    return images


def text(n, size, rng):
    """Return letters and digits, in any colour on any light ground."""
    images = np.empty((n, size, size, 3), np.uint8)
    signs = list(string.ascii_letters + string.digits + "   .,")
    for i in range(n):
        page = Image.new("RGB", (size, size), tuple(rng.integers(180, 256, 3).tolist()))
        draw = ImageDraw.Draw(page)
        height = int(rng.integers(8, 24))
        font = ImageFont.load_default(height)
        ink = tuple(rng.integers(0, 120, 3).tolist())
        for top in range(-height // 2, size, height + 3):
            line = "".join(rng.choice(signs, 24))
            draw.text((int(rng.integers(-20, 1)), top), line, fill=ink, font=font)
        images[i] = np.asarray(page)
    return images


def photographs(n, size, rng):
    """Return parts of scikit-learn's two photographs, of different scales."""
    from sklearn.datasets import load_sample_images

    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    images = np.empty((n, size, size, 3), np.uint8)
    for i in range(n):
        photo, side = photos[i % len(photos)], int(rng.integers(48, 400))
        left, top = (int(rng.integers(0, length - side + 1)) for length in photo.size)
        part = photo.crop((left, top, left + side, top + side))
        images[i] = np.asarray(part.resize((size, size), Image.BICUBIC))
    return images


def background(n, size, rng, folder, *, enlarge=False):
    """Return corners of original images, which show no cell of interest.

    Parameters
    ----------
    n, size : int
    rng : numpy.random.Generator
    folder : path-like
        Originals, 360 px wide or so with the cell in the middle, in one folder for each class.
    enlarge : bool, default=False
        Enlarge the corner to the frame. Else it is mirrored beyond its borders, so that the scale
        is that of the cells' images.
    """
    files = sorted(path for path in Path(folder).glob("*/*") if path.suffix in (".jpg", ".png"))
    images = []
    for k in rng.permutation(4 * len(files))[:n]:
        with Image.open(files[k // 4]) as original:
            pixels = np.asarray(original.convert("RGB"))
        rows = slice(_CORNER) if k % 2 else slice(-_CORNER, None)
        columns = slice(_CORNER) if k % 4 < 2 else slice(-_CORNER, None)
        frame = pixels[rows, columns]
        if not enlarge:
            margins = (_CROP - _CORNER) // 2
            frame = np.pad(frame, ((margins, margins), (margins, margins), (0, 0)), "symmetric")
        images.append(np.asarray(Image.fromarray(frame).resize((size, size), Image.BICUBIC)))
    return np.stack(images)


# Kinds that need no data.
KINDS = {"noise": noise, "colours": colours, "text": text, "photographs": photographs}
