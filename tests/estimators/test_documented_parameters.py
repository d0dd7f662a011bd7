"""Docstrings, parameter constraints and signatures of the estimators agree."""

import inspect
import re

import pytest
from numpydoc.docscrape import NumpyDocString

import skblood

ESTIMATORS = [
    skblood.CellEmbedder,
    skblood.ContrastiveCellClassifier,
    skblood.HybridFeatureClassifier,
    skblood.MLPCellClassifier,
    skblood.TransferCellClassifier,
]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_docstring_constraints_and_signature_agree(estimator):
    parameters = inspect.signature(estimator).parameters
    documented = NumpyDocString(inspect.cleandoc(estimator.__doc__))["Parameters"]
    assert sorted(entry.name for entry in documented) == sorted(parameters)
    assert set(estimator._parameter_constraints) == set(parameters)
    for entry in documented:
        stated = re.search(r"default=(.+)$", entry.type).group(1)
        assert eval(stated) == parameters[entry.name].default, entry.name
    assert "{" not in re.sub(r"\{[^{}]*['\"0-9][^{}]*\}", "", estimator.__doc__)  # no placeholder


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_only_the_first_parameter_may_be_positional(estimator):
    kinds = [p.kind for p in inspect.signature(estimator).parameters.values()]
    assert kinds[0] == inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert set(kinds[1:]) == {inspect.Parameter.KEYWORD_ONLY}


def test_number_of_parameters():
    counts = {each.__name__: len(inspect.signature(each).parameters) for each in ESTIMATORS}
    assert counts["TransferCellClassifier"] <= 30
    assert counts["MLPCellClassifier"] <= 24
