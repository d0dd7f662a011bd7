"""The estimator that options describe, all names and values checked."""

import ast
import csv
from difflib import get_close_matches
from enum import StrEnum

import typer


class Estimator(StrEnum):
    """Class of a classifier -> value of --estimator."""

    TransferCellClassifier = "transfer"
    MLPCellClassifier = "mlp"
    HybridFeatureClassifier = "hybrid"
    ContrastiveCellClassifier = "contrastive"


def parse_value(text):
    """Return the value of a text: a Python literal (a list as tuple), or else the text itself.

    True, False and None may be in lower case.

    Examples
    --------
    >>> parse_value("1e-3"), parse_value("none"), parse_value("[256, 64]"), parse_value("adamw")
    (0.001, None, (256, 64), 'adamw')
    """
    literal = text.strip()
    if literal.title() in ("True", "False", "None"):
        literal = literal.title()
    try:
        value = ast.literal_eval(literal)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return literal
    return tuple(value) if isinstance(value, list) else value


def parse_prior(classes, prior):
    """Return the settings of `reconfigure` that --classes and --prior stand for.

    Parameters
    ----------
    classes : str or None
        Names, separated by commas; one with a comma is put in double quotes.
    prior : str or None
        "blood", "equal", or name=share for each class, separated by commas.

    Raises
    ------
    typer.BadParameter
        If a share is no number.

    Examples
    --------
    >>> parse_prior("ig,platelet", "ig=1, platelet=3")
    {'classes': ['ig', 'platelet'], 'prior': {'ig': 1.0, 'platelet': 3.0}}
    """
    settings = {"classes": classes and split_names(classes), "prior": parse_shares(prior)}
    return {name: value for name, value in settings.items() if value is not None}


def parse_shares(text, option="--prior", form="blood, or class=share,class=share"):
    """Return the shares that an option states: a dict, a name if the form has one, or None."""
    if text is None or ("=" not in text and form.startswith("blood")):
        return text
    pairs = [pair.rpartition("=") for pair in split_names(text)]
    if len({name.strip() for name, _, _ in pairs}) < len(pairs):
        raise typer.BadParameter(f"{option}: {text!r} has a class twice.")
    try:
        return {name.strip(): float(share) for name, _, share in pairs}
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {text!r} must be {form}.") from error


def split_names(text):
    """Return names that are separated by commas; one with a comma is put in double quotes."""
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True))]


def make_estimator(kind, backbones, settings, options):
    """Create the estimator of `skblood train`.

    Parameters
    ----------
    kind : Estimator
    backbones, settings : list of str or None
        Of --backbone and --set. Settings take precedence over `options`.
    options : dict
        Parameters with an option of their own; None keeps the default.

    Raises
    ------
    typer.BadParameter
        If a name or a value is not allowed, or the class does not take the backbones.
    """
    from skblood import estimators

    given = {name: value for name, value in options.items() if value is not None}
    if backbones and kind == Estimator.HybridFeatureClassifier:
        given["backbones"] = tuple(backbones)
    elif backbones:
        given["backbone"], *others = backbones
        if others:
            raise typer.BadParameter("--backbone: only --estimator hybrid takes several.")
    for setting in settings or []:
        name, sign, text = setting.partition("=")
        if not sign:
            raise typer.BadParameter(f"--set: {setting!r} must be name=value, such as lr=0.001.")
        given[name.strip()] = parse_value(text)
    model = getattr(estimators, kind.name)()
    return set_parameters(model, **{"early_stopping": True} | given)


def set_parameters(model, **parameters):
    """Set parameters, and return the model if all are valid, before any image is read."""
    from skblood.inference import resolve_device
    from skblood.networks import backbone_config

    # The command itself sets two of them.
    known = [name for name in model.get_params(deep=False) if name not in ("callbacks", "verbose")]
    for name in parameters:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            message = f"{type(model).__name__} has no parameter {name!r}.{hint}"
            raise typer.BadParameter(f"{message} It has {', '.join(known)}.")
    try:
        parameters = model.set_params(**parameters).get_params(deep=False)
        model._validate_params()  # scikit-learn's
        for name in parameters.get("backbones") or [parameters.get("backbone")]:
            if name is not None:
                backbone_config(name)
        resolve_device(model.device)
    except (ValueError, TypeError) as error:
        raise typer.BadParameter(str(error)) from error
    return model
