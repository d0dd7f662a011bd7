"""Files from the network: gone on with where they broke off, checked, and put in place whole."""

import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from tqdm.auto import tqdm

# Seconds: to be connected, and between two pieces.
_TIMEOUT = (10, 60)
# Seconds before each new attempt in the same call.
_WAITS = (1, 2, 4)
# What is lost at most when a connection breaks.
_CHUNK = 2**16


def resolve_data_home(data_home):
    """Return the folder of downloaded data: the one named, the environment's, or the default."""
    folder = data_home or os.environ.get("SKBLOOD_DATA_HOME") or "~/skblood_data"
    return Path(folder).expanduser()


def ensure_file(file, url, checksum, *, download=True):
    """Download a file unless it is there and whole.

    What a broken connection has brought is kept beside it (``.part``), and the next call goes on
    from there. A damaged file is replaced when the new one has been found whole. Processes that
    want the same file wait for the one that downloads it.

    Parameters
    ----------
    file : Path
    url : str
    checksum : str
        As pooch has it, "md5:..." or "sha256:...".
    download : bool, default=True

    Raises
    ------
    OSError
        If the file is missing or damaged and could not, or should not, be downloaded. The message
        says where to get it and where to put it.
    """
    state = _find_fault(file, checksum)
    if state is None:
        return
    by_hand = f"Download {url} by hand and save it as {str(file)!r} ({checksum})."
    if not download:
        raise OSError(f"{str(file)!r} {state}. Pass download=True, or: {by_hand}")
    with hold_lock(file):
        try:
            _retrieve(file, url, checksum)
        except (OSError, ValueError) as error:  # those of requests are OSErrors
            raise OSError(f"The download of {file.name} failed: {error} {by_hand}") from error


@contextmanager
def hold_lock(path):
    """Hold the lock of what is about to be written; its folder is made if it is not there.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """
    from filelock import FileLock

    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"{path.name} cannot be written to the folder {str(folder)!r} ({error}). Name another "
            "one, by data_home=... or by the environment variable SKBLOOD_DATA_HOME."
        ) from error
    with FileLock(folder / f".{path.name}.lock"):
        yield


def _find_fault(file, checksum):
    """Return what is wrong with a file, or None."""
    import pooch

    if not file.is_file():
        return "is not there"
    algorithm, _, expected = checksum.partition(":")
    found = pooch.file_hash(str(file), alg=algorithm)
    return None if found == expected else f"is damaged ({algorithm}:{found} is not {checksum})"


def _retrieve(file, url, checksum):
    import pooch

    downloader = _ResumingDownloader(file.with_name(f"{file.name}.part"))
    wanted = dict(known_hash=checksum, fname=file.name, path=file.parent, downloader=downloader)
    try:
        pooch.retrieve(url, **wanted)
    except ValueError:  # another checksum
        if not downloader.resumed:
            raise
        # What was there was the beginning of another file: once more, all of it.
        pooch.retrieve(url, **wanted)


class _ResumingDownloader:
    """What pooch calls to download: it goes on from the bytes that `part` holds.

    Attributes
    ----------
    resumed : bool
        Whether bytes of an earlier attempt were taken over.
    """

    def __init__(self, part):
        self.part = part
        self.resumed = False
        self._n_received = 0

    def __call__(self, url, output_file, pooch):
        from requests import ConnectionError, Timeout
        from requests.exceptions import ChunkedEncodingError

        for wait in (*_WAITS, None):
            before = self._n_received
            try:
                self._receive(url)
                break
            except (ConnectionError, Timeout, ChunkedEncodingError):
                # Whoever gets nothing has no network, and should be told at once.
                if wait is None or self._n_received == before:
                    raise
                time.sleep(wait)
        os.replace(self.part, output_file)

    def _receive(self, url):
        """Bring the rest of the file."""
        import requests

        start = self.part.stat().st_size if self.part.exists() else 0
        # Packed content would have other offsets than the file.
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable and start:
                # Nothing comes after `start`: the part is whole, or too long to be of this file.
                if response.headers.get("Content-Range") == f"bytes */{start}":
                    self.resumed = True
                    return
                self.part.unlink()
                return self._receive(url)
            response.raise_for_status()
            self.resumed = response.status_code == requests.codes.partial_content
            self._save(response, start if self.resumed else 0)

    def _save(self, response, start):
        length = response.headers.get("Content-Length")
        with (
            open(self.part, "ab" if start else "wb") as file,
            tqdm(
                desc=self.part.stem,
                initial=start,
                total=start + int(length) if length else None,
                unit="B",
                unit_scale=True,
                delay=1,
            ) as bar,
        ):
            for chunk in response.iter_content(_CHUNK):
                file.write(chunk)
                self._n_received += len(chunk)
                bar.update(len(chunk))
