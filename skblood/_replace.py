"""Atomic writing of files: the old file or the new one is there, whole."""

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

_ADVICE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "the file is larger than is allowed here",
    errno.EACCES: "the folder is write-protected",
    errno.EPERM: "the folder is write-protected",
    errno.EROFS: "the disk is read-only",
}


def replace_file(path, content):
    """Write a file, replacing an existing one in a single step.

    The content goes into a temporary file in the same folder, which is flushed to the disk and
    renamed.

    Parameters
    ----------
    path : str or path-like
    content : bytes

    Returns
    -------
    path : pathlib.Path

    Raises
    ------
    OSError
        If there is no such folder, or the file cannot be written. The old file is unchanged.
    """
    given = Path(path).expanduser()
    path = Path(os.path.realpath(given))  # through links, as a write would go
    _check_target(path)
    temporary = path.parent / f".{path.name[:100]}.{secrets.token_hex(8)}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            reason = _ADVICE.get(error.errno, error.strerror or str(error))
            message = f"The file was not written, since {reason}. Make room, or name another folder"
            raise type(error)(error.errno, message, str(path)) from error
        raise
    _sync_folder(path.parent)
    return given


def _check_target(path):
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"There is no folder {str(path.parent)!r} to write {path.name!r} to."
        )
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder. Name a file in it.")
    if path.exists() and not path.is_file():
        raise OSError(f"{str(path)!r} is a device or a pipe. Name a file.")
    if path.exists() and not os.access(path, os.W_OK):  # a rename would not ask
        raise PermissionError(f"{str(path)!r} is write-protected. Name another file.")


def _sync_folder(folder):
    """Flush the new name to the disk, if the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
