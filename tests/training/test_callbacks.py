"""Score, best epoch, progress and schedule, each with as little of a net as it needs."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss, roc_auc_score
from skorch.history import History
from torch import nn

from skblood.training import InGivenOrder
from skblood.training._callbacks import (
    BestEpoch,
    LearningRateSchedule,
    Progress,
    StopTraining,
    ValidationScore,
)


@pytest.fixture
def net():
    return SimpleNamespace(history=History(), module_=nn.Linear(1, 1, bias=False))


def train(net, callback, scores, losses=None):
    """Train epochs of given scores, after which the weight is the epoch's number."""
    callback.on_train_begin(net)
    try:
        for score, loss in zip(scores, losses or [1.0] * len(scores), strict=True):
            net.history.new_epoch()
            net.history.record("score", score)
            net.history.record("valid_loss", loss)
            nn.init.constant_(net.module_.weight, len(net.history))
            callback.on_epoch_end(net)
    except StopTraining:
        pass
    callback.on_train_end(net)
    return len(net.history)


class TestBestEpoch:
    @pytest.mark.parametrize(
        ("scores", "losses", "best"),
        [
            ([0.1, 0.5, 0.3], [1.0, 1.0, 0.1], 2),
            ([0.5, 0.5, 0.5], [1.0, 0.2, 0.3], 2),
            ([0.5, 0.5, 0.5], [1.0, 1.0, 1.0], 1),
            ([-3.0, -1.0, -2.0], [3.0, 1.0, 2.0], 2),
            ([0.5, 0.50001, 0.4], [0.1, 1.0, 1.0], 2),
            ([float("nan"), 0.0, float("nan")], [1.0, 1.0, 1.0], 2),
        ],
        ids=["score", "loss decides", "first of equals", "negative", "below tolerance", "nan"],
    )
    def test_best_epoch_is_restored(self, net, scores, losses, best):
        callback = BestEpoch("score", 10)
        train(net, callback, scores, losses)
        assert callback.best_epoch_ == best
        assert net.module_.weight.item() == best

    @pytest.mark.parametrize(("patience", "n_epochs"), [(1, 3), (2, 6), (3, 7), (9, 8)])
    def test_patience(self, net, patience, n_epochs):
        scores = [0.50, 0.55, 0.55005, 0.57, 0.57, 0.56, 0.57, 0.57]
        assert train(net, BestEpoch("score", patience), scores) == n_epochs

    def test_second_phase_must_beat_the_first(self, net):
        callback = BestEpoch("score", 2)
        assert train(net, callback, [0.5, 0.9, 0.8, 0.7, 1.0]) == 4
        assert train(net, callback, [0.6, 0.7, 1.0]) == 6  # patience is counted anew
        assert (callback.best_epoch_, net.module_.weight.item()) == (2, 2)
        train(net, callback, [0.6, 0.95, 0.7])
        assert (callback.best_epoch_, net.module_.weight.item()) == (8, 8)

    def test_pickle_leaves_the_weights_out(self, net):
        net.module_ = nn.Linear(1000, 1000)
        callback = BestEpoch("score", 2)
        callback.on_train_begin(net)
        net.history.new_epoch()
        net.history.record("score", 0.5)
        net.history.record("valid_loss", 0.5)
        callback.on_epoch_end(net)
        pickled = pickle.dumps(callback)
        assert len(pickled) < 2000
        assert pickle.loads(pickled).best_epoch_ == 1
        assert callback.best_state_ is not None


class TestValidationScore:
    CODES = np.array([0, 1, 2, 1, 0, 2, 2, 1])
    LOGITS = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)

    def score(self, net, scoring, labels, logits, codes):
        callback = ValidationScore(scoring, labels)
        for _ in range(2):  # the second epoch forgets the first
            net.history.new_epoch()
            callback.on_epoch_begin(net)
            target, width = (torch.zeros(3, dtype=torch.long), torch.ones(3)), logits.shape[1]
            batch = {"batch": (None, target), "y_pred": torch.zeros(3, width)}
            callback.on_batch_end(net, training=True, **batch)
            for part in np.array_split(np.arange(len(codes)), 3):
                target = (torch.as_tensor(codes[part]), torch.ones(len(part)))
                y_pred = torch.from_numpy(logits[part])
                callback.on_batch_end(net, batch=(None, target), training=False, y_pred=y_pred)
            callback.on_epoch_end(net)
        return net.history[-1][callback.name]

    @pytest.mark.parametrize("labels", [["a", "b", "c"], [10, 20, 30]], ids=["str", "int"])
    @pytest.mark.parametrize("scoring", ["accuracy", "f1_macro", "neg_log_loss", "roc_auc_ovr"])
    def test_is_what_scikit_learn_says(self, net, labels, scoring):
        labels = np.array(labels)
        truth, predicted = labels[self.CODES], labels[self.LOGITS.argmax(1)]
        p = torch.from_numpy(self.LOGITS).double().softmax(1).numpy()
        expected = {
            "accuracy": lambda: accuracy_score(truth, predicted),
            "f1_macro": lambda: f1_score(truth, predicted, average="macro"),
            "neg_log_loss": lambda: -log_loss(truth, p),
            "roc_auc_ovr": lambda: roc_auc_score(truth, p, multi_class="ovr"),
        }[scoring]()
        assert self.score(net, scoring, labels, self.LOGITS, self.CODES) == pytest.approx(expected)
        assert f"valid_{scoring}" in net.history[-1]

    def test_two_classes(self, net):
        logits, codes = self.LOGITS[:, :2], self.CODES % 2
        score = self.score(net, "roc_auc", np.array(["no", "yes"]), logits, codes)
        assert score == pytest.approx(roc_auc_score(codes, logits[:, 1] - logits[:, 0]))

    def test_callable_may_take_a_part_of_the_images(self, net):
        def accuracy_of_the_second_half(estimator, X, y):
            return accuracy_score(y[4:], estimator.predict(X[4:]))

        labels = np.array(["a", "b", "c"])
        score = self.score(net, accuracy_of_the_second_half, labels, self.LOGITS, self.CODES)
        assert score == np.mean(self.LOGITS.argmax(1)[4:] == self.CODES[4:])
        assert "valid_score" in net.history[-1]

    def test_score_that_is_not_a_number(self, net):
        with pytest.raises(ValueError, match="gave nan on the validation images"):
            labels = np.array(["a", "b", "c"])
            self.score(net, lambda *args: float("nan"), labels, self.LOGITS, self.CODES)


