"""Which classes can occur among the cells to be predicted, and in which shares."""

import ast
from contextlib import suppress

import numpy as np

from skblood._labels import encode_labels, list_few, plain_list
from skblood._sklearn import innermost_model

# A normal differential count of peripheral blood, with a little of what is rare in it.
_BLOOD = {
    "basophil": 0.03,
    "eosinophil": 0.05,
    "erythroblast": 0.01,
    "ig": 0.02,
    "lymphocyte": 0.30,
    "monocyte": 0.10,
    "neutrophil": 0.48,
    "platelet": 0.01,
}
# Steps of an adaptation that fit the network to classes of equal weight.
_BALANCED_STEPS = {"bias", "output", "self-training", "network"}


def training_shares(model):
    """Return the class shares that the probabilities of a fitted classifier assume.

    Those of the training images, by `sample_weight`, times `class_weight`; equal ones after an
    adaptation that fitted the output layer, since all classes count alike there.

    Parameters
    ----------
    model : CellClassifier
        Fitted.

    Returns
    -------
    shares : ndarray of shape (n_classes,), dtype float64
        Positive, with the sum 1.
    """
    data = model.training_data_
    counts = data["class_counts"]
    shares = np.array([*data.get("class_weights", counts).values()], float)
    # Of a class that was named to `partial_fit` there may be no image.
    missing = np.array([*counts.values()]) == 0
    shares[missing] = shares.sum() / max(sum(counts.values()), 1) or 1
    steps = model.adaptation_.steps if hasattr(model, "adaptation_") else ()
    weighted = model.fit_settings_.get("class_weight", "None")
    if weighted == repr("balanced") or not _BALANCED_STEPS.isdisjoint(steps):
        shares[:] = 1
    elif weighted.startswith("{"):
        with suppress(ValueError, SyntaxError):  # whatever a file has there
            weights = dict(ast.literal_eval(weighted))
            shares *= [max(float(weights.get(label, 1)), 1e-6) for label in counts]
    return shares / shares.sum()


def class_factors(model, classes=None, prior=None):
    """Return the factors of a classifier's probabilities for the cells that are to come.

    Parameters
    ----------
    model : CellClassifier
        Fitted.
    classes, prior : object
        See `reconfigure`.

    Returns
    -------
    factors : tuple of float, or None
        For each class, 0 if it cannot occur, else its share among the cells divided by that in the
        training [1]_, or 1 without a prior. None if neither is restricted.

    Raises
    ------
    TypeError
        If `prior` is neither a name, a mapping, nor an array.
    ValueError
        If `classes` or `prior` names no class of the model, fewer than two classes are left, or
        shares are missing or negative.

    References
    ----------
    .. [1] M. Saerens, P. Latinne, C. Decaestecker, "Adjusting the outputs of a classifier to new a
       priori probabilities: a simple procedure", Neural Computation 14, 2002.
    """
    labels = plain_list(model.classes_)
    possible = np.ones(len(labels), bool)
    if classes is not None and not _is_name(classes, "all"):
        classes = [classes] if isinstance(classes, str) else list(classes)
        possible[:] = False
        possible[encode_labels(classes, labels, "classes")] = True
    factors, has_prior = possible.astype(float), not (prior is None or _is_name(prior, "training"))
    if has_prior:
        factors *= read_prior(prior, labels, possible)
    if (factors > 0).sum() < 2:
        raise ValueError(
            "`classes` and `prior` leave fewer than two classes that can occur. Name two or more "
            f"of {labels}, with shares above 0."
        )
    if has_prior:
        factors /= factors.sum() * training_shares(model)
    return None if (factors == 1).all() else tuple(factors.tolist())


def given_factors(model):
    """Return the factors that `reconfigure` gave a fitted model, or None.

    Parameters
    ----------
    model : object
        A fitted estimator, or a Pipeline and the like.

    Returns
    -------
    factors : ndarray of shape (n_classes,), dtype float64, or None
    """
    factors = getattr(getattr(innermost_model(model), "spec_", None), "class_factors", None)
    return None if factors is None else np.array(factors)


