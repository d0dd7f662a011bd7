"""What each parameter of training does."""

from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.utils._param_validation import InvalidParameterError
from skorch.callbacks import Callback, EarlyStopping

from skblood.training import OPTIMIZERS, InGivenOrder

# For each parameter, a value that is not allowed.
BAD = {
    "activation": "swish",
    "augment": "flips",
    "backbone": 18,
    "backbones": "cellnet_t",
    "batch_size": 1,
    "callbacks": EarlyStopping(),
    "class_weight": "even",
    "crop": 0,
    "device": 0,
    "dropout": 1.0,
    "early_stopping": 0,
    "hidden_layer_sizes": 100,
    "image_shape": 5,
    "image_size": 0,
    "interpolation": "lanczos",
    "label_smoothing": 1.0,
    "loss": "hinge",
    "lr": 0.0,
    "lr_schedule": "step",
    "max_epochs": 1.5,
    "memory": 1,
    "optimizer": "lion",
    "precision": "float16",
    "pretrain_epochs": 0,
    "pretrain_lr": 0,
    "projection_dim": 0,
    "random_state": "zero",
    "refine_epochs": -1,
    "scoring": "acc",
    "standardize": "batch",
    "temperature": 0,
    "trainable": "tail",
    "validation_fraction": 1.0,
    "verbose": -1,
    "warm_start": 2,
    "weight_decay": -0.1,
    "weights": 1,
}


def batch_rates(clf):
    """Return the learning rate of each training batch."""
    return [rate for epoch in clf.history_[:, "batches", :, "lr"] for rate in epoch]


def test_every_parameter_is_checked(make_any, small):
    for name in make_any().get_params():
        with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of "):
            make_any(**{name: BAD[name]}).fit(*small)
        if hasattr(make_any(), "partial_fit") and name in ("lr", "class_weight"):
            with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of "):
                make_any(**{name: BAD[name]}).partial_fit(*small, classes=np.unique(small[1]))


class TestOptimizerAndRate:
    @pytest.mark.parametrize(
        "optimizer", [*OPTIMIZERS, torch.optim.NAdam, partial(torch.optim.SGD, momentum=0.5)]
    )
    def test_each_learns(self, make_mlp, small, optimizer):
        options = {"lr": 3e-3, "max_epochs": 8, "dropout": 0, "augment": None}
        clf = make_mlp(optimizer=optimizer, **options).fit(*small)
        losses = clf.history_[:, "train_loss"]
        assert losses[-1] < 0.8 * losses[0]
        kind = OPTIMIZERS.get(optimizer, optimizer) if isinstance(optimizer, str) else optimizer
        assert type(clf.net_.optimizer_) is getattr(kind, "func", kind)

    def test_one_batch_has_the_rate_asked_for(self, make, make_contrastive, small):
        for schedule in ("onecycle", "cosine", None):
            for n_epochs in (1, 3):
                options = {"batch_size": 64, "lr_schedule": schedule, "max_epochs": n_epochs}
                assert batch_rates(make(lr=0.01, **options).fit(*small)) == [0.01] * n_epochs
        clf = make_contrastive(batch_size=64, lr=0.01, pretrain_lr=0.02).fit(*small)
        assert batch_rates(clf) == [0.02, 0.01, 0.01]

    @pytest.mark.parametrize(
        ("params", "rate"),
        [({}, 3e-3), ({"weights": "file"}, 5e-4), ({"weights": "file", "trainable": "head"}, 3e-3)],
    )
    def test_auto(self, make_transfer, small, tmp_path, params, rate):
        if "weights" in params:
            body = make_transfer(max_epochs=1).fit(*small).net_.module_.backbones[0].body
            torch.save(body.state_dict(), tmp_path / "w.pth")
            params = {**params, "weights": tmp_path / "w.pth"}
        clf = make_transfer(lr_schedule=None, max_epochs=1, **params).fit(*small)
        assert batch_rates(clf)[0] == rate
        if params:
            assert clf.spec_.backbones[0].weights == "file:w.pth"


class TestLossAndClassWeight:
    def test_loss_and_smoothing(self, make_mlp, small):
        options = {"max_epochs": 15, "lr": 5e-3, "augment": None, "dropout": 0}
        plain, smooth = (make_mlp(label_smoothing=s, **options).fit(*small) for s in (0, 0.5))
        confidence = [c.predict_proba(small[0]).max(axis=1).mean() for c in (plain, smooth)]
        assert confidence[1] < confidence[0] - 0.1
        focal = make_mlp(loss="focal", **options).fit(*small)
        assert 0 < focal.history_[0, "train_loss"] < plain.history_[0, "train_loss"]

    def test_equivalents(self, make, skewed):
        X, y = skewed
        counts = dict(zip(*np.unique(y, return_counts=True), strict=True))
        balanced = {label: len(y) / (2 * n) for label, n in counts.items()}
        codes = np.where(y == "platelet", 7, 3)
        weight = np.where(y == "platelet", 0.25, 1)
        pairs = [
            ({"class_weight": "balanced"}, {"class_weight": balanced}, y, None),
            ({"class_weight": {"platelet": 4.0}}, {"class_weight": {7: 4.0}}, codes, None),
            ({"class_weight": {"platelet": 0.25}}, {}, y, weight),
        ]
        for one, other, labels, sample_weight in pairs:
            expected = make(**one).fit(X, y).predict_proba(X)
            found = make(**other).fit(X, labels, sample_weight).predict_proba(X)
            assert_array_equal(found, expected)
        with pytest.raises(ValueError, match="not in class_weight"):
            make(class_weight={"no such class": 2}).fit(X, y)


