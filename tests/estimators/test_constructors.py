"""Constructors that an editor, a reader and scikit-learn understand."""

import inspect
import re
from inspect import Parameter

import pytest
from numpydoc.docscrape import NumpyDocString
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

AT_MOST = {"MLPCellClassifier": 24, "TransferCellClassifier": 30}


@pytest.fixture
def cls(make_any):
    return make_any.func


def documented(cls):
    return NumpyDocString(inspect.cleandoc(cls.__doc__))["Parameters"]


def test_signature(cls):
    parameters = inspect.signature(cls).parameters
    first, *others = (each.kind for each in parameters.values())
    assert first == Parameter.POSITIONAL_OR_KEYWORD
    assert set(others) == {Parameter.KEYWORD_ONLY}
    assert len(parameters) <= AT_MOST.get(cls.__name__, 34)
    assert cls._parameter_constraints.keys() == parameters.keys()
    # The estimator's own parameters come first, and what all have comes last.
    assert list(parameters)[-4:] == ["device", "precision", "random_state", "verbose"]
    defaults = [each.default for each in parameters.values()]
    assert not [value for value in defaults if isinstance(value, (list, dict, set))]


def test_source_is_the_constructor(cls):
    source = inspect.getsource(cls.__init__)
    assert source.strip().startswith("def __init__(")
    body = source[source.index(") -> None:") + 10 :].split("\n")
    stored = [line.strip() for line in body if line.strip()]
    assert stored == [f"self.{name} = {name}" for name in inspect.signature(cls).parameters]


def test_stores_and_does_nothing_else(cls):
    given = {name: object() for name in inspect.signature(cls).parameters}
    estimator = cls(**given)
    assert vars(estimator) == given
    assert estimator.get_params(deep=False) == given
    with pytest.raises(TypeError, match="positional"):
        cls("cellnet_t", None)
    with pytest.raises(TypeError, match="epochs"):
        cls(epochs=3)
    with pytest.raises(ValueError, match="Invalid parameter 'epochs'"):
        cls().set_params(epochs=3)


def test_documentation(cls):
    entries, parameters = documented(cls), inspect.signature(cls).parameters
    assert sorted(each.name for each in entries) == sorted(parameters)
    for name, kind, text in entries:
        stated = re.search(r"default=(.+)$", kind).group(1)
        assert eval(stated) == parameters[name].default, name
        assert text
    assert not re.search(r"\{(shared|parameters|\{)", cls.__doc__)


def test_repr_clone_and_html(make_any, fitted_any):
    estimator = make_any(image_size=9)
    assert clone(estimator).get_params() == estimator.get_params()
    again = eval(repr(estimator), {type(estimator).__name__: type(estimator)})
    assert again.get_params() == estimator.get_params()
    assert repr(make_any.func()) == f"{make_any.func.__name__}()"
    for each in (estimator, fitted_any):
        assert type(each).__name__ in each._repr_html_()


def test_not_fitted(make_any, small):
    for method in ("predict", "predict_proba", "decision_function", "transform", "read_images"):
        if hasattr(make_any, method):
            with pytest.raises(NotFittedError, match=f"This {make_any.func.__name__} instance"):
                getattr(make_any(), method)(small[0])