class TestLearningRateSchedule:
    def rates(self, make_net, make_samples, schedule, n_epochs=5, **options):
        callback = LearningRateSchedule(schedule, 3 * n_epochs)
        net = make_net(callbacks=[callback], lr=0.01, **options)
        net.train_for(make_samples(24), None, n_epochs)
        assert callback.scheduler_ is None
        return np.array([b["lr"] for epoch in net.history for b in epoch["batches"]])

    @pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
    def test_onecycle_goes_up_and_down(self, make_net, make_samples, optimizer):
        rates = self.rates(make_net, make_samples, "onecycle", optimizer=optimizer)
        top = rates.argmax()
        assert rates[top] == pytest.approx(0.01, rel=0.03)
        assert 0.2 < top / len(rates) < 0.4
        assert (np.diff(rates[: top + 1]) > 0).all()
        assert (np.diff(rates[top:]) < 0).all()
        assert rates[0] == pytest.approx(0.01 / 25)
        assert rates[-1] < 1e-6

    def test_momentum_is_not_cycled(self, make_net, make_samples):
        callback = LearningRateSchedule("onecycle", 15)
        net = make_net(callbacks=[callback], optimizer="sgd")
        net.train_for(make_samples(24), None, 2)
        assert {group["momentum"] for group in net.optimizer_.param_groups} == {0.9}

    def test_cosine_and_constant(self, make_net, make_samples):
        rates = self.rates(make_net, make_samples, "cosine")
        expected = 0.01 * (1 + np.cos(np.pi * np.arange(15) / 15)) / 2
        assert rates == pytest.approx(expected, abs=1e-9)
        assert self.rates(make_net, make_samples, None).tolist() == [0.01] * 15

    @pytest.mark.parametrize("schedule", ["onecycle", "cosine"])
    def test_short_training_is_constant(self, make_net, make_samples, schedule):
        """A single step at a 25th of the rate would train nothing."""
        assert self.rates(make_net, make_samples, schedule, 3).tolist() == [0.01] * 9
        net = make_net(callbacks=[LearningRateSchedule(schedule, 1)], batch_size=64)
        net.train_for(make_samples(), None, 1)
        assert net.history[0]["batches"][0]["lr"] == 0.01

    def test_second_phase_starts_anew(self, make_net, make_samples):
        first, second = (
            make_net(callbacks=[LearningRateSchedule("cosine", 12)], lr=0.01) for _ in range(2)
        )
        first.train_for(make_samples(), None, 4)
        second.history_ = first.history_
        second.train_for(make_samples(), None, 4)
        rates = [b["lr"] for epoch in second.history for b in epoch["batches"]]
        assert len(rates) == 24
        assert rates[:12] == rates[12:]


def test_in_given_order(make_net, make_samples):
    seen = []
    net = make_net(callbacks=[InGivenOrder()], augment=lambda x: seen.append(x.clone()) or x)
    samples = make_samples(24)
    samples.rows = samples.rows.flip(0)
    net.train_for(samples, None, 2)
    expected = samples.images.permute(0, 3, 1, 2) / 255
    for epoch in (seen[:3], seen[3:]):
        assert torch.allclose(torch.cat(epoch), expected)


class TestProgress:
    def test_bar(self, make_net, make_samples, capsys):
        net = make_net(callbacks=[Progress(2)])
        net.train_for(make_samples(24), make_samples(8, seed=1), 2)
        captured = capsys.readouterr()
        assert captured.out == ""
        last = captured.err.rstrip().split("\r")[-1]
        assert "epoch 2/2" in last
        assert "6/6" in last  # three batches an epoch; those that validate do not count
        for name in ("train_loss", "valid_loss"):
            assert f"{name}={net.history[-1][name]:.4g}" in last
        assert len(pickle.loads(pickle.dumps(net)).history) == 2

    def test_lines(self, make_net, make_samples, capsys):
        make_net(callbacks=[Progress(3, n_done=1, lines=True)]).train_for(make_samples(), None, 2)
        out, err = capsys.readouterr()
        assert out == ""
        assert [line.split(":")[0] for line in err.splitlines()] == ["epoch 2/3", "epoch 3/3"]
        assert ": train_loss " in err

    def test_closed_when_training_fails(self, make_net, make_samples, capsys):
        progress = Progress(1)
        net = make_net(callbacks=[progress], augment=lambda images: images[:, :1])
        with pytest.raises(RuntimeError):
            net.train_for(make_samples(), None, 1)
        assert not hasattr(progress, "bar_")
