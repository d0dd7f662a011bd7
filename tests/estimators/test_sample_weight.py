"""Sample weights: only their ratios count in fit, and they count across calls of partial_fit."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

CONSTANT = {"augment": None, "lr_schedule": None, "dropout": 0.0}


def n_steps(clf):
    return clf.history_[0]["train_batch_count"]


@pytest.mark.parametrize("params", [{}, {"class_weight": "balanced"}], ids=["plain", "balanced"])
def test_scale_has_no_effect(make, skewed, params):
    X, y = skewed
    expected = make(**params).fit(X, y)
    for weight in (0.5, 1.01, 2, 2.01, 1e9):
        clf = make(**params).fit(X, y, np.full(60, weight))
        assert n_steps(clf) == n_steps(expected)
        assert_array_equal(clf.predict_proba(X), expected.predict_proba(X), str(weight))


@pytest.mark.parametrize(
    "params",
    [{}, {"early_stopping": True, "validation_fraction": 0.25}, {"class_weight": "balanced"}],
    ids=["plain", "early stopping", "balanced"],
)
def test_integers_count_copies(make, small, rng, params):
    X, y = small
    weight = rng.integers(0, 4, len(X))
    weighted = make(**params).fit(X, y, weight)
    repeated = make(**params).fit(np.repeat(X, weight, 0), np.repeat(y, weight))
    assert_array_equal(weighted.predict_proba(X), repeated.predict_proba(X))
    assert weighted.history_[:, "train_loss"] == repeated.history_[:, "train_loss"]
    plain = make(**params).fit(X, y)
    assert not np.allclose(weighted.predict_proba(X), plain.predict_proba(X))


def test_one_odd_weight_does_not_double_the_steps(make_mlp, small):
    for weight in (0.3, 1.01, 2.4):
        assert n_steps(make_mlp().fit(*small, np.r_[weight, np.ones(47)])) <= 4
    assert n_steps(make_mlp().fit(*small)) == 3
    # A balanced weight draws rare cells more often, others as often as before.
    balanced = np.r_[np.full(4, 6.0), np.full(44, 0.5)]
    assert n_steps(make_mlp().fit(*small, balanced)) == -(-(4 * 6 + 44) // 16)


def test_zero_leaves_an_image_out(make, small):
    X, y = small
    weight = np.r_[np.zeros(10), np.ones(38)]
    damaged = X.copy()
    damaged[:10] = 255
    expected = make().fit(X[10:], y[10:]).predict_proba(X)
    assert_array_equal(make().fit(damaged, y, weight).predict_proba(X), expected)


def test_class_without_weight_stays_a_class(make_mlp, small):
    X, y = small
    options = {"max_epochs": 8, "lr": 0.01, "augment": None}
    clf = make_mlp(**options).fit(X, y, (y != "platelet").astype(float))
    assert_array_equal(clf.classes_, np.unique(y))
    mean = clf.predict_proba(X)[:, 2].mean()
    assert mean < 0.8 * make_mlp(**options).fit(X, y).predict_proba(X)[:, 2].mean()


@pytest.mark.parametrize("scale", [1e307, 1e-307])
def test_extreme_scale(make_mlp, small, scale):
    """The sum of such weights is infinite."""
    weight = np.arange(1.0, 49) % 3 + 0.5
    expected = make_mlp().fit(*small, sample_weight=weight).predict_proba(small[0])
    found = make_mlp().fit(*small, sample_weight=weight * scale).predict_proba(small[0])
    assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-np.ones(48), "Negative values in data passed to `sample_weight`"),
        (np.zeros(48), "at least one non-zero|0 image is left"),
        (np.ones(47), r"\(47,\), expected \(48,\)"),
        (np.full(48, np.nan), "NaN"),
    ],
)
def test_bad_weights(make_mlp, small, weight, message):
    clf = make_mlp()
    with pytest.raises(ValueError, match=message):
        clf.fit(*small, sample_weight=weight)
    with pytest.raises(ValueError, match=message):
        clf.partial_fit(*small, classes=np.unique(small[1]), sample_weight=weight)
    assert vars(clf).keys() == clf.get_params().keys()


def step_of(make_mlp, X, y, classes, **options):
    """Return the change of the weights by one call of partial_fit with plain SGD."""
    weight = options.pop("sample_weight", None)
    settings = {**CONSTANT, "optimizer": torch.optim.SGD, "lr": 0.05, "weight_decay": 0.0}
    settings |= {"hidden_layer_sizes": (), "batch_size": 64, **options}
    fits = [make_mlp(**{**settings, "lr": lr}) for lr in (settings["lr"], 1e-30)]
    vectors = [
        torch.nn.utils.parameters_to_vector(
            clf.partial_fit(X, y, classes=classes, sample_weight=weight).net_.module_.parameters()
        )
        for clf in fits
    ]
    return (vectors[0] - vectors[1]).detach().numpy()


class TestPartialFit:
    """The size of a step is proportional to the weights of the call."""

    def test_weights_do_not_cancel(self, make_mlp, small):
        X, y = small
        plain = step_of(make_mlp, X, y, np.unique(y))
        for weight in (1e-3, 0.5, 3.0):
            step = step_of(make_mlp, X, y, np.unique(y), sample_weight=np.full(48, weight))
            np.testing.assert_allclose(step, weight * plain, rtol=1e-2, atol=1e-6)

    def test_class_weights_do_not_cancel(self, make_mlp, small):
        X, y = small
        one = y == "platelet"
        plain = step_of(make_mlp, X[one], y[one], np.unique(y))
        rare = {"class_weight": {"platelet": 0.25}}
        step = step_of(make_mlp, X[one], y[one], np.unique(y), **rare)
        np.testing.assert_allclose(step, 0.25 * plain, rtol=1e-2, atol=1e-6)
