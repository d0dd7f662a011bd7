"""The Hugging Face Hub: addresses of models, their files, and errors that say what to do."""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from ._container import ModelFileError

# A safetensors file, whose tensors the Hub lists; the same that `save` writes.
FILE = "model.safetensors"
START = "hf://"
ADDRESS = re.compile(rf"{START}([\w.-]+/[\w.-]+)(?:@((?!.*\.\.)[\w./-]+))?")
_LOG_IN = "log in by `hf auth login`, or set the environment variable HF_TOKEN"


@contextmanager
def local_file(path):
    """Give the file of an address ``"hf://owner/name@revision"``; any other path as it is.

    The file is downloaded once for each version, to the cache of the Hub's library, which checks
    its size; `unpack` checks its SHA-256.

    Raises
    ------
    ModelFileError
        If it is raised inside, of a downloaded file: with the address, and how to get it again.
    ValueError
        If the address has another form.
    FileNotFoundError
        If there is no such repository, revision or model in it.
    PermissionError, ConnectionError, OSError
        As by `push_to_hub`.
    """
    if not re.match(r"hf:[/\\]", str(path), re.IGNORECASE):
        yield path
        return
    if not (found := ADDRESS.fullmatch(str(path))):
        raise ValueError(
            f"{path!r} must be a str '{START}owner/name', or '{START}owner/name@revision' with a "
            "branch, tag or commit of the repository."
        )
    repo_id, revision = found.groups()
    with explained(repo_id, revision):
        file = make_api().hf_hub_download(repo_id, FILE, revision=revision)
    try:
        yield file
    except ModelFileError as error:
        raise ModelFileError(
            f"{path!r} was downloaded, and is no sound model: {error} To download it again, delete "
            f"the folder {str(Path(file).parents[2])!r}; if that changes nothing, push it again."
        ) from error


def make_api():
    """Return the client of the Hub."""
    from huggingface_hub import HfApi

    return HfApi(library_name="skblood", library_version=version("skblood"))


@contextmanager
def explained(repo_id, revision=None):
    """Turn the errors of the Hub's library into those of Python, with what to do."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise PermissionError(
            f"{repo_id!r} is gated: ask for access on its page on the Hub, then {_LOG_IN}."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise FileNotFoundError(
            f"There is no model {repo_id!r} on the Hub, or it is private. Check the name; if it is "
            f"private, {_LOG_IN}."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise FileNotFoundError(
            f"{repo_id!r} has no revision {revision!r}. Name a branch, tag or commit of it."
        ) from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise _as_refusal(repo_id, error.__cause__) from error
    except errors.EntryNotFoundError as error:
        raise FileNotFoundError(
            f"{repo_id!r} has no {FILE}: it is no model that skblood.push_to_hub pushed."
        ) from error
    except json.JSONDecodeError as error:
        raise _as_refusal(repo_id, error) from error
    except Exception as error:
        # Those of the HTTP client depend on the version of the library.
        client = ("httpx", "httpcore", "requests", "huggingface_hub.errors")
        if not type(error).__module__.startswith(client) or isinstance(error, ValueError):
            raise
        raise _as_refusal(repo_id, error) from error


def _as_refusal(repo_id, error):
    """Return the error for an answer of the Hub, or for none."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return PermissionError(
            f"The Hub does not let you into {repo_id!r} (HTTP status {status}): {_LOG_IN}, with a "
            "token that may write where you push."
        )
    if status is not None:
        return OSError(f"The Hub refused {repo_id!r} (HTTP status {status}): {error}")
    where = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    name = type(error).__name__
    if name in ("FileMetadataError", "JSONDecodeError"):
        problem = "has given an answer that is not the Hub's: a proxy, or a page to log in to a net"
    elif name.startswith(("Read", "Write", "RemoteProtocol", "ChunkedEncoding")):
        problem = "has answered, but the transfer broke off: try again"
    else:
        problem = "cannot be reached"
    return ConnectionError(
        f"The Hub at {where} {problem}. This version of {repo_id!r} is not in the cache. Check the "
        f"connection, HF_ENDPOINT and HF_HUB_OFFLINE; or download its {FILE} elsewhere and load "
        "the file."
    )
