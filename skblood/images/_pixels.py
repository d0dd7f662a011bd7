"""Numeric values as pixels: which arrays are uint8 images, and how to convert the others."""

import numpy as np
import torch

# Values converted at a time, so that a large float array is never copied as a whole.
_CHUNK = 2**22

# Distance from 0..1 up to which floats look like rounding errors.
_ROUNDING = 0.01


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
        If values of a masked array are masked: NumPy would use the values under the mask.
    TypeError
        If it is a tensor that NumPy cannot represent.
    """
    if np.ma.is_masked(array):
        raise ValueError(
            f"{name} is a masked array with {np.ma.count_masked(array)} masked values. Leave them "
            f"out with their rows, or replace them by {name}.filled(...)."
        )
    if not isinstance(array, torch.Tensor):
        return np.asarray(array)
    try:
        array = array.detach().cpu().resolve_conj().resolve_neg()
        # NumPy has no bfloat16.
        return (array.float() if array.dtype == torch.bfloat16 else array).numpy()
    except (RuntimeError, TypeError) as error:
        raise TypeError(
            f"{name} holds a tensor of {array.dtype}, {array.layout}, on {array.device.type!r}: "
            "NumPy cannot represent it. Pass a dense tensor with data, e.g. x.to_dense().float()."
        ) from error


def as_uint8(array):
    """Convert images to uint8: uint8 means 0..255, floats mean 0..1, all else is an error.

    Parameters
    ----------
    array : array-like or torch.Tensor of shape (n, ...), dtype uint8 or floating
        Images along the first axis. Not changed.

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
    """Say why an array holds no images, and how to convert it."""
    rule, kind = "Images are uint8 in 0..255 or floating point in 0..1", array.dtype.kind
    if kind not in "buif":
        return f"{rule}, not {array.dtype}. {_NON_NUMERIC.get(kind, 'Pass numbers or paths.')}"
    if kind == "f" and not (finite := np.isfinite(array)).all():
        bad = ~finite.reshape(len(array), -1).all(axis=1)
        return (
            f"{rule}. {np.count_nonzero(~finite)} values are NaN or infinite, in {bad.sum()} of "
            f"{len(array)} images (the first at position {bad.argmax()}). Leave these images out, "
            "or replace the values, e.g. by np.nan_to_num(X)."
        )
    if array.size == 0:
        return f"{rule}, not {array.dtype}."
    low, high = array.min(), array.max()
    fix = _fix_floats(low, high) if kind == "f" else _fix_integers(kind, low, high)
    return f"{rule}, but these are {array.dtype} in {low:.6g}..{high:.6g}. {fix}"


_NON_NUMERIC = {
    "c": "Complex data not supported: pass the real part or the magnitude.",
    "O": "Pass X.astype(np.uint8) if the values mean 0..255, or a list of arrays.",
}


def _fix_integers(kind, low, high):
    if kind == "b":
        return "If these are masks, pass X.astype(np.uint8) * 255."
    if low < 0:
        return "Shift and scale them to 0..255, then pass X.astype(np.uint8)."
    if high <= 255:
        return "If they mean 0..255, pass X.astype(np.uint8)."
    return (
        "Divide them by the largest value that they can have: X / 4095 for 12-bit pixels, "
        "X / 65535 for 16-bit pixels."
    )


def _fix_floats(low, high):
    if low >= -_ROUNDING and high <= 1 + _ROUNDING:
        return "Remove rounding errors by X.clip(0, 1)."
    if low >= -1 and high <= 1:
        return "If they mean -1..1, pass (X + 1) / 2."
    if low >= 0 and high <= 255:
        return "If they mean 0..255, pass X / 255."
    return (
        "Leave normalization out, as the model normalizes by itself, or scale them back to 0..1: "
        "X * std + mean."
    )
