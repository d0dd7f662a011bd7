"""Shared parameters and attributes in the docstrings of estimators."""

import inspect

from skblood.estimators import _docs


def written(**options):
    class Estimator:
        """Do something.

        Parameters
        ----------
        own : int
            Its own.
        {shared}
        """

        def __init__(self, *, own=1, dropout=0.3):
            pass

    if options.get("dedented"):
        Estimator.__doc__ = inspect.cleandoc(Estimator.__doc__)
    return _docs.document(Estimator).__doc__


def test_shared_parameters_and_attributes_are_filled_in():
    text = written()
    assert "\nown : int\n    Its own.\ndropout : float in [0, 1)" in text
    assert "\n\nAttributes\n----------\n" in text


def test_docstrings_from_python_3_13_on(monkeypatch):
    """The compiler takes the indentation off there."""
    expected = written()
    monkeypatch.setattr(_docs._Shared, "__doc__", inspect.cleandoc(_docs._Shared.__doc__))
    assert written(dedented=True) == expected
