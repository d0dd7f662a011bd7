"""Public docstrings, by numpydoc's validation."""

import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
from numpydoc.validate import ERROR_MSGS, validate

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = {
    "ES01": "an extended summary is for what needs one",
    "EX01": "test_public_api.py asks for examples where they belong",
    "PR03": "keyword-only parameters are in the order of their importance",
    "PR04": "'as in `fit`' says the type, too",
    "PR07": "the type says what a path or a model is",
    "RT02": "results have names",
    "RT03": "the type says what a report is",
    "SA01": "for what has something to see",
}
CHECKS = ERROR_MSGS.keys() - LEFT_OUT.keys()


def public_names():
    """Return what the API page lists, and the methods and properties of its classes."""
    source = (ROOT / "docs" / "api.rst").read_text("utf-8")
    for name in re.findall(r"^ +(skblood\.[\w.]+)$", source, flags=re.MULTILINE):
        yield name
        module, _, attribute = name.rpartition(".")
        thing = getattr(import_module(module), attribute)
        for owner in thing.__mro__ if inspect.isclass(thing) else ():
            if owner.__module__.startswith("skblood."):
                own = [each for each, value in vars(owner).items() if is_documented(each, value)]
                yield from (f"{name}.{each}" for each in own)


def is_documented(name, value):
    kinds = property, classmethod, staticmethod
    return not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, kinds))


def errors(name):
    """Return the errors of a docstring; one of a single sentence needs no sections."""
    found = validate(name)
    is_sentence = "\n\n" not in found["docstring"].strip()
    left_out = {"PR01", "RT01", "YD01"} if is_sentence else set()
    if "\nAttributes\n" in inspect.cleandoc(found["docstring"]):
        left_out.add("PR01")  # of a dataclass
    return [(code, text) for code, text in found["errors"] if code in CHECKS - left_out]


@pytest.mark.parametrize("name", sorted(set(public_names())))
def test_docstring(name):
    assert errors(name) == []


def test_an_error_is_found(monkeypatch):
    def fit(X, y):
        """fits the model

        Parameters
        ----------
        X : array
            Images.

        Returns
        -------
        int
        """

    monkeypatch.setattr("skblood.evaluation.fit", fit, raising=False)
    assert {"PR01", "SS02", "SS03"} <= {code for code, _ in errors("skblood.evaluation.fit")}
