"""scikit-learn's own checks: all of them, with no failure expected."""

from collections import Counter

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import check_estimator

import skblood
from skblood import (
    CellEmbedder,
    ContrastiveCellClassifier,
    HybridFeatureClassifier,
    MLPCellClassifier,
    TransferCellClassifier,
)

# The checks feed rows of numbers, which a convolution sees as images one pixel high. Few epochs at
# a high learning rate are enough for the accuracies that they ask for.
ROWS = {"image_shape": (1, -1, 1)}
TWO = ("cellnet_t", "cellnet_t")
# The checks ask for weights of 1e7 : 1 on 50 overlapping points to be followed everywhere. A
# linear head on standardized features has nothing but its bias to do so.
WIDE = {"hidden_layer_sizes": (256,), "lr": 3e-2}
CASES = {
    "mlp": (MLPCellClassifier((32,), max_epochs=12, lr=2e-2), 50),
    "transfer": (TransferCellClassifier("cellnet_t", max_epochs=8, lr=1e-2, **ROWS), 50),
    "hybrid": (HybridFeatureClassifier(TWO, max_epochs=3, refine_epochs=1, lr=5e-3, **ROWS), 50),
    "contrastive": (ContrastiveCellClassifier("cellnet_t", pretrain_epochs=3, **WIDE, **ROWS), 50),
    "embedder": (CellEmbedder("cellnet_t", **ROWS), 40),
}
SLOW = {"transfer", "hybrid", "contrastive"}
# It needs an environment variable that has to be set before scipy is imported.
MAY_BE_SKIPPED = {"check_array_api_input"}


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[pytest.mark.slow] if c in SLOW else []) for c in CASES]
)
def test_scikit_learn_checks(case):
    estimator, n_at_least = CASES[case]
    results = check_estimator(estimator, on_fail=None, on_skip=None)
    not_passed = {
        (result["check_name"], result["status"]): repr(result["exception"])
        for result in results
        if result["status"] not in ("passed", "skipped")
    }
    assert not_passed == {}
    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert skipped <= MAY_BE_SKIPPED
    # A green run must not be an empty one.
    assert Counter(result["status"] for result in results)["passed"] >= n_at_least
    assert not any(result["expected_to_fail"] for result in results)


@pytest.mark.parametrize("case", CASES)
def test_cases_have_the_defaults_but_for_speed(case):
    """The checks are of the estimators that users get, not of others made to pass."""
    changed = {"image_shape", "max_epochs", "refine_epochs", "lr", "backbone", "backbones"}
    changed |= {"pretrain_epochs", "hidden_layer_sizes"}
    estimator = CASES[case][0]
    default, given = type(estimator)().get_params(), estimator.get_params()
    assert {name for name in given if given[name] != default[name]} <= changed


def test_every_public_estimator_is_a_case():
    public = {getattr(skblood, name) for name in skblood.__all__ if name != "explain"}
    estimators = {e for e in public if isinstance(e, type) and issubclass(e, BaseEstimator)}
    assert {type(estimator) for estimator, _ in CASES.values()} == estimators
