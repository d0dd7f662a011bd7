"""Changes of images that leave the laboratory as it is."""

import io

import numpy as np
from PIL import Image, ImageFilter

from skblood.images import CellImages


def harmless_changes(images):
    """Yield images as other software of the same laboratory might have written them.

    Parameters
    ----------
    images : CellImages

    Yields
    ------
    changed : CellImages
        Compressed (JPEG of quality 60), brought to three quarters of the size and back, slightly
        out of focus, and cut out 8 % closer.
    """
    pixels = images.pixels
    is_float = pixels.dtype != np.uint8
    bytes_ = np.rint(255 * pixels).astype(np.uint8) if is_float else pixels
    for change in (_compress, _resample, _blur, _crop):
        changed = [np.asarray(change(_to_image(each))) for each in bytes_]
        changed = np.stack(changed).reshape(pixels.shape)
        changed = (changed / np.float32(255)) if is_float else changed
        yield CellImages(changed, images.preprocessing)


def _to_image(pixels):
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _compress(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=60)
    return Image.open(buffer)


def _resample(image):
    smaller = [max(1, round(0.75 * side)) for side in image.size]
    return image.resize(smaller, Image.Resampling.BILINEAR).resize(image.size)


def _blur(image):
    # 0.7 px of an image of 128 px.
    return image.filter(ImageFilter.GaussianBlur(0.7 * min(image.size) / 128))


def _crop(image):
    margins = [0.04 * side for side in image.size]
    box = (*margins, *(side - margin for side, margin in zip(image.size, margins, strict=True)))
    return image.resize(image.size, Image.Resampling.BICUBIC, box=box)
