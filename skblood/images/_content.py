"""What an image holds, as a short key: the same for copies, wherever they come from."""

import hashlib

import numpy as np


def content_keys(images):
    """Hash each image's bytes.

    Returns
    -------
    keys : ndarray of shape (n, 2), dtype uint64
        128 bits for each image; the same for identical images only.
    """
    digests = b"".join(
        hashlib.blake2b(np.ascontiguousarray(image), digest_size=16).digest() for image in images
    )
    return np.frombuffer(digests, dtype="<u8").reshape(len(images), 2)
