"""One fold of a run: a system is trained, and says what it takes images for."""

import time

import numpy as np
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import Pipeline

import skblood
from skblood.images import read_images, resize_images


def make_estimator(recipe, parameters, seed, checkpoint=None):
    """Return the estimator, behind the sampler if there is one.

    Parameters
    ----------
    recipe : Recipe
    parameters : dict
        Those of the recipe, with the weights that were chosen.
    seed : int
    checkpoint : path-like, default=None
        Where a fit that is broken off goes on from.
    """
    callbacks = list(parameters.get("callbacks") or ())
    if checkpoint is not None:
        callbacks.append(skblood.TrainingCheckpoint(checkpoint))
    classifier = getattr(skblood, recipe.estimator)(
        **{**parameters, "callbacks": callbacks}, random_state=seed
    )
    if recipe.resampling is None:
        return classifier
    return Pipeline([("sampler", SMOTE(random_state=seed)), ("classifier", classifier)])


def fit_fold(estimator, cells, fold, predict_all=False):
    """Train on a fold's training images, and predict its test images or all images.

    Returns
    -------
    outcome : dict
        As JSON has it: `classes`, `rows` (the places of the images that were predicted),
        `probabilities` of these, `history` (one entry for each epoch), `device`, and
        `fit_seconds`, without what an earlier process did of the fit.
    """
    train, val, test = fold
    rows = np.arange(len(cells.y)) if predict_all else test
    sampled = isinstance(estimator, Pipeline)
    classifier = estimator[-1] if sampled else estimator
    X = _as_rows(cells.X, classifier) if sampled else cells.X
    validation = {"X_val": X[val], "y_val": cells.y[val]} if len(val) else {}
    if sampled:
        validation = {f"classifier__{name}": value for name, value in validation.items()}
    started = time.perf_counter()
    estimator.fit(X[train], cells.y[train], **validation)
    return {
        "fit_seconds": time.perf_counter() - started,
        "classes": classifier.classes_.tolist(),
        "rows": rows.tolist(),
        "probabilities": estimator.predict_proba(X[rows]).tolist(),
        "history": [_epoch(entry) for entry in classifier.history_],
        "device": classifier.device_,
    }


def _as_rows(X, classifier):
    """Return the images as the rows that a sampler takes; floats, as it computes with them."""
    size, interpolation = (classifier.image_size,) * 2, classifier.interpolation
    images = read_images(X, size=size, channels=3, interpolation=interpolation)
    images = resize_images(images, size, interpolation)
    return images.reshape(len(images), -1) / np.float32(255)


def _epoch(entry):
    kept = {key: value for key, value in entry.items() if isinstance(value, (int, float, str))}
    return {key: value for key, value in kept.items() if not key.endswith("_best")}