class TestAugment:
    def test_callable_sees_each_training_batch(self, make_transfer, small):
        given = []

        def augment(images):
            given.append(
                (tuple(images.shape), images.dtype, 0 <= images.min() <= images.max() <= 1)
            )
            return images

        X, y = small
        clf = make_transfer(augment=augment).fit(X, y, X_val=255 - X, y_val=y)
        assert given == [((16, 3, 16, 16), torch.float32, True)] * 6
        plain = make_transfer(augment=None).fit(X, y)
        assert_array_equal(clf.predict_proba(X), plain.predict_proba(X))


class Notes(Callback):
    """Note the number of epochs, and the images of each training batch."""

    def __init__(self):
        self.lengths, self.batches = [], []

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        if training and batch[0].ndim == 4:
            self.batches.append(batch[0].permute(0, 2, 3, 1).numpy().copy())

    def on_epoch_end(self, net, **kwargs):
        self.lengths.append(len(net.history))

    def __deepcopy__(self, memo):
        return self  # callbacks are copied, and the notes would be lost


class TestCallbacks:
    def test_skorch_early_stopping_ends_quietly(self, make_mlp, small, capsys):
        stop = EarlyStopping(monitor="train_loss", patience=2, threshold=10.0)
        clf = make_mlp(callbacks=[stop], max_epochs=20).fit(*small)
        assert clf.n_iter_ == 3
        assert capsys.readouterr().out == ""
        stop = EarlyStopping(monitor="valid_loss", patience=1, threshold=10.0)
        options = {"early_stopping": True, "validation_fraction": 0.25, "max_epochs": 9}
        clf = make_mlp(callbacks=[("mine", stop)], **options).fit(*small)
        assert clf.n_iter_ == 2

    def test_in_given_order(self, make, make_contrastive, small):
        X, y = small[0][::-1], small[1][::-1]
        for construct in (make, make_contrastive):
            notes = Notes()
            options = {"callbacks": [InGivenOrder(), notes], "augment": None}
            first = construct(**options).fit(X, y).predict_proba(X)
            seen = np.concatenate(notes.batches)  # in each epoch that the images pass the network
            assert len(seen) >= 48
            assert all(
                np.allclose(255 * seen[i : i + 48], X) or np.array_equal(seen[i : i + 48], X)
                for i in range(0, len(seen), 48)
            )
            options["callbacks"] = [InGivenOrder()]
            assert_array_equal(construct(**options).fit(X, y).predict_proba(X), first)
            assert not np.allclose(construct(**options).fit(*small).predict_proba(X), first)


class TestVerbose:
    def test_bar_and_lines(self, make_mlp, small, capsys):
        valid = {"X_val": 255 - small[0], "y_val": small[1]}
        make_mlp(verbose=1, max_epochs=3).fit(*small, **valid)
        shown = capsys.readouterr().err
        parts = ["epoch 3/3", "9/9", "<00:00", "train_loss=", "valid_f1_macro="]
        assert not [part for part in parts if part not in shown]
        make_mlp(verbose=2, max_epochs=3).fit(*small, **valid)
        out, err = capsys.readouterr()
        assert out == ""
        assert "\r" not in err
        lines = err.splitlines()
        assert [line.split(":")[0] for line in lines] == [f"epoch {i}/3" for i in (1, 2, 3)]
        assert all(": train_loss " in line and ", valid_f1_macro " in line for line in lines)


class TestNetwork:
    def test_standardize_by_image(self, make_transfer, small):
        """Another lamp hardly counts."""
        X, y = small
        relit = (X * np.array([0.8, 0.7, 0.5]) + np.array([20, 10, 5])).round().astype(np.uint8)
        change = {}
        for standardize in ("image", "auto"):
            clf = make_transfer(standardize=standardize, max_epochs=4, lr=5e-3).fit(X, y)
            change[standardize] = np.abs(clf.predict_proba(relit) - clf.predict_proba(X)).max()
            assert clf.fit(X[..., 0], y).predict(X[..., 0]).shape == (48,)
        assert change["image"] < 0.3 * change["auto"]


class TestDeviceAndPrecision:
    def test_precision(self, make_transfer, large):
        X, y = large
        fits = [make_transfer(precision=p).fit(X, y) for p in ("float32", "bfloat16")]
        full, low = (clf.predict_proba(X) for clf in fits)
        assert not np.array_equal(full, low)
        np.testing.assert_allclose(low, full, atol=0.2)
        assert fits[1].net_.module_.head[-1].weight.dtype is torch.float32

    @pytest.mark.parametrize(
        ("device", "message"),
        [
            ("cuda:99", "is not available.*use 'auto' or one of"),
            ("tpu", "is not available.*use 'auto'"),
        ],
    )
    def test_absent_device(self, make_any, small, device, message):
        model = make_any(device=device)
        with pytest.raises(ValueError, match=f"device='{device}' {message}"):
            model.fit(*small)
        assert vars(model).keys() == model.get_params().keys()
