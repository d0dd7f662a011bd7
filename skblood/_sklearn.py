"""Names of scikit-learn that are not public, in one place, and the unwrapping of its estimators."""

# ruff: noqa: F401 (other modules import these names from here)

from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.base import _fit_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import (
    Interval,
    Options,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils._repr_html.estimator import _VisualBlock as VisualBlock
from sklearn.utils.validation import (
    _check_sample_weight as check_sample_weight,
    _num_samples as num_samples,
)

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn 1.8 has no callbacks

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing to support."""


F = TypeVar("F", bound=Callable[..., Any])


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[F], F]:
    """Validate the parameters before a fit; typed, unlike that of scikit-learn."""
    return _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)


class LinksToPage:
    """An estimator whose diagram in a notebook links to its page in the documentation."""

    _doc_link_module = "skblood"
    _doc_link_template = "https://skblood.readthedocs.io/en/stable/generated/{page}.html"

    def _doc_link_url_param_generator(self):
        module = type(self).__module__.split("._")[0].removesuffix(".estimators")
        return {"page": f"{module}.{type(self).__name__}"}


def unwrap_model(estimator, X):
    """Return the model inside Pipelines, searches and FrozenEstimators, and its input.

    Parameters
    ----------
    estimator : fitted estimator
    X : object
        Input of `estimator`.

    Returns
    -------
    model : estimator
        The last step of a Pipeline, the best estimator of a search, the estimator that is frozen.
    X : object
        `X` after all steps before the last; samplers are skipped, as in a prediction.
    """
    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps[:-1]:
            X = step.transform(X) if hasattr(step, "transform") else X
    inner = _inside(estimator)
    return (estimator, X) if inner is None else unwrap_model(inner, X)


def innermost_model(estimator):
    """Return the model inside of Pipelines, searches, FrozenEstimators and calibrations."""
    calibrated = isinstance(estimator, CalibratedClassifierCV)
    inner = estimator.estimator if calibrated else _inside(estimator)
    return estimator if inner is None else innermost_model(inner)


def _inside(estimator):
    if isinstance(estimator, FrozenEstimator):
        return estimator.estimator
    if isinstance(estimator, Pipeline):
        return estimator.steps[-1][1]
    return getattr(estimator, "best_estimator_", None)
