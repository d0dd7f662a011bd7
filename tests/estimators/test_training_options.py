"""What each parameter of training does."""

import math
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import f1_score, log_loss
from sklearn.utils._param_validation import InvalidParameterError
from skorch.callbacks import Callback, EarlyStopping

from skblood import _training_set
from skblood.augment import CellAugment
from skblood.networks import Backbone, CellNetwork
from skblood.training import OPTIMIZERS, TrainingNet

COMMON_BAD = {
    "image_shape": 5,
    "crop": 0,
    "image_size": 0,
    "interpolation": "lanczos",
    "device": 0,
    "random_state": "zero",
    "hidden_layer_sizes": 100,
    "dropout": 1.0,
    "augment": "flips",
    "optimizer": "lion",
    "lr": 0.0,
    "weight_decay": -0.1,
    "momentum": 1.0,
    "lr_schedule": "step",
    "batch_size": 1,
    "max_epochs": 1.5,
    "shuffle": "yes",
    "loss": "hinge",
    "label_smoothing": 1.0,
    "class_weight": "even",
    "early_stopping": None,
    "validation_fraction": 1.0,
    "n_iter_no_change": 0,
    "tol": -1e-3,
    "scoring": "acc",
    "callbacks": EarlyStopping(),
    "warm_start": 2,
    "checkpoint": 3,
    "compile": "yes",
    "precision": "float16",
    "verbose": -1,
    "memory": 1,
    "on_error": "ignore",
}
OWN_BAD = {
    "mlp": {"activation": "swish"},
    "transfer": {
        "backbone": 18,
        "weights": 1,
        "trainable": 0,
        "n_views": 0,
        "standardize": "batch",
        "predict_views": 3,
    },
    "hybrid": {
        "backbones": "cellnet_t",
        "weights": 1,
        "trainable": "tail",
        "n_views": 1.5,
        "standardize": 1,
        "refine_epochs": -1,
    },
}


class Watch(Callback):
    """Run a function after each epoch; a copy runs the same one."""

    def __init__(self, function):
        self.function = function

    def on_epoch_end(self, net, **kwargs):
        self.function(net)


