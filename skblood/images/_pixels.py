"""Numbers as pixels: what is a uint8 image already, what becomes one, and what is an error."""

import numpy as np
import torch

# Numbers that are converted at a time, so that a large float array is never copied as a whole.
_CHUNK = 2**22

# How far floats may leave 0..1 and still look like the rounding errors of an image in 0..1.
_ROUNDING = 0.01

# Pixels of 16-bit cameras lie in 0..65535, but many such cameras use the lowest 12 bits only.
_MAX_12_BIT = 4095


def to_numpy(array, name="X"):
    """Return a torch tensor or array-like as an ndarray, without a copy where possible.

    Parameters
    ----------
    array : array-like or torch.Tensor
    name : str
        Name of the argument, for messages.

    Raises
    ------
    ValueError
        If values of a masked array are masked: NumPy would take what is under the mask.
    TypeError
        If it is a tensor of which NumPy can make no array.
    """
    if np.ma.is_masked(array):
        raise ValueError(
            f"{name} is a masked array with {np.ma.count_masked(array)} masked values. Leave out "
            f"what they belong to, or say what they are, by {name}.filled(...)."
        )
    if not isinstance(array, torch.Tensor):
        return np.asarray(array)
    try:
        array = array.detach().cpu().resolve_conj().resolve_neg()
        # NumPy has no bfloat16.
        return (array.float() if array.dtype == torch.bfloat16 else array).numpy()
    except (RuntimeError, TypeError) as error:
        raise TypeError(
            f"{name} holds a tensor of {array.dtype}, layout {array.layout}, on the device "
            f"{array.device.type!r}, of which NumPy can make no array. Pass a dense tensor with "
            "data, e.g. x.to_dense(), of an ordinary dtype, e.g. x.float()."
        ) from error


def as_uint8(array):
    """Return images as uint8, if their dtype and values say what they mean.

    uint8 means 0..255, floats mean 0..1; anything else is refused, not guessed.

    Parameters
    ----------
    array : array-like or torch.Tensor of shape (n, ...), dtype uint8 or floating
        Images along the first axis. It is not changed.

    Returns
    -------
    ndarray of shape (n, ...), dtype uint8
        ``array`` itself if it is uint8, else ``255 * array`` rounded.

    Raises
    ------
    ValueError
        If the dtype is neither uint8 nor floating, or if a float is not in 0..1.

    Examples
    --------
    >>> import numpy as np
    >>> from skblood.images import as_uint8
    >>> as_uint8(np.array([[0.0, 0.5, 1.0]]))
    array([[  0, 128, 255]], dtype=uint8)
    """
    array = to_numpy(array)
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise ValueError(_describe(array))
    if array.ndim == 0:
        return as_uint8(array[None])[0]
    pixels = np.empty(array.shape, np.uint8)
    step = max(1, _CHUNK // max(1, array[:1].size))
    for start in range(0, len(array), step):
        block = array[start : start + step]
        # Written so that NaN, which is neither, is refused as well.
        if block.size and not (block.min() >= 0 and block.max() <= 1):
            raise ValueError(_describe(array))
        # float16 would round the products; wider types keep what they have.
        scaled = block * np.promote_types(block.dtype, np.float32).type(255)
        pixels[start : start + step] = np.rint(scaled, out=scaled)
    return pixels


def _describe(array):
    """Say why an array is no image, what would be one, and how to get there."""
    rule = "Images are uint8 in 0..255 or floating point in 0..1"
    if array.dtype.kind not in "buif":
        return f"{rule}, not {array.dtype}. {_non_numeric_fix(array.dtype)}"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return f"{rule}. {_non_finite(array)}"
    if array.size == 0:
        return f"{rule}, not {array.dtype}."
    low, high = array.min(), array.max()
    return f"{rule}, but these are {array.dtype} in {low:.6g}..{high:.6g}. {_fix(array, low, high)}"


def _non_numeric_fix(dtype):
    if dtype.kind == "c":
        return "Complex data not supported: pass its real part or its magnitude."
    if dtype.kind == "O":
        return "Pass X.astype(np.uint8) if they mean 0..255, or a list of arrays."
    return "Pass numbers, or a one-dimensional list of paths."


def _non_finite(array):
    bad = ~np.isfinite(array)
    of_image = bad.reshape(len(array), -1).any(axis=1) if array.ndim > 1 else bad
    return (
        f"{bad.sum()} values are NaN or infinite, in {of_image.sum()} of {len(array)} images "
        f"(the first at position {of_image.argmax()}). Leave these images out, or fill the gaps, "
        "e.g. by np.nan_to_num(X)."
    )


def _fix(array, low, high):
    """Return the sentence that says what to do with finite numbers in ``low..high``."""
    if array.dtype.kind == "b":
        return "If these are masks, pass X.astype(np.uint8) * 255."
    if array.dtype.kind in "iu":
        if low < 0:
            return "Shift and scale them to 0..255, then pass X.astype(np.uint8)."
        if high <= 255:
            return "If they mean 0..255, pass X.astype(np.uint8)."
        if high <= _MAX_12_BIT:
            return "Of 12-bit pixels, pass (X / 4095); of 16-bit pixels, pass (X / 65535)."
        if high <= 65535:
            return "Of 16-bit pixels, pass (X / 65535)."
        return "Scale them to 0..1 by the largest value that they can have."
    if low >= -_ROUNDING and high <= 1 + _ROUNDING:
        return "Cut rounding errors off with X.clip(0, 1)."
    if low >= -1 and high <= 1:
        return "If they mean -1..1, pass (X + 1) / 2."
    if low >= 0 and high <= 255:
        return "If they mean 0..255, pass X / 255."
    return (
        "Leave normalisation out, as the model normalises by itself, or scale them back to 0..1: "
        "X * std + mean."
    )
