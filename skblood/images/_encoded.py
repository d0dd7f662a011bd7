"""An encoded image in memory."""

from __future__ import annotations

import io
import os


class EncodedImage:
    """Content of an image file, in memory: PNG, JPEG, TIFF or another format of `read_images`.

    Everything that takes a list of paths also takes a list of these, and treats both alike: the
    same checks, the same pixels, and the same entry in a `FeatureStore`.

    Parameters
    ----------
    data : bytes
        The whole file. It is not decoded until the image is read.
    name : str
        Name of the image, for messages and tables, such as "cells.tar/0001.png".
    bit_depth : int in 8..16, default=None
        Bits of the values if they have more than 8: 12 means 0..4095. None means 16, as for paths.

    Raises
    ------
    TypeError
        If `data` is not bytes.

    See Also
    --------
    skblood.streaming.open_source : Encoded images from tar shards and URLs.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> from skblood.images import EncodedImage, read_images
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (32, 24)).save(file, "PNG")
    >>> image = EncodedImage(file.getvalue(), "cells.tar/0001.png")
    >>> image
    <EncodedImage 'cells.tar/0001.png': ... bytes>
    >>> read_images([image]).shape
    (1, 24, 32, 3)
    """

    __slots__ = ("bit_depth", "data", "name")

    def __init__(
        self, data: bytes | bytearray | memoryview, name: str, bit_depth: int | None = None
    ) -> None:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(
                f"data is a {type(data).__name__}, not bytes. Pass the content of an image file, "
                "Path(path).read_bytes(), or the path itself instead of an EncodedImage."
            )
        self.data = bytes(data)
        self.name = str(name)
        self.bit_depth = bit_depth

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<EncodedImage {self.name!r}: {len(self.data):,} bytes>"

    def open(self) -> io.BytesIO:
        """Return the content as a new binary file object."""
        return io.BytesIO(self.data)


def open_binary(item):
    """Open the file of a path, or the content of an `EncodedImage`."""
    return item.open() if isinstance(item, EncodedImage) else open(os.fspath(item), "rb")
