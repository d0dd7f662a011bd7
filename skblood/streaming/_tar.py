"""Members of a tar file, read as a stream, past all damage."""

import gzip
import tarfile
import zlib
from functools import partial
from types import SimpleNamespace

from ._places import broken, is_packed

# Members with more bytes are not read, ...
MOST_BYTES = 2**29
# ... nor names of members, which have headers of these types.
_MOST_NAME_BYTES = 2**20
_NAME_TYPES = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
_STEP = 2**18
_GAP = "damaged: no readable header in bytes {:,} to {:,}; members there are lost"


class Damage(dict):
    """What of a shard could not be read: name -> reason.

    Parameters
    ----------
    shard : str
        Name of the shard, with which the names begin.
    """

    def __init__(self, shard):
        super().__init__()
        self.shard = shard

    def add(self, reason, member=None):
        """Note why a member, or a part of the shard, could not be read."""
        name = self.shard if member is None else f"{self.shard}/{member}"
        while name in self:
            name += " (again)"
        self[name] = reason

    def take(self):
        """Return what was noted since the last call."""
        taken = dict(self)
        self.clear()
        return taken


class _Source:
    """Bytes of a file, of which each error is one of the connection or disk."""

    def __init__(self, file, place):
        self._file, self._place = file, place

    def read(self, size):
        try:
            return self._file.read(size)
        except Exception as error:  # each file system has its own
            raise broken(self._place, error) from error


class _Unpacked:
    """Content of a tar file, read forward only."""

    def __init__(self, file, place):
        source = _Source(file, place)
        self._file = gzip.GzipFile(fileobj=source) if is_packed(place) else source
        self._position, self.error = 0, None

    def tell(self):
        return self._position

    def read(self, size):
        """Return this number of bytes, or less at the end, and where unpacking fails."""
        parts = []
        while size > 0:
            try:
                part = b"" if self.error else self._file.read(min(size, _STEP))
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                self.error = str(error)
                break
            if not part:
                break
            parts.append(part)
            size -= len(part)
            self._position += len(part)
        return b"".join(parts)

    def skip(self, end):
        """Read on to a position; return whether it is there."""
        while self._position < end and self.read(min(end - self._position, _STEP)):
            pass
        return self._position >= end


class _Header(tarfile.TarInfo):
    """Header of a member, of a size that may be."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        header = super().frombuf(buf, encoding, errors)
        if header.size < 0 or (header.type in _NAME_TYPES and header.size > _MOST_NAME_BYTES):
            raise tarfile.InvalidHeaderError("impossible size")
        return header


# Neither webdataset's iterator over members nor tarfile.TarFile tells whether a file is whole: both
# end without a word at a header that is damaged or cut off. (webdataset also keeps the headers of
# all that it skips, and hands on no links.) So the headers are read one by one.
def read_members(file, place, damage):
    """Yield the headers of a tar file and functions that read their contents.

    Parameters
    ----------
    file : binary file
        It is only read forward.
    place : str
        Its path or URL; content that ends with gz is unpacked.
    damage : Damage
        Takes what could not be read.

    Yields
    ------
    header : tarfile.TarInfo
    read : callable
        Returns the content, before the next member is asked for; None if the file ends in it.

    Raises
    ------
    OSError
        If the connection or disk fails, which says nothing of the file.
    """
    content = _Unpacked(file, place)
    # What TarInfo needs of a TarFile. That class would look for the next header itself.
    tar = SimpleNamespace(
        fileobj=content, offset=0, encoding="utf-8", errors="surrogateescape", pax_headers={}
    )
    gap, ended = None, False  # where blocks begin that are no headers; whether they are zeros only
    while content.skip(tar.offset):
        start = content.tell()
        try:
            header = _Header.fromtarfile(tar)
            if header.size < 0:  # by a header of the name
                raise tarfile.InvalidHeaderError("impossible size")
        except (tarfile.EmptyHeaderError, tarfile.TruncatedHeaderError):
            break
        except (OSError, MemoryError):
            raise
        except Exception as error:  # a damaged header may raise nearly any
            ended = isinstance(error, tarfile.EOFHeaderError) and (ended or gap is None)
            gap = start if gap is None else gap
            tar.offset = content.tell()
            continue
        if gap is not None:  # zeros before a member are no end mark, but a part that was lost
            damage.add(_GAP.format(gap, start))
            gap, ended = None, False
        yield header, partial(_read_content, content, header.size)
    if content.error:
        damage.add(f"damaged: unpacking failed at byte {content.tell():,} ({content.error})")
    elif gap is None:
        damage.add(f"cut off: it ends at byte {content.tell():,}, without an end mark")
    elif not ended:
        damage.add(_GAP.format(gap, content.tell()))


def _read_content(content, size):
    data = content.read(size)
    return data if len(data) == size else None
