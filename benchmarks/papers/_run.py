"""A run: a recipe, a scale and a seed become a file of results."""

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks._report import RESULTS, provenance, read_rows, replace_text
from skblood.evaluation import EvaluationReport

from ._catalogue import OF_PAPERS
from ._data import cut_down, divide, load
from ._fit import fit_fold, make_estimator
from ._weights import choose_weights

FILE = "papers.json"


@dataclass(frozen=True)
class Setting:
    """How recipes are run.

    Attributes
    ----------
    data, raabin : Path or None
    scale : {"quick", "medium", "full"}
    weights : {"auto", "published", "stand-in", "none"}
    stand_in : path-like or None
    again : bool
        Run also what has its results.
    out : Path
        Folder of the results.
    """

    data: Path | None
    raabin: Path | None = None
    scale: str = "quick"
    weights: str = "auto"
    stand_in: Path | None = None
    again: bool = False
    out: Path = RESULTS


def run(recipe, setting, seed):
    """Run a recipe, unless its results are there.

    What is done of a run that is broken off is kept in the folder for temporary files, and the same
    run goes on from it.

    Returns
    -------
    result : dict
    is_new : bool
    """
    scaled, cuts = recipe.scaled(setting.scale)
    parameters, weights = choose_weights(scaled, setting.weights, setting.stand_in)
    cells = load(setting.data, scaled, setting.raabin)
    limits = recipe.limits(setting.scale)
    if limits is not None and limits.n_images is not None:
        # The same images for each seed, whose spread is then that of training and of the split.
        cells = cut_down(cells, limits.n_images, seed=0)
    folds = divide(cells, scaled.split, seed)
    identity = _as_json(
        {
            "name": recipe.name,
            "scale": setting.scale,
            "seed": seed,
            "recipe": scaled.to_dict(),
            "weights": weights,
            "data": cells.describe(folds),
        }
    )
    key = f"{recipe.name}-{setting.scale}-seed{seed}"
    stored = read_rows(setting.out / FILE).get(key, {})
    if not setting.again and {part: stored.get(part) for part in identity} == identity:
        return stored, False
    work = _work_folder(identity)
    outcomes = _outcomes(scaled, parameters, cells, folds, seed, work)
    result = identity | {"cuts": cuts} | _score(outcomes, cells, folds, seed)
    result = _as_json(result | provenance("cuda" if "cuda" in outcomes[0]["device"] else "cpu"))
    store(setting.out, {key: result})
    shutil.rmtree(work)
    return result, True


def _as_json(value):
    """Return a value as it is read back from JSON."""
    return json.loads(json.dumps(value))


def _work_folder(identity):
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir(), "skblood-papers", f"{identity['name']}-{digest}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _outcomes(recipe, parameters, cells, folds, seed, work):
    """Return the outcome of each fold, and train only what no earlier process has trained."""
    outcomes = []
    for number, fold in enumerate(folds):
        file = work / f"fold{number}.json"
        if not file.is_file():
            estimator = make_estimator(recipe, parameters, seed, checkpoint=work)
            outcome = fit_fold(estimator, cells, fold, recipe.on_all)
            replace_text(file, json.dumps(outcome))
        outcomes.append(json.loads(file.read_bytes()))
    return outcomes


def _score(outcomes, cells, folds, seed):
    """Score the test images of all folds together, and all images where they were predicted."""
    classes = outcomes[0]["classes"]
    rows = np.concatenate([each["rows"] for each in outcomes])
    probabilities = np.concatenate([each["probabilities"] for each in outcomes])
    tested = np.isin(rows, np.concatenate([test for *_, test in folds]))

    def report(where):
        true = cells.y[rows[where]]
        predicted = np.array(classes)[probabilities[where].argmax(axis=1)]
        return EvaluationReport.from_predictions(
            true, predicted, probabilities[where], classes=classes, random_state=seed
        ).to_dict()

    true = np.searchsorted(classes, cells.y[rows[tested]])
    return {
        "scores": report(tested),
        "scores_on_all": None if tested.all() else report(np.ones_like(tested)),
        "predictions": {
            "true": " ".join(map(str, true)),
            "predicted": " ".join(map(str, probabilities[tested].argmax(axis=1))),
        },
        "history": [each["history"] for each in outcomes],
        "fit_seconds": sum(each["fit_seconds"] for each in outcomes),
        "device": outcomes[0]["device"],
    }


def store(folder, results):
    """Add results to the file of a folder, without curves and scores by class: a line for each.

    Predictions are kept of the comparisons alone, whose differences are computed from them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Read anew: another run may have written its result in the meantime.
    rows = read_rows(folder / FILE) | {key: _summary(each) for key, each in results.items()}
    lines = [
        f"{json.dumps(key)}: {json.dumps(rows[key], ensure_ascii=False)}" for key in sorted(rows)
    ]
    replace_text(folder / FILE, "{\n" + ",\n".join(lines) + "\n}\n")


def _summary(result):
    kept = {key: value for key, value in result.items() if key != "history"}
    for key in ("scores", "scores_on_all"):
        if kept[key]:
            kept[key] = {k: v for k, v in kept[key].items() if k in ("n_images", "scores")}
    if result["name"] in OF_PAPERS:
        del kept["predictions"]
    return kept


def read_results(folder=RESULTS):
    """Return all results that are there, as a list of dict."""
    return list(read_rows(folder / FILE).values())
