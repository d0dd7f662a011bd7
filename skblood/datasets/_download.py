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
    try:
        with lock(file):
            source.fetch(file.name, downloader=_download)
    except (OSError, ValueError) as error:  # the errors of requests are OSErrors
        raise OSError(
            f"The download of {file.name} failed: {error}. Try again, name another folder by "
            f"data_home=... or the environment variable SKBLOOD_DATA_HOME, or {by_hand}"
        ) from error


def _download(url, output_file, source):
    """Download a file, as a downloader of pooch; the connection is closed whatever happens."""
    import requests
    from tqdm.auto import tqdm

    os.unlink(output_file)  # the temporary file of pooch is readable by the user alone
    with (
        requests.get(url, stream=True, timeout=_TIMEOUT) as response,
        open(output_file, "wb") as file,
        tqdm(desc="Downloading", unit="B", unit_scale=True, delay=1) as bar,
    ):
        response.raise_for_status()
        bar.total = int(response.headers.get("Content-Length", 0)) or None
        for chunk in response.iter_content(2**16):
            bar.update(file.write(chunk))
