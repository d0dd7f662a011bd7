"""Changes that no human reader of a cell would notice: another codec, filter, crop or lamp."""

import io
from functools import partial

import numpy as np
from PIL import Image, ImageFilter
from sklearn.metrics import accuracy_score

from skblood.images import resize_images

# The side of the crop from which PBC's images of 128 px were made, in pixels of the original.
SIDE, SIZE = 200, 128


def frame(image, *, side=SIDE, size=SIZE, filter=Image.Resampling.BICUBIC):
    """Cut the center out and resize it.

    Parameters
    ----------
    image : PIL.Image.Image
        An original, or its crop of `SIDE` pixels that is `SIZE` pixels wide.
    side : int
        Of the crop, in pixels of the original. An image is continued by reflection.
    size : int
        Of the result, in pixels.
    filter : PIL.Image.Resampling

    Returns
    -------
    PIL.Image.Image
    """
    whole = min(image.size)
    side = side if whole > SIDE else round(side * whole / SIDE)
    if side > whole:
        margin = (side - whole + 1) // 2
        pixels = np.pad(np.asarray(image), ((margin, margin), (margin, margin), (0, 0)), "reflect")
        image = Image.fromarray(pixels)
    left, top = ((length - side) // 2 for length in image.size)
    return image.crop((left, top, left + side, top + side)).resize((size, size), filter)


def _refilter(image, filter):
    """Resize by another filter; what was resized before is resized once more, to 100 px."""
    done = min(image.size) == SIZE
    return frame(image, filter=filter, size=100 if done else SIZE)


def _encode(image, kind, quality):
    file = io.BytesIO()
    frame(image).save(file, kind, quality=quality)
    return Image.open(file).convert("RGB")


def _values(image, change):
    values = change(np.asarray(frame(image), dtype=np.float32) / 255)
    return Image.fromarray((255 * values.clip(0, 1)).round().astype(np.uint8))


# What each makes of an original, or of an image of 128 px.
CHANGES = {
    "JPEG q60": partial(_encode, kind="JPEG", quality=60),
    "WebP q75": partial(_encode, kind="WEBP", quality=75),
    "bilinear": partial(_refilter, filter=Image.Resampling.BILINEAR),
    "Lanczos": partial(_refilter, filter=Image.Resampling.LANCZOS),
    "resized twice": lambda image: frame(image, size=96).resize((SIZE, SIZE)),
    "blur 0.7 px": lambda image: frame(image).filter(ImageFilter.GaussianBlur(0.7)),
    "sharpened": lambda image: frame(image).filter(ImageFilter.UnsharpMask(1, 80, 0)),
    "crop 190 px": partial(frame, side=190),
    "crop 216 px": partial(frame, side=216),
    "5 % brighter": partial(_values, change=lambda values: 1.05 * values),
    "gamma 1.1": partial(_values, change=lambda values: values**1.1),
    "redder": partial(_values, change=lambda values: values * np.float32([1.04, 1.0, 0.97])),
}


def robustness(model, images, y, size):
    """Return the accuracy on images as they are and after each change.

    Parameters
    ----------
    model : fitted classifier
    images : list of PIL.Image.Image
        Originals, or images of 128 px.
    y : array-like of shape (n,)
    size : int or None
        Resize to this by bicubic interpolation before prediction; None leaves it to the model.

    Returns
    -------
    dict of str to float
        "clean", and each of `CHANGES`.
    """
    accuracy = {}
    for name, change in {"clean": frame, **CHANGES}.items():
        X = np.stack([np.asarray(change(image)) for image in images])
        X = X if size is None else resize_images(X, (size, size), "bicubic")
        accuracy[name] = accuracy_score(y, model.predict(X))
    return accuracy


def worst(accuracy):
    """Return the name and the accuracy of the change that costs most."""
    name = min(CHANGES, key=accuracy.get)
    return name, accuracy[name]
