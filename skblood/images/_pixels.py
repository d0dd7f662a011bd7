"""Numeric values as pixels: which arrays are uint8 images, and how to convert the others."""

import numpy as np

# Values converted at a time, so that a large float array is never copied as a whole.
_CHUNK = 2**22


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
            f"{name} is a masked array with {np.ma.count_masked(array)} masked values. Leave their "
            f"rows out, or replace them by {name}.filled(...)."
        )
    if not hasattr(array, "detach"):  # no tensor of torch
        return np.asarray(array)
    import torch

    try:
        # NumPy has no bfloat16.
        array = array.float() if array.dtype == torch.bfloat16 else array
        return array.numpy(force=True)
    except (RuntimeError, TypeError) as error:
        raise TypeError(
            f"{name} holds a tensor of {array.dtype}, {array.layout}, on {array.device.type!r}, "
            "unknown to NumPy. Pass a dense tensor with data, e.g. x.to_dense().float()."
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
    rule = "Images are uint8 in 0..255 or floating point in 0..1"
    if array.dtype.kind not in "buif" or array.size == 0:
        return f"{rule}, not {array.dtype}. Pass numbers or paths."
    bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if bad.any():
        return (
            f"{rule}, but {bad.sum()} of {len(array)} hold NaN or infinity (the first at position "
            f"{bad.argmax()}). Leave them out, or replace the values, e.g. by np.nan_to_num(X)."
        )
    return (
        f"{rule}, but these are {array.dtype} in {array.min():.6g}..{array.max():.6g}. Pass "
        "X.astype(np.uint8) for 0..255, X / 65535 for 16-bit pixels (X / 4095 for 12 bits), "
        "X * std + mean if normalized."
    )
