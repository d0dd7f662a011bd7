"""Training that continues from a fitted network, and gradual unfreezing."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skblood import reconfigure

STAGES = ["stem", "stages.0", "stages.1", "stages.2"]


def state_of(clf):
    return {k: v.clone() for k, v in clf.net_.module_.state_dict().items()}


def changed_stages(before, after):
    """Say of each stage of the backbone whether its weights have changed."""
    return [
        any(
            not torch.equal(before[k], after[k])
            for k in before
            if k.startswith(f"backbones.0.body.{stage}")
        )
        for stage in STAGES
    ]


def test_gradual_unfreezing(make_transfer, small):
    X, y = small
    clf = make_transfer(trainable="head", lr=5e-3).fit(X, y)
    steps = [
        ("head", [False] * 4),
        (2, [False, False, True, True]),
        ("all", [True] * 4),
        ("head", [False] * 4),
    ]
    for trainable, expected in steps:
        before = state_of(clf)
        clf.set_params(trainable=trainable, warm_start=True).fit(X, y)
        after = state_of(clf)
        assert changed_stages(before, after) == expected
        assert not torch.equal(before["head.0.weight"], after["head.0.weight"])
        assert clf.spec_.backbones[0].trained == trainable
        assert clf.spec_.head.standardize_features  # as in the first fit
        trained = {n for n, p in clf.net_.module_.named_parameters() if p.requires_grad}
        assert any(name.startswith("backbones") for name in trained) == any(expected)
        assert clf.predictor_.network is clf.net_.module_


def test_hybrid_unfreezes_one_of_two(make_hybrid, small):
    clf = make_hybrid(trainable="head", lr=5e-3).fit(*small)
    before = state_of(clf)
    clf.set_params(trainable=["head", "all"], warm_start=True).fit(*small)
    changed = {k.split(".")[1] for k, v in state_of(clf).items() if not torch.equal(before[k], v)}
    assert "1" in changed
    assert all(torch.equal(v, before[k]) for k, v in state_of(clf).items() if "backbones.0." in k)
    assert [each.trained for each in clf.spec_.backbones] == ["head", "all"]


def test_continues(make, small):
    X, y = small
    clf = make(warm_start=True, max_epochs=4, lr=5e-3).fit(X, y)
    first, loss = clf.net_.module_, clf.history_[0, "train_loss"]
    clf.fit(X, y)
    assert clf.net_.module_ is not first
    assert clf.history_[0, "train_loss"] < loss
    assert clf.n_iter_ == len(clf.history_)


@pytest.mark.parametrize("change", [{}, {"dropout": 0.75}])
def test_starts_from_the_former_weights(make, small, change):
    """With a learning rate of nearly nothing, the former network is what remains."""
    X, y = small
    clf = make(warm_start=True).fit(X, y)
    before = clf.predict_proba(X)
    clf.set_params(lr=1e-12, weight_decay=0.0, **change)
    for module in clf.net_.module_.modules():
        if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            module.momentum = 0.0
    assert_allclose(clf.fit(X, y).predict_proba(X), before, atol=1e-5)
    if change:
        rates = {m.p for m in clf.net_.module_.head.modules() if isinstance(m, torch.nn.Dropout)}
        assert rates == {clf.spec_.head.dropout} == {0.75}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"backbone": "cellnet_s"}, "backbone"),
        ({"hidden_layer_sizes": (8,)}, "hidden_layer_sizes"),
        ({"standardize": "image"}, "standardize"),
        ({"image_size": 20}, "image"),
        ({"y": "two"}, "classes"),
        ({"X": "large"}, "shape"),
    ],
    ids=str,
)
def test_what_may_not_change(make_transfer, small, large, change, named):
    X, y = small
    clf = make_transfer(warm_start=True).fit(X, y)
    before, attributes = clf.predict_proba(X), dict(vars(clf))
    data = {"X": large, "y": (X, y == "platelet")}.get(next(iter(change)), (X, y))
    change = {name: value for name, value in change.items() if name not in ("X", "y")}
    with pytest.raises(ValueError, match=f"warm_start=True.*{named}.* set warm_start=False"):
        clf.set_params(**change).fit(*data)
    assert vars(clf) == attributes | change
    assert_array_equal(clf.predict_proba(X), before)
    fresh = clf.set_params(warm_start=False).fit(*data)
    assert_array_equal(fresh.classes_, np.unique(data[1]))


def test_head_of_frozen_features_keeps_their_statistics(make_transfer, small):
    X, y = small
    clf = make_transfer(trainable="head", warm_start=True, max_epochs=5).fit(X, y)
    before = clf.predict_proba(X)
    for trainable in (2, "all"):
        clf.set_params(trainable=trainable, lr=1e-12).fit(X, y)
        assert_allclose(clf.predict_proba(X), before, atol=1e-5)


class TestReconfigured:
    """Of a network that was adapted, or reconfigured, after its fit."""

    def test_another_crop_stays(self, make_transfer, small):
        X, y = small
        for size in (None, 16):
            clf = make_transfer(image_size=size, warm_start=True, lr=1e-12, weight_decay=0.0)
            cropped = reconfigure(clf.fit(X, y), crop=0.5)
            before, image_size = cropped.predict_proba(X), cropped.spec_.image_size
            for module in cropped.net_.module_.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.momentum = 0.0
            for _ in range(2):
                cropped.fit(X, y)
                assert (cropped.spec_.crop, cropped.spec_.image_size) == (0.5, image_size)
                assert cropped.crop == 1.0  # for the next fit without warm start
                assert_allclose(cropped.predict_proba(X), before, atol=1e-5)
            assert clf.fit(X, y).spec_.crop == 1.0
        read = cropped.read_images(X)
        assert cropped.fit(read, y).spec_.crop == cropped.partial_fit(X, y).spec_.crop == 0.5
        assert cropped.set_params(warm_start=False).fit(X, y).spec_.crop == 1.0

    def test_rows_and_mlps(self, make_mlp, small):
        X, y = small
        cropped = reconfigure(make_mlp(warm_start=True).fit(X, y), crop=0.5)
        assert cropped.fit(X, y).spec_.crop == 0.5

    def test_a_parameter_that_changes_is_an_error(self, make_transfer, small):
        clf = make_transfer(image_size=16, warm_start=True).fit(*small)
        cropped = reconfigure(clf, crop=0.5).set_params(crop=0.75)
        with pytest.raises(ValueError, match=r"crop was 0\.5 and is now 0\.75\. Leave it, or set"):
            cropped.fit(*small)
        with pytest.raises(ValueError, match=r"crop was 1\.0 and is now 0\.75"):
            clf.set_params(crop=0.75).fit(*small)

    def test_labels_that_are_ruled_out(self, make, small):
        X, y = small
        clf = make(warm_start=True).fit(X, y)
        restricted = reconfigure(clf, classes=clf.classes_[1:])
        ruled_out = str(clf.classes_[0])
        before = restricted.predict_proba(X)
        for train in (restricted.fit, restricted.partial_fit):
            with pytest.raises(ValueError, match=f"cannot occur: {ruled_out!r}.*classes='all'"):
                train(X, y)
        assert_array_equal(restricted.predict_proba(X), before)
        kept = y != ruled_out
        restricted.partial_fit(X[kept], y[kept])
        assert (restricted.predict_proba(X)[:, 0] == 0).all()
        reconfigure(restricted, classes="all").partial_fit(X, y)
        # Another fit begins with all classes.
        assert restricted.set_params(warm_start=False).fit(X, y).spec_.class_factors is None
