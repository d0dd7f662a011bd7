"""Writing a file so that whatever happens meanwhile, the old one or the new one is there, whole."""

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    fcntl = None


def replace_file(path, content):
    """Write a file, in place of the one that may be there.

    The content goes into a temporary file beside it, is brought to the disk and renamed.
    Temporary files that a killed process left are removed.

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
        If the folder is not there, or the file cannot be written. The old file is as it was.
    """
    given = Path(path).expanduser()
    path = Path(os.path.realpath(given))  # through links, as a write would go
    folder, prefix = path.parent, f".{path.name[:100]}."
    _check_place(path)
    _remove_litter(folder, prefix)
    temporary = None
    try:
        temporary, opened = _open_temporary(folder, prefix)
        with opened as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if fcntl is None:
                file.close()  # Windows renames closed files only
            os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError):
            raise _explained(error, path) from error
        raise
    _sync_folder(folder)
    return given


def _check_place(path):
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{str(path)!r} cannot be written: there is no folder {str(path.parent)!r}. Make it "
            "first, or name another."
        )
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder. Name a file in it.")
    if path.exists() and not path.is_file():
        raise OSError(f"{str(path)!r} is a device or a pipe. Name a file.")
    if path.exists() and not os.access(path, os.W_OK):  # a rename would not ask
        raise PermissionError(
            f"{str(path)!r} is write-protected. Make it writable, or name another file."
        )


def _explained(error, path):
    """Return an error of the same type that says what became of the file and what to do."""
    advice = {
        errno.ENOSPC: "The disk is full: make room",
        errno.EDQUOT: "The quota is used up: make room",
        errno.EFBIG: "The file is larger than is allowed here: make room",
        errno.EACCES: "Its folder cannot be written to: make that writable",
        errno.EPERM: "Its folder cannot be written to: make that writable",
        errno.EROFS: "The disk can be read only: make it writable",
    }.get(error.errno, f"{error.strerror or error}: mend that")
    message = (
        f"The file was not written. {advice}, or name another folder. The old file, if there is "
        "one, is whole."
    )
    return type(error)(error.errno, message, str(path))


def _open_temporary(folder, prefix):
    """Return the path of a new file, and the file, marked as being written while it is open."""
    while True:
        path = folder / f"{prefix}{secrets.token_hex(8)}.tmp"
        file = open(path, "xb")
        if fcntl is not None:
            with suppress(OSError):  # some network file systems have no locks
                fcntl.flock(file, fcntl.LOCK_EX)
        # Another save may have taken it for litter before it was marked.
        if os.fstat(file.fileno()).st_nlink:
            return path, file
        file.close()


def _remove_litter(folder, prefix):
    """Remove temporary files of this file whose writer was killed."""
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(prefix) and _is_token(name[len(prefix) :]):
                with suppress(OSError), open(folder / name, "rb") as file:
                    if fcntl is not None:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(folder / name)


def _is_token(rest):
    token = rest.removesuffix(".tmp")
    return len(token) == 16 and rest == f"{token}.tmp" and set(token) <= set("0123456789abcdef")


def _sync_folder(folder):
    """Bring the new name to the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
