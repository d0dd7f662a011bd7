"""Depth of image files: values of more than 8 bits, and what they are scaled from."""

import sys
from numbers import Integral

import numpy as np
from PIL import Image, ImageOps
from sklearn.utils import check_scalar

from ._encoded import open_binary
from ._pixels import as_uint8

# Pillow's modes of deep gray; "I" holds 32 bits, but the files hold 16.
DEEP_GRAY = ("I", "I;16", "I;16L", "I;16B", "I;16N")
_LEAST_BITS, _MOST_BITS = 8, 16
# Values below a quarter of 16 bits are taken for those of a camera of 8 to 14 bits, ...
_CLEARLY_16_BITS = 2**14
# ... and so is an image of which no more than these fractions of the values are above it: of all,
# as in a burnt-in scale bar, and of those below the maximum, as hot pixels and edges of the bar.
_MARKS, _HOT = 0.03, 0.005
# Tags of TIFF.
_BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANES, _SAMPLE_FORMAT = 258, 262, 284, 339
_MIN_IS_WHITE, _SEPARATE, _SIGNED = 0, 2, 2
# Start of a JPEG 2000 code stream, and how far behind it the bits of a component are, less one.
_CODE_STREAM, _COMPONENT_BITS = b"\xff\x4f\xff\x51", 38

# Of 16-bit color, Pillow decodes the high byte of each value only: with the byte order exchanged,
# that is the low byte.
_NATIVE = "LB" if sys.byteorder == "little" else "BL"
_EXCHANGED = {
    f"{mode};16{order}": f"{mode};16{other}"
    for mode in ("RGB", "RGBA", "RGBX")
    for order, other in ("LB", "BL", ("N", _NATIVE[1]))
}


class DeepPath(str):
    """Path of an image file, with the depth of its values as `bit_depth`."""


def check_bit_depth(bit_depth):
    """Raise TypeError or ValueError unless `bit_depth` is None or an integer in 8..16."""
    if bit_depth is not None:
        check_scalar(bit_depth, "bit_depth", Integral, min_val=_LEAST_BITS, max_val=_MOST_BITS)


def state_depth(paths, bit_depth=None):
    """Return paths as an array of str, each with the depth of its file if that is given.

    Parameters
    ----------
    paths : sequence of str
    bit_depth : int, default=None
        Depth of the values in files of more than 8 bits. None keeps what the paths state.

    Returns
    -------
    ndarray of shape (n,), dtype str; or object, holding str with the attribute `bit_depth`
    """
    check_bit_depth(bit_depth)
    if bit_depth is None:
        is_stated = any(isinstance(path, DeepPath) for path in paths)
        return np.array(paths, dtype=object if is_stated else str)
    stated = [DeepPath(path) for path in paths]
    for path in stated:
        path.bit_depth = int(bit_depth)
    return np.array(stated, dtype=object)


def common_depth(paths):
    """Return the depth stated with paths, or None; raise ValueError if there are several."""
    depths = {getattr(path, "bit_depth", None) for path in paths} - {None}
    if len(depths) > 1:
        raise ValueError(
            f"X holds paths with several bit depths, {sorted(depths)}, of which a model can "
            "remember one only. Fit it with skblood.images.read_images(X, size=(height, width))."
        )
    return depths.pop() if depths else None


def stated_depth(item, bit_depth):
    """Return the depth that an item states, or else the given one."""
    return getattr(item, "bit_depth", None) or bit_depth


def is_deep(image, item):
    """Return whether Pillow changes the deep values of an opened item, not yet decoded."""
    if image.format == "PPM":
        args = image.tile[0].args
        return args[0] in ("L", "RGB") and args[1] > 255
    if image.format == "JPEG2000":
        with open_binary(item) as file:
            bits = file.read(2**20).partition(_CODE_STREAM)[2][_COMPONENT_BITS] % 128 + 1
        return 8 < bits < _MOST_BITS + (image.mode != "I;16")
    if image.format == "TIFF":
        return len(image.getbands()) > 1 and max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))) > 8
    return image.format == "PNG" and image.mode != "I;16" and ";16" in str(image.tile[:1])


