"""Fetching published weights: where no server answers, that is found out once, in seconds."""

import socket
import time
from contextlib import contextmanager

from ._config import TORCHVISION_PREFIX, published_at

_TIMEOUT = 10  # seconds until a server has answered, and between two packets
_SLOW, _MEMORY = 1, 60  # seconds: a failure that took so long is remembered for so long
_failures = {}  # what failed: when, and why


def fetch(name, build):
    """Build a backbone with its published weights.

    huggingface_hub asks a hub that does not answer for 48 seconds, torch asks for ever, and each
    fold of a cross-validation asks again. Here the hub is asked for the file once before; where it
    does not answer, files of its cache are used, or it fails. Later calls know what took long to
    fail.

    Parameters
    ----------
    name : str
        The backbone's name.
    build : callable
        Returns the backbone, and loads its weights by huggingface_hub or torch.hub.

    Returns
    -------
    built : object
        What `build` returned.

    Raises
    ------
    ConnectionError
        If it fails, with the reason.
    """
    built, reason = _recall(name, lambda: _try(name, build))
    if reason:  # one line for the first failure and its repetitions: scikit-learn shows it once
        raise ConnectionError(
            f"The default weights of {name!r} could not be loaded ({reason}). Offline, use "
            "weights='path/to/file.safetensors' (or .pth), fetched elsewhere from "
            f"{published_at(name)}; weights=None to train from scratch; or backbone='cellnet_s'."
        )
    return built


def _recall(key, attempt):
    """Return what `attempt` returns, a result and why there is none, or why it failed now."""
    start, reason = _failures.get(key, (float("-inf"), None))
    if time.monotonic() - start < _MEMORY:
        return None, reason
    start = time.monotonic()
    result, reason = attempt()
    if reason and time.monotonic() - start > _SLOW:
        _failures[key] = time.monotonic(), reason
    return result, reason


def _try(name, build):
    from huggingface_hub import constants

    from_hub = not name.startswith(TORCHVISION_PREFIX)
    offline = _recall(constants.ENDPOINT, lambda: _ask_hub(name))[1] if from_hub else None
    try:
        with _impatient(offline):
            return build(), None
    # Hubs, http clients and constructors have exceptions of their own, without a way on.
    except Exception as error:
        if offline and isinstance(error, OSError):  # the cache lacks the file
            return None, f"the Hugging Face Hub does not answer, {offline}"
        return None, _reason(error)


def _ask_hub(name):
    """Return None, and why the Hugging Face Hub does not answer when asked for the weights."""
    import timm
    from huggingface_hub import constants, get_session, hf_hub_url

    # Not the first page alone: proxies, mirrors and limits of the rate let that through.
    repo = timm.get_pretrained_cfg(name).hf_hub_id
    url = hf_hub_url(repo, "model.safetensors") if repo else constants.ENDPOINT
    try:
        status = get_session().head(url, timeout=_TIMEOUT).status_code
    except Exception as error:
        return None, _reason(error)
    return None, f"HTTP status {status}" if status == 429 or status >= 500 else None


@contextmanager
def _impatient(offline):
    """Let downloads fail that stop; where the hub is `offline`, let it look into its cache only."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, socket.getdefaulttimeout()
    constants.HF_HUB_OFFLINE = bool(before[0] or offline)
    socket.setdefaulttimeout(before[1] or _TIMEOUT)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before[0]
        socket.setdefaulttimeout(before[1])


def _reason(error):
    error = error.__cause__ or error  # that of huggingface_hub says that the cache lacks the file
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0] or 'no message'}"
