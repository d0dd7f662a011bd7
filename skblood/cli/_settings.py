"""From what the command line and its config file say to an estimator, every name checked."""

import ast
import tomllib
from difflib import get_close_matches
from enum import StrEnum

import typer

_CLASSES = {
    "transfer": "TransferCellClassifier",
    "mlp": "MLPCellClassifier",
    "hybrid": "HybridFeatureClassifier",
    "contrastive": "ContrastiveCellClassifier",
}
# Parameters that no text can give, or that the command itself sets.
_OWN = {"callbacks", "checkpoint", "verbose", "warm_start"}
# Options that are about this one run.
_NOT_IN_CONFIG = {"config", "settings", "resume", "overwrite", "as_json"}
_WORDS = {"none": None, "null": None, "true": True, "false": False}

Estimator = StrEnum("Estimator", {name.upper(): name for name in _CLASSES})


def parse_value(text):
    """Return the value that a text means: a number, true, none, a list, a table, or itself.

    Lists become tuples, which is what scikit-learn's parameters are.

    Examples
    --------
    >>> parse_value("1e-3"), parse_value("none"), parse_value("[256, 64]"), parse_value("adamw")
    (0.001, None, (256, 64), 'adamw')
    """
    if text.strip().lower() in _WORDS:
        return _WORDS[text.strip().lower()]
    try:
        return as_value(ast.literal_eval(text.strip()))
    except (ValueError, SyntaxError):
        pass
    try:
        return as_value(tomllib.loads(f"value = {text}")["value"])
    except tomllib.TOMLDecodeError:
        return text


def as_value(value):
    """Return a value of a config file as a parameter has it."""
    return tuple(map(as_value, value)) if isinstance(value, list | tuple) else value


def parse_settings(settings):
    """Return the parameters of ``--set name=value``, given several times."""
    parameters = {}
    for setting in settings:
        name, sign, text = setting.partition("=")
        if not sign or not name.strip():
            raise typer.BadParameter(
                f"{setting!r} must be name=value, such as lr=0.001.", param_hint="--set"
            )
        parameters[name.strip()] = parse_value(text)
    return parameters


def read_config(path):
    """Return the options and the parameters of a config file.

    Raises
    ------
    typer.BadParameter
        If it is not TOML.
    """
    if path is None:
        return {}, {}
    try:
        options = tomllib.loads(path.expanduser().read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} is not TOML: {error}.", param_hint="--config") from error
    parameters = options.pop("parameters", {})
    if not isinstance(parameters, dict):
        raise typer.BadParameter(
            f"{path}: parameters must be a table, [parameters].", param_hint="--config"
        )
    return options, {name: as_value(value) for name, value in parameters.items()}


def use_config(context: typer.Context, path):
    """Make what a config file says the defaults of the command's options."""
    allowed = {
        _spelling(parameter): parameter.name
        for parameter in context.command.params
        if parameter.name not in _NOT_IN_CONFIG | {"help"}
    }
    options, _ = read_config(path)
    defaults = {}
    for name, value in options.items():
        if name.replace("_", "-") not in allowed:
            message = _unknown("option", name, [*allowed, "[parameters]"])
            raise typer.BadParameter(f"{path}: {message}", param_hint="--config")
        # As text, so that the option checks it just as on the command line.
        text = [str(v) for v in value] if isinstance(value, list) else str(value)
        defaults[allowed[name.replace("_", "-")]] = text
    context.default_map = defaults
    return path


def _spelling(parameter):
    return max(parameter.opts, key=len).lstrip("-").replace("_", "-")


def _unknown(what, name, allowed):
    """Say that a name is not known, which ones are, and which one was probably meant."""
    near = get_close_matches(name, allowed, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"there is no {what} {name!r}.{hint} There are: {', '.join(sorted(allowed))}."


def make_estimator(kind, backbones, defaults, settings, **options):
    """Build the estimator, all of its parameters checked.

    Parameters
    ----------
    kind : str
        A key of the classes above.
    backbones : list of str or None
    defaults, settings : dict
        Parameters by name: those that options go before, and those that go before options.
    **options
        Parameters that have an option of their own; None leaves them as they are.

    Raises
    ------
    typer.BadParameter
        If a name or a value is not allowed, or the backbones do not fit the class.
    """
    cls = _estimator_class(kind)
    allowed = set(cls().get_params(deep=False)) - _OWN
    for given, where in ((defaults, "[parameters]"), (settings, "--set")):
        for name in given:
            if name not in allowed:
                message = _unknown(f"parameter of {cls.__name__},", name, allowed)
                raise typer.BadParameter(message, param_hint=where)
    options = {name: value for name, value in options.items() if value is not None}
    options |= _as_parameter(backbones, allowed, kind)
    return check(cls(**(defaults | options | settings)))


def _estimator_class(kind):
    import skblood

    return getattr(skblood, _CLASSES[kind])


def _as_parameter(backbones, allowed, kind):
    """Return the backbones as the parameter that the class has for them."""
    if not backbones:
        return {}
    if "backbones" in allowed:
        return {"backbones": tuple(backbones)}
    if "backbone" not in allowed or len(backbones) > 1:
        takes = "one" if "backbone" in allowed else "none"
        raise typer.BadParameter(
            f"{len(backbones)} given, and --estimator {kind} takes {takes}; hybrid takes several.",
            param_hint="--backbone",
        )
    return {"backbone": backbones[0]}


def check(model):
    """Return a model if its parameters are allowed, before any image is read."""
    from skblood.inference import resolve_device

    try:
        model._validate_params()
        model._resolve_image_size()  # for which it looks up its backbones
        resolve_device(model.device)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return model