def check_possible(codes, model, advice):
    """Raise ValueError if labels are of a class that cannot occur, by the factors of the model.

    Parameters
    ----------
    codes : array-like of shape (n,)
        Class codes; -1 without a label.
    model : CellClassifier
        Fitted.
    advice : str
        What to do.
    """
    factors = given_factors(model)
    if factors is None:
        return
    found = model.classes_[np.intersect1d(codes, np.flatnonzero(factors == 0))].tolist()
    if found:
        named = list_few([repr(label) for label in found])
        raise ValueError(f"y holds labels of classes that cannot occur: {named}. {advice}")


def assumed_prior(model):
    """Return the prior of the predictions of a fitted model.

    Parameters
    ----------
    model : object
        A fitted estimator, or a Pipeline and the like.

    Returns
    -------
    prior : dict of label to float, or None
        Shares of the classes; None without a prior.
    """
    factors = given_factors(model)
    if factors is None or len(set(factors[factors > 0])) == 1:
        return None
    model = innermost_model(model)
    shares = factors * training_shares(model)
    return dict(zip(plain_list(model.classes_), (shares / shares.sum()).tolist(), strict=True))


def describe_prior(model):
    """Return a line on the classes and shares that predictions are held to; "" without any."""
    factors = given_factors(model)
    if factors is None:
        return ""
    possible = [str(label) for label in innermost_model(model).classes_[factors > 0]]
    parts = []
    if len(possible) < len(factors):
        kept = f"{len(possible)} of {len(factors)} classes: {', '.join(possible)}"
        parts.append(f"Predictions are restricted to {kept}.")
    if prior := assumed_prior(model):
        listed = ", ".join(f"{label} {share:.3g}" for label, share in prior.items() if share)
        parts.append(f"Prior (class shares that are assumed): {listed}.")
    return " ".join(parts)


def _is_name(value, name):
    return isinstance(value, str) and value == name


def read_prior(prior, labels, possible, name="prior"):
    """Return the shares, or numbers, of a prior in the order of the labels.

    Parameters
    ----------
    prior : dict, "blood", "equal", or array-like of shape (n_classes,)
    labels : list of length n_classes
    possible : ndarray of bool of shape (n_classes,)
        Classes that need a share.
    name : str, default="prior"
        Name of the argument, for messages.

    Returns
    -------
    shares : ndarray of shape (n_classes,), dtype float64
        0 or more. They need not sum to 1.
    """
    if _is_name(prior, "equal"):
        return np.ones(len(labels))
    if isinstance(prior, str):
        if prior != "blood":
            raise ValueError(
                f'{name}={prior!r} must be "blood", "equal", "training", a dict of shares or '
                f"counts by class, or an array in the order of the classes {labels}."
            )
        folded = {str(label).casefold(): label for label in labels}
        prior = {folded[name]: share for name, share in _BLOOD.items() if name in folded}
    elif not hasattr(prior, "items"):
        if np.shape(prior) != (len(labels),):
            raise TypeError(
                f"`{name}` must be a dict of shares or counts by class, or an array of "
                f"{len(labels)} in the order of the classes {labels}; got a "
                f"{type(prior).__name__} of shape {np.shape(prior)}."
            )
        prior = dict(zip(labels, prior, strict=True))
    keys, values = zip(*prior.items(), strict=True) if len(prior) else ((), ())
    values = np.array(values, dtype=float)
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"`{name}` must hold shares or counts of 0 or more.")
    shares = np.full(len(labels), np.nan)
    if len(keys):
        shares[encode_labels(list(keys), labels, name)] = values
    missing = [repr(labels[i]) for i in np.flatnonzero(np.isnan(shares) & possible)]
    if missing:
        other = ", or name the classes that can occur in `classes`" if name == "prior" else ""
        raise ValueError(
            f"`{name}` has no share of {list_few(missing)}. Give one (0 if the class cannot occur)"
            f"{other}."
        )
    return np.nan_to_num(shares)
