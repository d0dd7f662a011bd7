"""Device and precision, resolved in one place."""

from contextlib import suppress

import torch


def resolve_device(device):
    """Turn the parameter `device` into an available device.

    Parameters
    ----------
    device : str or torch.device
        ``"auto"``: CUDA if available, else Apple's MPS, else the CPU. A named device is never
        replaced by another.

    Returns
    -------
    device : torch.device

    Raises
    ------
    ValueError
        If the device is unknown or not available.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    kinds = [*(["cuda"] if cuda else []), *(["mps"] if mps else []), "cpu"]
    with suppress(RuntimeError, TypeError):  # of what is no device of torch
        resolved = torch.device(kinds[0] if device == "auto" else device)
        absent = resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count()
        if resolved.type in kinds and not absent:
            return resolved
    raise ValueError(
        f"device={device!r} is not available on this machine; use 'auto' or one of "
        f"{', '.join(map(repr, kinds))}."
    )


def autocast_dtype(precision, device):
    """Turn the parameter `precision` into the dtype of autocast.

    ``"auto"`` is bfloat16 where the device computes it in hardware, else float32.
    """
    if precision == "auto":
        fast = False
        if device.type == "cuda":
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
        elif device.type == "cpu":
            # Without these instructions, a CPU emulates bfloat16, slower than float32.
            fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        precision = "bfloat16" if fast else "float32"
    return getattr(torch, precision)


def autocast(images, dtype, device):
    """Return the context that a network is applied to a batch in.

    Pixels have 8 bits, as many as bfloat16; other numbers, such as features, have more and are
    computed with in float32.
    """
    low = images.dtype == torch.uint8 and dtype != torch.float32
    return torch.autocast(device.type, dtype, enabled=low)
