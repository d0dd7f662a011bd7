"""A fitted model pushed to the Hugging Face Hub, with its card."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from skblood._typing import Reports
from skblood.evaluation import EvaluationReport

from ._card import attribution, model_card
from ._hub import ADDRESS, FILE, START, explained, make_api
from ._pipelines import find_fitted
from ._save_load import save

_TAGS = ["blood-cells", "hematology", "microscopy", "skblood"]
# Scores of a report, by the name of the metric on the Hub.
_METRICS = {"accuracy": "accuracy", "balanced_accuracy": "balanced_accuracy", "f1_macro": "f1"}


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
    if not ADDRESS.fullmatch(f"{START}{repo_id}") or "@" in repo_id:
        raise ValueError(f"repo_id={repo_id!r} must be 'owner/name', without @ and spaces.")
    with tempfile.TemporaryDirectory() as folder:
        save(model, Path(folder, FILE), evaluation=evaluation)
        readme = _describe(model, repo_id, evaluation, license)
        Path(folder, "README.md").write_text(readme, encoding="utf-8")
        with explained(repo_id):
            api = make_api()
            api.create_repo(repo_id, private=private, exist_ok=True)
            message = f"Model and card, by skblood {version('skblood')}"
            pushed = api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=message)
    return f"{START}{repo_id}@{pushed.oid}"


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
