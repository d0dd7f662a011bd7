"""scikit-learn's own checks: all of them, with no failure expected."""

from collections import Counter

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import check_estimator

from skblood import (
    CellEmbedder,
    ContrastiveCellClassifier,
    HybridFeatureClassifier,
    MLPCellClassifier,
    TransferCellClassifier,
)

# The checks feed rows of numbers, which a convolution sees as images one pixel high. Few epochs at
# a high learning rate are enough for the accuracies that they ask for.
FOLD = {"image_shape": (1, -1, 1)}
CASES = {
    "mlp": (MLPCellClassifier, 50),
    "transfer": (
        lambda: TransferCellClassifier("cellnet_t", max_epochs=8, lr=1e-2, **FOLD),
        50,
    ),
    "hybrid": (
        lambda: HybridFeatureClassifier(
            ("cellnet_t", "cellnet_t"), max_epochs=3, refine_epochs=1, lr=5e-3, **FOLD
        ),
        50,
    ),
    # The checks ask for weights of 1e7 : 1 on 50 overlapping points to be followed everywhere. A
    # linear head on standardised features has nothing but its bias to do so.
    "contrastive": (
        lambda: ContrastiveCellClassifier(
            "cellnet_t", pretrain_epochs=3, lr=3e-2, hidden_layer_sizes=(256,), **FOLD
        ),
        50,
    ),
    "embedder": (lambda: CellEmbedder("cellnet_t", **FOLD), 40),
}
# It needs an environment variable that has to be set before scipy is imported.
MAY_BE_SKIPPED = {"check_array_api_input"}


@pytest.mark.parametrize("case", CASES)
def test_scikit_learn_checks(case):
    construct, n_at_least = CASES[case]
    results = check_estimator(construct(), on_fail=None, on_skip=None)
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
def test_the_cases_keep_their_classes_defaults_but_for_speed(case):
    """The checks are of the estimators that users get, not of others made to pass."""
    changed = {"image_shape", "max_epochs", "refine_epochs", "lr", "backbone", "backbones"}
    changed |= {"pretrain_epochs", "hidden_layer_sizes"} if case == "contrastive" else set()
    changed = set() if case == "mlp" else changed
    estimator = CASES[case][0]()
    default = type(estimator)().get_params()
    given = estimator.get_params()
    assert {name for name in given if given[name] != default[name]} <= changed


def test_every_public_estimator_is_a_case():
    import skblood

    classes = {type(construct()) for construct, _ in CASES.values()}
    public = {getattr(skblood, name) for name in skblood._MODULES}
    public = {each for each in public if isinstance(each, type)}
    assert classes == {each for each in public if issubclass(each, BaseEstimator)}
