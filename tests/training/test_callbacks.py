"""Score, best epoch, progress and schedule, each with as little of a net as it needs."""

from types import SimpleNamespace

import numpy as np
import pytest
from skorch.history import History
from torch import nn

from skblood.training._callbacks import (
    BestEpoch,
    StopTraining,
    make_schedule,
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


class TestSchedule:
    def rates(self, make_net, make_samples, schedule, n_epochs=5, **options):
        callback = make_schedule(schedule, 0.01, 3 * n_epochs)
        net = make_net(callbacks=[callback], lr=0.01, **options)
        net.train_for(make_samples(24), None, n_epochs)
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

    def test_cosine_and_constant(self, make_net, make_samples):
        rates = self.rates(make_net, make_samples, "cosine")
        expected = 0.01 * (1 + np.cos(np.pi * np.arange(15) / 15)) / 2
        assert rates == pytest.approx(expected, abs=1e-9)
        assert self.rates(make_net, make_samples, None).tolist() == [0.01] * 15

    @pytest.mark.parametrize("schedule", ["onecycle", "cosine"])
    def test_short_training_is_constant(self, make_net, make_samples, schedule):
        """A single step at a 25th of the rate would train nothing."""
        assert self.rates(make_net, make_samples, schedule, 3).tolist() == [0.01] * 9
        net = make_net(callbacks=[make_schedule(schedule, 0.01, 1)], batch_size=64)
        net.train_for(make_samples(), None, 1)
        assert net.history[0]["batches"][0]["lr"] == 0.01
