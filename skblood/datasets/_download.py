"""Downloads, verified by their checksums."""

import os
from pathlib import Path

from skblood._writing import lock

# Seconds until a connection is made, and between two packets.
_TIMEOUT = (10, 60)
_N_RETRIES = 2


def resolve_data_home(data_home):
    """Return the folder of downloads: the given one, that of the environment, or the default."""
    folder = data_home or os.environ.get("SKBLOOD_DATA_HOME", "~/skblood_data")
    return Path(folder).expanduser()


def ensure_file(file, url, checksum, *, download=True):
    """Download a file unless it exists and matches its checksum.

    The download goes to a temporary file, which replaces the file once its checksum is verified.
    Other processes that need the same file wait meanwhile, and warn after 5 seconds.

    Parameters
    ----------
    file : Path
    url : str
    checksum : str
        "md5:..." or "sha256:...".
    download : bool, default=True

    Raises
    ------
    OSError
        If the file is missing or damaged, and `download` is False or fails.
    """
    import pooch
    from pooch.hashes import hash_matches

    if file.is_file() and hash_matches(str(file), checksum):
        return
    by_hand = f"download {url} by hand and save it as {str(file)!r} ({checksum})."
    if not download:
        raise OSError(f"{str(file)!r} is missing or damaged. Pass download=True, or {by_hand}")
    known = {"registry": {file.name: checksum}, "urls": {file.name: url}}
    source = pooch.create(file.parent, base_url="", retry_if_failed=_N_RETRIES, **known)
    downloader = pooch.HTTPDownloader(progressbar=True, chunk_size=2**16, timeout=_TIMEOUT)
    try:
        with lock(file):
            source.fetch(file.name, downloader=downloader)
            file.chmod(0o644)  # pooch's temporary file is readable by the user alone
    except (OSError, ValueError) as error:  # the errors of requests are OSErrors
        raise OSError(
            f"The download of {file.name} failed: {error}. Try again, name another folder by "
            f"data_home=... or the environment variable SKBLOOD_DATA_HOME, or {by_hand}"
        ) from error