def read_deep(image, item):
    """Return the values of an opened item of 16-bit color, uint16 of shape (h, w, c).

    Raises
    ------
    ValueError
        If it is stored in a way that Pillow cannot decode.
    """
    if image.format in ("PPM", "JPEG2000"):
        raise ValueError(f"{image.format} of more than 8 bits. Save it as PNG or TIFF.")
    if image.format == "TIFF" and image.tag_v2.get(_PLANES) == _SEPARATE:
        raise ValueError("16-bit color in separate planes. Save it with interleaved channels.")
    with open_binary(item) as file, Image.open(file, formats=[image.format]) as low:
        low.seek(image.tell())
        try:
            low.tile = [tile._replace(args=_exchange_bytes(tile.args)) for tile in low.tile]
        except KeyError:
            form = "gray with alpha" if "LA;" in str(image.tile) else "color of an unusual form"
            raise ValueError(f"16-bit {form}. Save it as gray or RGB, without alpha.") from None
        for each in (image, low):
            ImageOps.exif_transpose(each, in_place=True)
        values = np.asarray(image).astype(np.uint16) * 256 + np.asarray(low)
    is_opaque = values.shape[2] == 4 and values[..., 3].min() == values[..., 3].max() > 0
    return values[..., :3] if is_opaque else values


def _exchange_bytes(args):
    return _EXCHANGED[args] if isinstance(args, str) else (_EXCHANGED[args[0]], *args[1:])


def scale_values(values, image, bit_depth):
    """Convert the values of a file or PIL image to uint8.

    Parameters
    ----------
    values : ndarray of shape (h, w, c)
        uint8 are returned as they are; floats are in 0..1.
    image : PIL.Image.Image
        It may tell the depth.
    bit_depth : int or None
        Stated depth of integers; None is 16.

    Raises
    ------
    ValueError
        If values are out of range, or if their depth is not stated and unclear.
    """
    tags = getattr(image, "tag_v2", {})
    is_signed = _SIGNED in tags.get(_SAMPLE_FORMAT, ())
    if values.dtype == np.uint8:
        if is_signed:
            raise ValueError("signed values of 8 bits. Save them as unsigned ones (uint8)")
        return values
    least, most = values.min(), values.max()
    is_inverted = tags.get(_PHOTOMETRIC) == _MIN_IS_WHITE  # Pillow inverts 8 bits only
    if values.dtype.kind == "f":
        if not (least >= 0 and most <= 1):
            raise ValueError(f"floats of {least:.6g}..{most:.6g}, outside of 0..1. Save integers")
        return as_uint8(1 - values[None] if is_inverted else values[None])[0]
    bits = max(tags.get(_BITS_PER_SAMPLE, (_MOST_BITS,)))
    if bits >= _MOST_BITS:
        is_int16 = bits == _MOST_BITS and is_signed
        if bit_depth is None and least >= 0 and (is_int16 or _is_unclear(values[..., :3])):
            raise ValueError(
                f"values of {least}..{most} (97 % up to {np.quantile(values, 0.97):.0f}) in a file "
                "of 16 bits: their depth is unclear. State it: bit_depth=12, e.g., or 16 if dark"
            )
        bits = bit_depth or _MOST_BITS
    top = 2**bits - 1
    if least < 0 or most > top:
        raise ValueError(
            f"values of {least}..{most}, outside of 0..{top} ({bits} bits). Correct the depth, or "
            "the values, e.g. of a burnt-in scale bar"
        )
    table = np.rint(np.linspace(0, 255, top + 1)).astype(np.uint8)
    return (table[::-1] if is_inverted else table)[values]


def _is_unclear(values):
    """Return whether values of 16 bits may be those of a camera of fewer bits."""
    large = values[values >= _CLEARLY_16_BITS]
    n_below = np.count_nonzero(large < large.max(initial=0))
    return large.size <= _MARKS * values.size and n_below <= _HOT * values.size
