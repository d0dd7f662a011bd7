"""The file of a training's state: what it holds, when it counts, and that damage is noticed."""

import math
from contextlib import suppress

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from skblood import TrainingCheckpoint
from skblood.networks import CellNetwork, make_head
from skblood.training._callbacks import BestEpoch, ValidationScore, make_schedule
from skblood.training._checkpoint import _read

N_EPOCHS, N_STEPS = 5, 5 * 3


class Stop(Callback):
    """End a training after the checkpoint of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise ZeroDivisionError


@pytest.fixture
def file(tmp_path):
    return tmp_path / "Some-key.checkpoint"


@pytest.fixture
def opened(tmp_path):
    """Return a function that opens the checkpoint of one fit."""

    def opened(seed=7):
        checkpoint = TrainingCheckpoint(tmp_path)
        checkpoint.seed = checkpoint.open("Some", "key", seed)
        return checkpoint

    return opened


@pytest.fixture
def train(make_net, make_samples, opened):
    """Return a function that trains a net, which resumes from the file if there is one."""

    def train(stop=None, checkpoint=None, **options):
        torch.manual_seed(7)
        score = ValidationScore("accuracy", np.arange(2))
        callbacks = [make_schedule("onecycle", 0.01, N_STEPS), score, BestEpoch(score.name, 9)]
        callbacks += [checkpoint] if checkpoint else []
        net = make_net(callbacks=[*callbacks, Stop(stop)], **options)
        n_done = checkpoint.enter(0, net.module_) if checkpoint else 0
        with suppress(ZeroDivisionError):
            net.train_for(make_samples(), make_samples(16, seed=1), N_EPOCHS - n_done)
        return net

    return train


class Backbone(nn.Module):
    frozen = False

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(48, 6))

    def forward(self, x):
        return self.body(x)


def two_parts(seed):
    torch.manual_seed(seed)
    return CellNetwork([Backbone()], make_head(6, (), 2, dropout=0.0))


def test_complete_phase_gives_its_backbones(train, opened, file):
    """A later phase may have another head."""
    train(2, opened(), network=two_parts(0))
    trained = _read(file)["network"]
    checkpoint, first = opened(), two_parts(0)
    checkpoint._state["phase"] = 1
    assert checkpoint.enter(0, first) == math.inf
    for name, tensor in first.backbones.state_dict().items():
        assert torch.equal(tensor, trained[f"backbones.{name}"])
    assert not torch.equal(first.head[-1].weight, trained["head.1.weight"])
    assert checkpoint.enter(1, first) == 2


def test_other_initial_weights_are_another_training(train, opened):
    train(2, opened(), network=two_parts(0))
    assert opened().enter(0, two_parts(0)) == 2
    assert opened().enter(0, two_parts(1)) == 0


def test_damage_is_noticed(train, opened, file):
    train(1, opened())
    content = file.read_bytes()
    for position in [*range(0, len(content), len(content) // 10), len(content) - 1]:
        damaged = bytearray(content)
        damaged[position] ^= 4
        file.write_bytes(damaged)
        with pytest.warns(UserWarning, match="is damaged, so the training starts anew"):
            assert _read(file) is None
    for n_bytes in (0, 10, 1000):
        file.write_bytes(content[:n_bytes])
        with pytest.warns(UserWarning, match="is damaged"):
            assert _read(file) is None


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        TrainingCheckpoint(tmp_path / "file").open("Some", "key", 0)
