"""The docstrings, which are put together from shared pieces, against the constructors."""

import inspect
import re

import pytest
from numpydoc.docscrape import NumpyDocString

from skblood import (
    CellEmbedder,
    ContrastiveCellClassifier,
    HybridFeatureClassifier,
    MLPCellClassifier,
    TransferCellClassifier,
)

ESTIMATORS = [
    CellEmbedder,
    ContrastiveCellClassifier,
    HybridFeatureClassifier,
    MLPCellClassifier,
    TransferCellClassifier,
]


def documented(estimator):
    return {p.name: p for p in NumpyDocString(inspect.cleandoc(estimator.__doc__))["Parameters"]}


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_each_parameter_is_documented_once_and_no_other(estimator):
    names = [p.name for p in NumpyDocString(inspect.cleandoc(estimator.__doc__))["Parameters"]]
    assert len(names) == len(set(names))
    assert set(names) == set(inspect.signature(estimator).parameters)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_documented_defaults_are_the_defaults(estimator):
    parameters = inspect.signature(estimator).parameters
    for name, entry in documented(estimator).items():
        stated = re.search(r"default=(.+)$", entry.type).group(1)
        assert eval(stated) == parameters[name].default, name


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_each_parameter_has_a_constraint(estimator):
    assert set(estimator._parameter_constraints) == set(inspect.signature(estimator).parameters)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_only_the_first_parameter_may_be_positional(estimator):
    kinds = [p.kind for p in inspect.signature(estimator).parameters.values()]
    assert kinds[0] == inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert set(kinds[1:]) == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_no_placeholder_is_left(estimator):
    assert "{shared}" not in estimator.__doc__
    assert "{parameters}" not in estimator.__doc__
    assert "{{" not in estimator.__doc__
