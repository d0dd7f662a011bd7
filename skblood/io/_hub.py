"""Models on the Hugging Face Hub: pushed with their card, found by their address."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from skblood._typing import Reports
from skblood.evaluation import EvaluationReport

from ._card import attribution, model_card
from ._pipelines import find_fitted

# A safetensors file, whose tensors the Hub lists; the same that `save` writes.
_FILE = "model.safetensors"
_START = "hf://"
_ADDRESS = re.compile(rf"{_START}([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
_TAGS = ["blood-cells", "hematology", "microscopy", "skblood"]
# Scores of a report, by the name of the metric on the Hub.
_METRICS = {"accuracy": "accuracy", "balanced_accuracy": "balanced_accuracy", "f1_macro": "f1"}
_LOG_IN = "log in by `hf auth login`, or set the environment variable HF_TOKEN"


def push_to_hub(
    model: Any,
    repo_id: str,
    *,
    evaluation: Reports = None,
    license: str | None = None,
    private: bool = True,
) -> str:
    """Push a fitted model to the Hugging Face Hub, with its model card as the README.

    What is pushed is the file that :func:`skblood.save` writes, which holds no code, and
    :func:`skblood.model_card` with the metadata that the Hub shows: library, task, license, tags
    and scores. The token is that of ``hf auth login`` or of the environment variable HF_TOKEN.

    Parameters
    ----------
    model : fitted estimator
        As of :func:`skblood.save`.
    repo_id : str
        ``"owner/name"`` of the repository, which is made if it does not exist.
    evaluation : EvaluationReport or dict of str to EvaluationReport, default=None
        Results on test images, for the card; several by names of the test sets.
    license : str, default=None
        The Hub's name of the license, such as ``"bsd-3-clause"``. None is ``"cc-by-4.0"`` for a
        model that started from the pretrained weights of skblood, whose license it is, and states
        none for others.
    private : bool, default=True
        Whether a new repository is private. An existing one stays as it is.

    Returns
    -------
    address : str
        ``"hf://owner/name@commit"``: :func:`skblood.load` loads this version of the model from it,
        whatever is pushed later.

    Raises
    ------
    TypeError, sklearn.exceptions.NotFittedError
        As by :func:`skblood.save`.
    ValueError
        If `repo_id` is no such name.
    PermissionError
        If the token is missing, or may not write there.
    ConnectionError
        If the Hub cannot be reached.
    OSError
        If the Hub refuses for another reason.

    See Also
    --------
    load : Load a model by its address.

    Examples
    --------
    >>> import skblood
    >>> model = skblood.load_pretrained()
    >>> skblood.push_to_hub(model, "hospital/blood8-2")  # doctest: +SKIP
    'hf://hospital/blood8-2@5f1c...'
    """
    from ._save_load import save

    if not _ADDRESS.fullmatch(f"{_START}{repo_id}") or "@" in repo_id:
        raise ValueError(f"repo_id={repo_id!r} must be 'owner/name', without @ and spaces.")
    with tempfile.TemporaryDirectory() as folder:
        save(model, Path(folder, _FILE), evaluation=evaluation)
        readme = _describe(model, repo_id, evaluation, license)
        Path(folder, "README.md").write_text(readme, encoding="utf-8")
        with _explained(repo_id):
            api = _make_api()
            api.create_repo(repo_id, private=private, exist_ok=True)
            message = f"Model and card, by skblood {version('skblood')}"
            pushed = api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=message)
    return f"{_START}{repo_id}@{pushed.oid}"


def find_file(path):
    """Return the file of an address ``"hf://owner/name@revision"``; any other path as it is.

    The file is downloaded once for each version, to the cache of the Hub's library, which checks
    its size; `unpack` checks its SHA-256.

    Raises
    ------
    ValueError
        If the address has another form.
    FileNotFoundError
        If there is no such repository, revision or model in it.
    PermissionError, ConnectionError, OSError
        As by `push_to_hub`.
    """
    if not str(path).startswith(_START):
        return path
    if not (found := _ADDRESS.fullmatch(str(path))):
        raise ValueError(
            f"{path!r} must be '{_START}owner/name', or '{_START}owner/name@revision' with a "
            "branch, tag or commit of the repository."
        )
    repo_id, revision = found.groups()
    with _explained(repo_id, revision):
        return _make_api().hf_hub_download(repo_id, _FILE, revision=revision)


def _make_api():
    from huggingface_hub import HfApi

    return HfApi(library_name="skblood", library_version=version("skblood"))


def _describe(model, repo_id, evaluation, license):
    """Return the model card with the metadata of the Hub."""
    from huggingface_hub import EvalResult, ModelCard

    card = ModelCard(model_card(model, evaluation=evaluation))
    is_single = isinstance(evaluation, EvaluationReport)
    reports = {"test images": evaluation} if is_single else evaluation or {}
    card.data.license = license or ("cc-by-4.0" if attribution(find_fitted(model)) else None)
    card.data.tags, card.data.model_name = list(_TAGS), repo_id.partition("/")[2]
    results = [
        EvalResult(
            task_type=card.data.pipeline_tag,
            dataset_type=str(name),  # results of one type would become those of one set
            dataset_name=str(name),
            metric_type=metric,
            metric_name=score,
            metric_value=round(report.scores[score].value, 4),
        )
        for name, report in reports.items()
        for score, metric in _METRICS.items()
    ]
    if results:
        card.data.metrics = list(_METRICS.values())
        card.data.eval_results = results
    return str(card)


@contextmanager
def _explained(repo_id, revision=None):
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
            f"{repo_id!r} has no {_FILE}: it is no model that skblood.push_to_hub pushed."
        ) from error
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
    return ConnectionError(
        f"The Hub at {where} cannot be reached, and this version of {repo_id!r} is not in the "
        "cache. Check the connection, HF_ENDPOINT and HF_HUB_OFFLINE; or download its "
        f"{_FILE} elsewhere and load the file."
    )