class Interrupt(Callback):
    """Press Ctrl-C in the midst of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, training=None, **kwargs):
        if training and len(net.history) == self.epoch:
            raise KeyboardInterrupt


@pytest.fixture
def seen(monkeypatch):
    """Return a list to which each fit appends its TrainingSet, as it is trained on."""
    sets = []
    original = _training_set.TrainingSet.samples

    def samples(self, *args):
        sets.append(self)
        return original(self, *args)

    monkeypatch.setattr(_training_set.TrainingSet, "samples", samples)
    return sets


def state_of(clf):
    return {k: v.clone() for k, v in clf.net_.module_.state_dict().items()}


def batch_rates(clf):
    """Return the learning rate of each training batch."""
    rates = clf.history_[:, "batches", :, "lr"]
    return [rate for epoch in rates for rate in epoch]


class TestConstraints:
    @pytest.mark.parametrize("name", COMMON_BAD)
    def test_common(self, make, small, name):
        with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of "):
            make(**{name: COMMON_BAD[name]}).fit(*small)

    @pytest.mark.parametrize(
        ("kind", "name"), [(kind, name) for kind, bad in OWN_BAD.items() for name in bad]
    )
    def test_own(self, request, small, kind, name):
        make = request.getfixturevalue(f"make_{kind}")
        with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of "):
            make(**{name: OWN_BAD[kind][name]}).fit(*small)

    def test_every_parameter_is_constrained_and_tried(self, make):
        estimator = make()
        names = estimator.get_params().keys()
        assert estimator._parameter_constraints.keys() == names
        own = next(bad for bad in OWN_BAD.values() if bad.keys() == names - COMMON_BAD.keys())
        assert own.keys() | COMMON_BAD.keys() == names

    @pytest.mark.parametrize("name", ["lr", "class_weight"])
    def test_partial_fit_checks_too(self, make, small, name):
        with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of "):
            make(**{name: COMMON_BAD[name]}).partial_fit(*small, classes=np.unique(small[1]))

    @pytest.mark.parametrize("size", [(16,), 16, np.int64(16), [16, 16], np.array([16, 16])])
    def test_forms_of_image_size(self, make_mlp, small, size):
        assert make_mlp(image_size=size).fit(*small).image_shape_ == (16, 16, 3)

    @pytest.mark.parametrize("size", [(16, 16, 3), (-2, 16), (16, 8.5), ()])
    def test_bad_image_size(self, make, small, size):
        with pytest.raises(ValueError, match=r"image_size=.* must be a positive int, a pair"):
            make(image_size=size).fit(*small)

    @pytest.mark.parametrize("sizes", [(0,), (-1,), (2.5,), ("a",)])
    def test_bad_hidden_layer_sizes(self, make, small, sizes):
        with pytest.raises(ValueError, match="hidden_layer_sizes"):
            make(hidden_layer_sizes=sizes).fit(*small)


class TestOptimizerAndSchedule:
    @pytest.mark.parametrize("schedule", ["onecycle", "cosine", None])
    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_each_learns(self, make_mlp, small, optimizer, schedule):
        clf = make_mlp(
            optimizer=optimizer,
            lr_schedule=schedule,
            lr=3e-3,
            max_epochs=8,
            dropout=0,
            augment=None,
        ).fit(*small)
        losses = clf.history_[:, "train_loss"]
        assert losses[-1] < 0.8 * losses[0]
        assert clf.score(*small) > 0.6
        assert type(clf.net_.optimizer_) is OPTIMIZERS[optimizer]

    def test_each_optimizer_gives_another_model(self, make_mlp, small):
        X, y = small
        fits = [make_mlp(optimizer=name).fit(X, y).predict_proba(X) for name in OPTIMIZERS]
        for i, first in enumerate(fits):
            assert not any(np.allclose(first, other) for other in fits[i + 1 :])

    def test_onecycle(self, make, small):
        rates = batch_rates(make(lr=0.01, max_epochs=4).fit(*small))[: 4 * 3]
        assert len(rates) == 12
        peak = int(np.argmax(rates))
        assert rates[0] == pytest.approx(0.01 / 25)
        assert rates[peak] == pytest.approx(0.01, rel=0.1)
        assert np.all(np.diff(rates[: peak + 1]) > 0)
        assert np.all(np.diff(rates[peak:]) < 0)
        assert rates[-1] < 0.01 / 100

    def test_cosine(self, make, small):
        rates = batch_rates(make(lr=0.01, lr_schedule="cosine", max_epochs=4).fit(*small))[:12]
        expected = [0.005 * (1 + math.cos(math.pi * step / 12)) for step in range(12)]
        assert_allclose(rates, expected)

    def test_constant(self, make, small):
        clf = make(lr=0.01, lr_schedule=None).fit(*small)
        assert [group["lr"] for group in clf.net_.optimizer_.param_groups] == [0.01, 0.01]

    @pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
    def test_momentum(self, make_mlp, small, optimizer):
        X, y = small
        first, second = (
            make_mlp(optimizer=optimizer, momentum=m, lr_schedule=None).fit(X, y) for m in (0, 0.9)
        )
        assert second.net_.optimizer_.param_groups[0]["momentum"] == 0.9
        assert not np.allclose(first.predict_proba(X), second.predict_proba(X))

    def test_weight_decay_leaves_biases_and_norms(self, make, small):
        clf = make(weight_decay=0.3).fit(*small)
        decayed, kept = clf.net_.optimizer_.param_groups
        assert (decayed["weight_decay"], kept["weight_decay"]) == (0.3, 0.0)
        assert min(p.ndim for p in decayed["params"]) > 1
        assert max(p.ndim for p in kept["params"]) == 1
        n_trained = sum(p.requires_grad for p in clf.net_.module_.parameters())
        assert len(decayed["params"]) + len(kept["params"]) == n_trained

    def test_weight_decay_shrinks(self, make_mlp, small):
        norms = [
            make_mlp(weight_decay=w, max_epochs=5, lr=0.01).fit(*small).net_.module_.head[0].weight
            for w in (0.0, 20.0)
        ]
        assert norms[1].norm() < 0.8 * norms[0].norm()

    def test_batch_size(self, make, small):
        clf = make(batch_size=20, max_epochs=1).fit(*small)
        sizes = clf.history_[0, "batches", :, "train_batch_size"]
        assert sizes == [16, 16, 16]  # of nearly equal size, none larger than asked for


class TestLosses:
    def test_focal_and_smoothing_change_the_model(self, make, small):
        X, y = small
        options = [{}, {"loss": "focal"}, {"label_smoothing": 0.3}]
        fits = [make(**option).fit(X, y).predict_proba(X) for option in options]
        assert not np.allclose(fits[0], fits[1])
        assert not np.allclose(fits[0], fits[2])

    def test_smoothing_makes_less_sure(self, make_mlp, small):
        X, y = small
        options = {"max_epochs": 15, "lr": 5e-3, "augment": None, "dropout": 0}
        sure, less = (
            make_mlp(label_smoothing=s, **options).fit(X, y).predict_proba(X).max(axis=1).mean()
            for s in (0, 0.5)
        )
        assert less < sure - 0.1

    def test_focal_loss_of_a_trained_model_is_smaller(self, make_mlp, small):
        plain, focal = (
            make_mlp(loss=loss, max_epochs=5).fit(*small).history_[-1, "train_loss"]
            for loss in ("cross_entropy", "focal")
        )
        assert 0 < focal < plain


class TestClassWeight:
    def test_effect_on_an_imbalanced_set(self, make, skewed):
        X, y = skewed
        rare = np.unique(y).tolist().index("platelet")
        options = {"max_epochs": 3, "lr": 5e-3}
        mean = [
            make(class_weight=weight, **options).fit(X, y).predict_proba(X)[:, rare].mean()
            for weight in (None, "balanced", {"platelet": 50.0})
        ]
        assert mean[0] + 0.01 < mean[1] < mean[2] - 0.01

    def test_balanced_is_its_dict(self, make, skewed):
        X, y = skewed
        counts = dict(zip(*np.unique(y, return_counts=True), strict=True))
        weights = {label: len(y) / (2 * n) for label, n in counts.items()}
        first = make(class_weight="balanced").fit(X, y).predict_proba(X)
        assert_array_equal(make(class_weight=weights).fit(X, y).predict_proba(X), first)

    def test_scale_has_no_effect(self, make, skewed):
        """Weights average 1, so they do not act as another learning rate."""
        X, y = skewed
        fits = [
            make(optimizer="sgd", class_weight={"platelet": 4 * f, "lymphocyte": f}).fit(X, y)
            for f in (1, 64)
        ]
        assert_array_equal(fits[0].predict_proba(X), fits[1].predict_proba(X))

    def test_integer_labels(self, make, skewed):
        X, y = skewed[0], np.where(skewed[1] == "platelet", 7, 3)
        named = make(class_weight={"platelet": 9}).fit(*skewed).predict_proba(X)
        assert_array_equal(make(class_weight={7: 9}).fit(X, y).predict_proba(X), named)

    def test_unknown_class(self, make, small):
        with pytest.raises(ValueError, match="not in class_weight"):
            make(class_weight={"no such class": 2}).fit(*small)

    def test_class_weight_is_a_sample_weight(self, make, skewed):
        X, y = skewed
        weight = np.where(y == "platelet", 0.25, 1)
        weighted = make().fit(X, y, weight).predict_proba(X)
        by_class = make(class_weight={"platelet": 0.25}).fit(X, y).predict_proba(X)
        assert_array_equal(weighted, by_class)


class TestEarlyStopping:
    def test_own_split_is_stratified(self, make, skewed, seen):
        X, y = skewed
        make(early_stopping=True, validation_fraction=0.5).fit(X, y)
        (data,) = seen
        assert_array_equal(np.unique(y[data.valid_rows], return_counts=True)[1], [27, 3])
        assert_array_equal(np.unique(y[data.rows], return_counts=True)[1], [27, 3])
        assert not set(data.rows) & set(data.valid_rows)

    def test_copies_never_cross(self, make, small, seen, rng):
        X, y = small
        chosen = np.r_[np.arange(48), rng.integers(0, 48, 60)]
        make(early_stopping=True, validation_fraction=0.3).fit(X[chosen], y[chosen])
        (data,) = seen
        train, valid = (set(chosen[rows]) for rows in (data.rows, data.valid_rows))
        assert not train & valid
        assert len(train | valid) == 48
        assert len(valid) == 15  # a share of the distinct images
        assert len(data.rows) + len(data.valid_rows) == len(chosen)

    def test_given_images_replace_the_split(self, make, small, large, seen):
        X, y = small
        clf = make(early_stopping=True).fit(X[:36], y[:36], X_val=X[36:], y_val=y[36:])
        (data,) = seen
        assert len(data.rows) == 36
        assert_array_equal(data.valid_images, X[36:])
        assert "valid_f1_macro" in clf.history_[-1]

    def test_given_images_without_early_stopping_are_only_scored(self, make, small):
        X, y = small
        plain = make().fit(X[:36], y[:36])
        clf = make().fit(X[:36], y[:36], X_val=X[36:], y_val=y[36:])
        assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))
        assert clf.best_epoch_ == clf.n_iter_
        assert len(clf.history_[:, "valid_f1_macro"]) == clf.n_iter_

    @pytest.mark.parametrize("trainable", ["all", "head"])
    def test_best_weights_are_restored(self, make_transfer, small, trainable):
        X, y = small
        clf = make_transfer(
            trainable=trainable,
            early_stopping=True,
            max_epochs=8,
            lr=0.02,
            scoring="accuracy",
            precision="float32",  # bfloat16 rounds the large logits that such a rate makes
        ).fit(X[:24], y[:24], X_val=X[24:], y_val=y[24:])
        scores = clf.history_[:, "valid_accuracy"]
        losses = clf.history_[:, "valid_loss"]
        best = clf.history_[clf.best_epoch_ - 1]
        expected = max(range(len(scores)), key=lambda i: (scores[i], -losses[i]))
        assert clf.best_epoch_ == expected + 1
        assert clf.score(X[24:], y[24:]) == best["valid_accuracy"]
        assert log_loss(y[24:], clf.predict_proba(X[24:])) == pytest.approx(
            best["valid_loss"], rel=1e-4
        )
        assert len(set(losses)) > 1

    @pytest.mark.parametrize("best_epoch", [1, 2, 4])
    def test_predictions_are_those_of_the_best_epoch(self, make, small, best_epoch):
        """A fit that ends after the best epoch gives the same model."""
        X, y = small
        if "refine_epochs" in make().get_params():
            pytest.skip("the epochs of two phases cannot be cut off like this")
        valid = {"X_val": X[24:], "y_val": y[24:]}
        scores = iter([float(epoch == best_epoch) for epoch in range(1, 5)])
        options = {"lr_schedule": None, "scoring": lambda *args: next(scores, 0.0)}
        clf = make(early_stopping=True, max_epochs=4, **options).fit(X[:24], y[:24], **valid)
        assert (clf.best_epoch_, clf.n_iter_) == (best_epoch, 4)
        short = make(max_epochs=best_epoch, **options).fit(X[:24], y[:24], **valid)
        assert_array_equal(clf.predict_proba(X), short.predict_proba(X))

    def test_ties_go_to_the_lower_loss_and_training_stops(self, make_mlp, small):
        clf = make_mlp(
            early_stopping=True,
            validation_fraction=0.25,
            max_epochs=20,
            n_iter_no_change=3,
            scoring=lambda estimator, X, y: 0.5,
        ).fit(*small)
        assert clf.n_iter_ == 1 + 3
        assert clf.history_[:, "valid_score"] == [0.5] * 4
        assert clf.best_epoch_ == 1 + int(np.argmin(clf.history_[:, "valid_loss"]))

    @pytest.mark.parametrize(("tol", "n_epochs"), [(0.5, 3), (1e-4, 6)])
    def test_tol(self, make_mlp, small, tol, n_epochs):
        scores = iter([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
        clf = make_mlp(
            early_stopping=True,
            validation_fraction=0.25,
            max_epochs=6,
            n_iter_no_change=2,
            tol=tol,
            scoring=lambda estimator, X, y: next(scores),
        ).fit(*small)
        assert clf.n_iter_ == clf.best_epoch_ == n_epochs

    @pytest.mark.parametrize("scoring", ["neg_log_loss", "roc_auc_ovr", "balanced_accuracy"])
    def test_scorers_get_labels_and_probabilities(self, make, small, scoring):
        clf = make(early_stopping=True, validation_fraction=0.25, scoring=scoring).fit(*small)
        assert all(np.isfinite(clf.history_[:, f"valid_{scoring}"]))
        if scoring == "neg_log_loss":
            assert_allclose(
                clf.history_[:, "valid_neg_log_loss"],
                -np.array(clf.history_[:, "valid_loss"]),
                rtol=1e-4,
            )

    def test_callable_gets_the_users_labels(self, make, small):
        given = []

        def scorer(estimator, X, y):
            given.append((set(y), set(estimator.classes_), set(estimator.predict(X))))
            return f1_score(y, estimator.predict(X), average="macro")

        make(early_stopping=True, validation_fraction=0.25, scoring=scorer).fit(*small)
        names = set(small[1])
        assert given
        assert all(a == b == names and c <= names for a, b, c in given)

    def test_two_classes(self, make, skewed):
        clf = make(early_stopping=True, validation_fraction=0.3, scoring="roc_auc").fit(*skewed)
        assert 0 <= clf.history_[-1, "valid_roc_auc"] <= 1

    def test_score_that_is_not_a_number(self, make_mlp, small):
        clf = make_mlp(
            early_stopping=True, validation_fraction=0.25, scoring=lambda *args: float("nan")
        )
        with pytest.raises(ValueError, match="gave nan on the validation images"):
            clf.fit(*small)

    def test_too_few_images(self, make, small):
        X, y = small
        first = [np.flatnonzero(y == label)[0] for label in np.unique(y)]
        with pytest.raises(
            ValueError, match=r"(?s)validation_fraction=0.1.*platelet: 1.*X_val and"
        ):
            make(early_stopping=True).fit(X[first], y[first])

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (lambda X, y: {"X_val": X}, "X_val and y_val must be given together"),
            (lambda X, y: {"y_val": y}, "X_val and y_val must be given together"),
            (lambda X, y: {"X_val": X[:2], "y_val": ["platelet", "ig"]}, r"not among.*\['ig'\]"),
            (lambda X, y: {"X_val": X[:2], "y_val": y[:3]}, "inconsistent numbers of samples"),
            (lambda X, y: {"X_val": X[:, :8], "y_val": y}, r"\(8, 16, 3\).*\(16, 16, 3\)"),
        ],
        ids=["no y_val", "no X_val", "unknown label", "lengths", "size"],
    )
    def test_bad_validation_images(self, make, small, given, message):
        with pytest.raises(ValueError, match=message):
            make(early_stopping=True).fit(*small, **given(*small))

    def test_validation_images_may_lack_a_class(self, make, small):
        X, y = small
        keep = y != "platelet"
        X_val = 255 - X[keep]
        clf = make(early_stopping=True).fit(X, y, X_val=X_val, y_val=y[keep])
        assert clf.predict_proba(X).shape == (48, 3)


class TestWarmStart:
    def test_goes_on(self, make, small):
        X, y = small
        clf = make(warm_start=True, max_epochs=4, lr=5e-3).fit(X, y)
        first, losses = clf.net_.module_, clf.history_[:, "train_loss"]
        clf.fit(X, y)
        assert clf.net_.module_ is not first
        assert clf.history_[0, "train_loss"] < losses[0]
        cold = make(max_epochs=4, lr=5e-3).fit(X, y)
        assert not np.allclose(clf.predict_proba(X), cold.predict_proba(X))

    def test_starts_from_the_former_weights(self, make, small):
        """With a learning rate of nearly nothing, the former network is what remains."""
        X, y = small
        clf = make(warm_start=True).fit(X, y)
        before = clf.predict_proba(X)
        clf.set_params(lr=1e-12, weight_decay=0.0)
        for module in clf.net_.module_.modules():
            if isinstance(module, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
                module.momentum = 0.0
        assert_allclose(clf.fit(X, y).predict_proba(X), before, atol=1e-5)

    @pytest.mark.parametrize("what", ["classes", "shape"])
    def test_other_data(self, make, small, large, what):
        X, y = small
        clf = make(warm_start=True).fit(X, y)
        before, attributes = clf.predict_proba(X), dict(vars(clf))
        other = (X, y == "platelet") if what == "classes" else large
        with pytest.raises(ValueError, match=r"warm_start=True goes on.*set warm_start=False"):
            clf.fit(*other)
        assert vars(clf) == attributes
        assert_array_equal(clf.predict_proba(X), before)


class TestFailingRefit:
    @pytest.mark.parametrize("warm_start", [True, False])
    @pytest.mark.parametrize("why", ["labels", "weight", "augment", "interrupt"])
    def test_leaves_the_model_as_it_was(self, make, small, why, warm_start):
        X, y = small
        clf = make(warm_start=warm_start).fit(X, y)
        before, attributes, state = clf.predict_proba(X), dict(vars(clf)), state_of(clf)
        params = {"augment": {"augment": broken}, "interrupt": {"callbacks": [Interrupt(2)]}}
        clf.set_params(**params.get(why, {}))
        attributes |= params.get(why, {})
        arguments = {"labels": (X, y[:-1]), "weight": (X, y, -np.ones(48))}.get(why, (X, y))
        if why == "augment" and clf.augment is broken:
            raises = pytest.raises(ZeroDivisionError)
        else:
            raises = pytest.raises(KeyboardInterrupt if why == "interrupt" else ValueError)
        with raises:
            clf.fit(*arguments)
        assert vars(clf) == attributes
        assert_array_equal(clf.predict_proba(X), before)
        assert all(torch.equal(state[name], now) for name, now in state_of(clf).items())

    def test_interrupted_first_fit_leaves_it_unfitted(self, make, small):
        clf = make(callbacks=[Interrupt(1)])
        with pytest.raises(KeyboardInterrupt):
            clf.fit(*small)
        assert vars(clf).keys() == clf.get_params().keys()

    def test_interrupted_partial_fit(self, make, small):
        X, y = small
        clf = make(callbacks=[Interrupt(2)]).partial_fit(X, y, classes=np.unique(y))
        before, n_epochs = clf.predict_proba(X), len(clf.history_)
        with pytest.raises(KeyboardInterrupt):
            clf.partial_fit(X, y)
        assert len(clf.history_) == clf.n_iter_ == n_epochs
        assert_array_equal(clf.predict_proba(X), before)


def broken(images):
    raise ZeroDivisionError


class TestPartialFit:
    def test_grows_and_learns(self, make_mlp, small):
        X, y = small
        clf = make_mlp(augment=None, dropout=0).partial_fit(X, y, classes=np.unique(y))
        n_batches = clf.history_[0]["train_batch_count"]
        for n in range(2, 12):
            clf.partial_fit(X, y)
            assert clf.n_iter_ == clf.best_epoch_ == len(clf.history_) == n
        # The optimizer lives on, and it is this network's.
        optimizer, network = clf.net_.optimizer_, clf.net_.module_
        assert {int(s["step"]) for s in optimizer.state.values()} == {11 * n_batches}
        trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
        assert trained == {id(p) for p in network.parameters()}
        losses = clf.history_[:, "train_loss"]
        assert losses[-1] < 0.7 * losses[0]

    def test_part_of_the_classes(self, make, small):
        X, y = small
        clf = make()
        for label in np.unique(y):
            clf.partial_fit(X[y == label], y[y == label], classes=np.unique(y))
        assert clf.predict_proba(X).shape == (48, 3)
        assert clf.n_iter_ == 3

    def test_after_fit(self, make, small):
        X, y = small
        clf = make().fit(X, y)
        before, n = clf.predict_proba(X), clf.n_iter_
        clf.partial_fit(X[:10], y[:10])
        assert clf.n_iter_ == len(clf.history_) == n + 1
        assert not np.allclose(clf.predict_proba(X), before)
        assert clf.fit(X, y).n_iter_ == n
        assert_array_equal(clf.predict_proba(X), before)

    def test_sample_weight(self, make, small):
        X, y = small
        weight = np.arange(48) % 3
        weighted, repeated = make(), make()
        weighted.partial_fit(X, y, classes=np.unique(y), sample_weight=weight)
        repeated.partial_fit(np.repeat(X, weight, 0), np.repeat(y, weight), classes=np.unique(y))
        assert_array_equal(weighted.predict_proba(X), repeated.predict_proba(X))

    def test_errors(self, make, small):
        X, y = small
        clf = make()
        with pytest.raises(ValueError, match="classes must be given in the first call"):
            clf.partial_fit(X, y)
        clf.partial_fit(X, y, classes=np.unique(y))
        before = clf.predict_proba(X)
        with pytest.raises(ValueError, match=r"not among the classes.*'ig'"):
            clf.partial_fit(X[:2], ["platelet", "ig"])
        with pytest.raises(ValueError, match=r"\['a', 'b'\] differ from those of the first call"):
            clf.partial_fit(X, y, classes=["a", "b"])
        with pytest.raises(ValueError, match=r"\(8, 16, 3\).*\(16, 16, 3\)"):
            clf.partial_fit(X[:, :8], y)
        with pytest.raises(ValueError, match=r"class_weight='balanced'.*as a dict"):
            make(class_weight="balanced").partial_fit(X, y, classes=np.unique(y))
        assert clf.n_iter_ == 1
        assert_array_equal(clf.predict_proba(X), before)


class TestAugment:
    def test_callable_sees_each_training_batch(self, make_transfer, small):
        given = []

        def augment(images):
            given.append(
                (tuple(images.shape), images.dtype, float(images.min()), float(images.max()))
            )
            return images

        X, y = small
        clf = make_transfer(augment=augment).fit(X, y, X_val=255 - X, y_val=y)
        assert [shape for shape, *_ in given] == [(16, 3, 16, 16)] * 6
        assert all(d is torch.float32 and low >= 0 and high <= 1 for _, d, low, high in given)
        plain = make_transfer(augment=None).fit(X, y)
        assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))

    def test_cells_is_the_default_augmentation(self, make, small):
        X, y = small
        by_name = make(augment="cells").fit(X, y).predict_proba(X)
        assert_array_equal(make(augment=CellAugment()).fit(X, y).predict_proba(X), by_name)
        assert not np.allclose(make(augment=None).fit(X, y).predict_proba(X), by_name)

    def test_rows_of_numbers_are_not_changed(self, make, rng):
        rows, y = rng.normal(size=(30, 12)), np.arange(30) % 3
        fits = [
            make(augment=augment, image_shape=(1, -1, 1)).fit(rows, y).predict_proba(rows)
            for augment in ("cells", None)
        ]
        assert_array_equal(*fits)


class TestCallbacks:
    def test_sees_each_epoch(self, make, small):
        lengths = []
        clf = make(callbacks=[Watch(lambda net: lengths.append(len(net.history)))]).fit(*small)
        assert lengths == list(range(1, clf.n_iter_ + 1))

    def test_skorch_early_stopping_ends_quietly(self, make_mlp, small, capsys):
        stop = EarlyStopping(monitor="train_loss", patience=2, threshold=10.0)
        clf = make_mlp(callbacks=[stop], max_epochs=20).fit(*small)
        assert clf.n_iter_ == 3
        assert clf.score(*small) > 0
        assert capsys.readouterr().out == ""

    def test_with_our_early_stopping(self, make_mlp, small):
        stop = EarlyStopping(monitor="valid_loss", patience=1, threshold=10.0)
        clf = make_mlp(
            callbacks=[("mine", stop)], early_stopping=True, validation_fraction=0.25, max_epochs=9
        ).fit(*small)
        assert clf.n_iter_ == 2
        assert clf.best_epoch_ in (1, 2)


class TestVerbose:
    def test_silent_by_default(self, make, small, capsys):
        make().fit(*small)
        assert capsys.readouterr() == ("", "")

    def test_bar_with_time_left(self, make, small, capsys):
        make(verbose=1, max_epochs=3).fit(*small, X_val=255 - small[0], y_val=small[1])
        shown = capsys.readouterr().err
        assert "epoch 3/3" in shown
        assert "9/9" in shown  # batches
        assert "<00:00" in shown  # the time left
        assert "train_loss=" in shown
        assert "valid_f1_macro=" in shown

    def test_lines_for_a_log(self, make, small, capsys):
        make(verbose=2, max_epochs=3).fit(*small, X_val=255 - small[0], y_val=small[1])
        out, err = capsys.readouterr()
        assert out == ""
        assert "\r" not in err
        first = err.splitlines()[:3]  # a second phase counts its own
        assert [line.split(":")[0] for line in first] == [f"epoch {i}/3" for i in (1, 2, 3)]
        assert all(": train_loss " in line and ", valid_f1_macro " in line for line in first)

    def test_each_phase_counts_its_own_epochs(self, make_hybrid, small, capsys):
        make_hybrid(verbose=1, max_epochs=4, refine_epochs=3).fit(*small)
        shown = capsys.readouterr().err
        assert "epoch 4/4" in shown
        assert "epoch 3/3" in shown
        assert "epoch 5/" not in shown


@pytest.fixture
def forwards(monkeypatch):
    """Return a list to which each forward pass of a backbone appends its number of images."""
    counts = []
    original = Backbone.forward

    def forward(self, x):
        counts.append(len(x))
        return original(self, x)

    monkeypatch.setattr(Backbone, "forward", forward)
    return counts


class TestTrainable:
    # The first forward pass is of one blank image, to learn the number of features.
    def test_head_sees_each_image_once(self, make_transfer, small, forwards):
        X, y = small
        make_transfer(trainable="head", weights=None, max_epochs=9).fit(X, y)
        assert forwards == [1, 64]  # 48 images, filled up

    def test_head_sees_each_validation_image_once(self, make_transfer, small, forwards):
        X, y = small
        clf = make_transfer(trainable="head", weights=None, max_epochs=5)
        clf.fit(X[:32], y[:32], X_val=X[32:], y_val=y[32:])
        assert forwards == [1, 64, 64]

    def test_all_sees_each_image_in_each_epoch(self, make_transfer, small, forwards):
        make_transfer(max_epochs=3).fit(*small)
        assert sum(forwards) - 1 == 3 * 48

    def test_head_leaves_the_backbone(self, make_transfer, small):
        states = [
            make_transfer(trainable="head", max_epochs=n, lr=0.01).fit(*small).net_.module_
            for n in (1, 4)
        ]
        first, second = (module.backbones.state_dict() for module in states)
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert not torch.equal(states[0].head[-1].weight, states[1].head[-1].weight)

    @pytest.mark.parametrize("trainable", [1, 2, 4])
    def test_last_stages(self, make_transfer, small, trainable):
        clf = make_transfer(trainable=trainable, lr=0.01, weight_decay=0.0).fit(*small)
        start = make_transfer(trainable="head").fit(*small).net_.module_.backbones[0].body
        before, after = start.state_dict(), clf.net_.module_.backbones[0].body.state_dict()
        stages = ["stem", "stages.0", "stages.1", "stages.2"]
        changed = [
            any(not torch.equal(before[k], after[k]) for k in before if k.startswith(stage))
            for stage in stages
        ]
        assert changed == [i >= 4 - trainable for i in range(4)]

    def test_too_many_stages(self, make_transfer, small):
        with pytest.raises(ValueError, match="trainable=5, but backbone 'cellnet_t' has 4 stages"):
            make_transfer(trainable=5).fit(*small)

    def test_hidden_layers(self, make, small):
        head = make(hidden_layer_sizes=(12, 5), dropout=0.25).fit(*small).net_.module_.head
        linear = [m.out_features for m in head if isinstance(m, torch.nn.Linear)]
        assert linear == [12, 5, 3]
        assert [m.p for m in head if isinstance(m, torch.nn.Dropout)] == [0.25, 0.25]

    def test_no_hidden_layer(self, make, small):
        head = make(hidden_layer_sizes=(), dropout=0.25).fit(*small).net_.module_.head
        assert [type(m).__name__ for m in head] == ["Dropout", "OutputLayer"]

    def test_activation(self, make_mlp, small):
        head = make_mlp(activation="silu").fit(*small).net_.module_.head
        kinds = [type(module) for module in head.modules()]
        assert torch.nn.SiLU in kinds
        assert torch.nn.ReLU not in kinds


class TestDeviceAndPrecision:
    def test_precision(self, make, large):
        X, y = large
        full, low = (make(precision=p).fit(X, y).predict_proba(X) for p in ("float32", "bfloat16"))
        assert not np.array_equal(full, low)
        assert_allclose(low, full, atol=0.2)
        assert (
            make(precision="bfloat16").fit(X, y).net_.module_.head[-1].weight.dtype is torch.float32
        )

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
    def test_cuda_where_there_is_none(self, make, small):
        with pytest.raises(
            ValueError, match=r"device='cuda' is not available.*use 'auto' or one of"
        ):
            make(device="cuda").fit(*small)

    def test_a_fitted_model_does_not_change_device_in_silence(self, make, small):
        clf = make().fit(*small).set_params(device="cuda:99")
        with pytest.raises(ValueError, match="device='cuda:99' is not available"):
            clf.predict(small[0])

    @pytest.mark.parametrize("device", ["gpu", "tpu", ""])
    def test_unknown_device(self, make, small, device):
        with pytest.raises(ValueError, match=f"device='{device}' is not known; use 'auto'"):
            make(device=device).fit(*small)


class TestHybrid:
    @pytest.fixture
    def optimizers(self, monkeypatch):
        made = []
        original = TrainingNet.initialize_optimizer

        def initialize_optimizer(self, *args, **kwargs):
            result = original(self, *args, **kwargs)
            made.append(self.optimizer_)
            return result

        monkeypatch.setattr(TrainingNet, "initialize_optimizer", initialize_optimizer)
        return made

    @pytest.mark.parametrize(("refine_epochs", "n_phases"), [(0, 1), (1, 2), (3, 2)])
    @pytest.mark.parametrize("schedule", ["onecycle", "cosine", None])
    def test_phases(self, make_hybrid, small, optimizers, refine_epochs, n_phases, schedule):
        clf = make_hybrid(refine_epochs=refine_epochs, lr_schedule=schedule).fit(*small)
        assert clf.n_iter_ == len(clf.history_) == 2 + refine_epochs
        assert len({id(optimizer) for optimizer in optimizers}) == n_phases
        assert clf.net_.optimizer_ is optimizers[-1]

    def test_schedule_begins_anew(self, make_hybrid, small):
        rates = batch_rates(make_hybrid(refine_epochs=2).fit(*small))
        assert rates[:6] == pytest.approx(rates[6:])

    def test_second_phase_goes_on_from_the_first(self, make_hybrid, small):
        clf = make_hybrid(max_epochs=6, refine_epochs=1, lr=5e-3, dropout=0).fit(*small)
        losses = clf.history_[:, "train_loss"]
        assert losses[6] < losses[0]
        single = make_hybrid(max_epochs=6, refine_epochs=0, lr=5e-3, dropout=0).fit(*small)
        assert single.history_[:, "train_loss"] == losses[:6]

    def test_best_epoch_is_of_both_phases(self, make_hybrid, small):
        scores = iter([0.1, 0.9, 0.5, 0.2])
        clf = make_hybrid(
            refine_epochs=2,
            early_stopping=True,
            validation_fraction=0.25,
            scoring=lambda *args: next(scores),
        ).fit(*small)
        assert clf.best_epoch_ == 2
        assert clf.n_iter_ == 4

    def test_features_are_concatenated(self, make_hybrid, small):
        clf = make_hybrid(backbones=["cellnet_t", "cellnet_t", "cellnet_t"]).fit(*small)
        assert clf.net_.module_.head[0].in_features == 3 * 48

    def test_trainable_for_each(self, make_hybrid, small):
        clf = make_hybrid(trainable=["head", "all"], lr=0.01).fit(*small)
        start = make_hybrid(trainable="head", lr=0.01).fit(*small)
        for i, same in enumerate([True, False]):
            before, after = (c.net_.module_.backbones[i].body.state_dict() for c in (start, clf))
            assert all(torch.equal(before[k], after[k]) for k in before) == same

    def test_weights_for_each(self, make_hybrid, make_transfer, small, tmp_path):
        body = make_transfer().fit(*small).net_.module_.backbones[0].body
        file = tmp_path / "cellnet_t.pth"
        torch.save(body.state_dict(), file)
        clf = make_hybrid(weights=[None, file], trainable="head").fit(*small)
        loaded = [
            all(
                torch.equal(tensor, body.state_dict()[name])
                for name, tensor in backbone.body.state_dict().items()
            )
            for backbone in clf.net_.module_.backbones
        ]
        assert loaded == [False, True]

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"backbones": ("cellnet_t",)}, "two or more names.*use TransferCellClassifier"),
            ({"backbones": ()}, "two or more names"),
            ({"weights": [None]}, "weights=.* has 1 entries for 2 backbones; give one for all"),
            ({"trainable": ["all"] * 3}, "trainable=.* has 3 entries for 2 backbones"),
            ({"backbones": ("cellnet_t", "cellnet_x")}, "backbone='cellnet_x' is no.*Did you mean"),
        ],
        ids=["one", "none", "weights", "trainable", "name"],
    )
    def test_errors(self, make_hybrid, small, params, message):
        with pytest.raises(ValueError, match=message):
            make_hybrid(**params).fit(*small)

    @pytest.mark.parametrize("entry", ["tail", 0, -1, 1.5])
    def test_bad_entry_of_trainable(self, make_hybrid, small, entry):
        with pytest.raises(ValueError, match="trainable"):
            make_hybrid(trainable=["all", entry]).fit(*small)


class TestCompile:
    """Whether compiled code is right is for torch to test; a test of ours would take minutes."""

    @pytest.fixture
    def compiled(self, monkeypatch):
        """Return a list of the networks compiled, whose calls are then counted, not compiled."""
        networks = []

        def compile_in_place(network):
            network.calls = 0
            networks.append(network)

            def call(*args):
                network.calls += 1
                return network.forward(*args)

            network._compiled_call_impl = call

        monkeypatch.setattr(CellNetwork, "compile", compile_in_place)
        return networks

    def test_training_is_compiled_and_prediction_is_not(self, make_mlp, small, compiled):
        X, y = small
        valid = {"X_val": 255 - X, "y_val": y}
        clf = make_mlp(compile=True).fit(X, y, **valid)
        assert [network.calls for network in compiled] == [2 * 3]
        predicted = clf.predict_proba(X)
        assert compiled[0].calls == 2 * 3
        assert np.array_equal(predicted, make_mlp().fit(X, y, **valid).predict_proba(X))

    def test_off_by_default(self, make_mlp, small, compiled):
        make_mlp().fit(*small)
        assert compiled == []

    def test_copy_is_not_compiled(self, make_mlp, small, compiled):
        clf = make_mlp(compile=True).fit(*small)
        copied = pickle.loads(pickle.dumps(clf))
        assert copied.net_.module_._compiled_call_impl is None
