"""The file of a training's state: what it holds, when it counts, and that it is noticed broken."""

import hashlib
import math
from contextlib import suppress

import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from skblood.inference._random import generator_states, restore_generators
from skblood.networks import CellNetwork, hash_weights, make_head
from skblood.training import (
    OPTIMIZERS,
    BestEpoch,
    Checkpoint,
    LearningRateSchedule,
    ValidationScore,
)
from skblood.training._checkpoint import _read

CPU = torch.device("cpu")
N_EPOCHS, N_STEPS = 5, 5 * 3


class Stop(Callback):
    """Break a training off behind the checkpoint of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            raise ZeroDivisionError


@pytest.fixture
def file(tmp_path):
    return tmp_path / "state.checkpoint"


@pytest.fixture
def train(make_net, make_samples, file):
    """Return a function that trains a net, going on from the file if there is one."""

    def train(stop=None, file=file, seed=7, phase=0, **options):
        torch.manual_seed(seed)
        score = ValidationScore("accuracy", torch.arange(2).numpy())
        best, checkpoint = BestEpoch(score.name, 9, 0.0), Checkpoint(file, seed)
        callbacks = [LearningRateSchedule("onecycle", N_STEPS), score, best, checkpoint]
        net = make_net(callbacks=[*callbacks, Stop(stop)], **options)
        n_done = checkpoint.enter(phase, net.module_)
        with suppress(ZeroDivisionError):
            net.train_for(make_samples(), make_samples(16, seed=1), N_EPOCHS - n_done)
        return net

    return train


def weights_of(net):
    return nn.utils.parameters_to_vector(net.module_.parameters())


def rows_of(net):
    return [{k: v for k, v in row.items() if k != "dur"} for row in net.history]


class TestState:
    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    @pytest.mark.parametrize("epoch", range(1, N_EPOCHS + 1))
    def test_goes_on(self, train, optimizer, epoch):
        options = {"optimizer": OPTIMIZERS[optimizer]}
        expected = train(file=None, **options)
        broken = train(stop=epoch, **options)
        assert len(broken.history) == epoch
        found = train(**options)
        assert torch.equal(weights_of(found), weights_of(expected))
        assert rows_of(found) == rows_of(expected)

    def test_holds_plain_things(self, train, file):
        """Nothing of it is code, and the history keeps every digit."""
        net = train(stop=2)
        state = _read(file)
        assert (state["seed"], state["phase"], state["epoch"]) == (7, 0, 2)
        assert state["callbacks"].keys() == {
            "BestEpoch",
            "LearningRateSchedule",
            "train_loss",
            "valid_loss",
        }
        assert all(torch.is_tensor(each) for each in state["network"].values())
        assert str(net.history[1]["train_loss"]) in state["history"]

    def test_seed_of_the_file(self, train, file):
        train(stop=1, seed=7)
        assert Checkpoint(file, 8).seed == 7
        assert Checkpoint(None, 8).seed == 8

    def test_without_a_file_nothing_happens(self, tmp_path, train):
        net = train(file=None)
        assert list(tmp_path.iterdir()) == []
        Checkpoint(None, 0).remove()
        assert Checkpoint(None, 0).enter(3, net.module_) == 0

    def test_remove(self, train, file):
        train()
        assert file.exists()
        Checkpoint(file, 0).remove()
        assert not file.exists()
        Checkpoint(file, 0).remove()


class TestEnter:
    class Backbone(nn.Module):
        frozen = False

        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Flatten(), nn.Linear(48, 6))

        def forward(self, x):
            return self.body(x)

    def network(self, seed, n_outputs=2):
        torch.manual_seed(seed)
        return CellNetwork([self.Backbone()], make_head(6, (), n_outputs, dropout=0.0))

    def test_phase_that_is_done_gives_its_backbones(self, train, file):
        """A later phase may have another head."""
        train(stop=2, network=self.network(0))
        trained = _read(file)["network"]
        checkpoint = Checkpoint(file, 0)
        checkpoint._state["phase"] = 1
        first = self.network(0)
        assert checkpoint.enter(0, first) == math.inf
        for name, tensor in first.backbones.state_dict().items():
            assert torch.equal(tensor, trained[f"backbones.{name}"])
        assert not torch.equal(first.head[-1].weight, trained["head.1.weight"])
        assert checkpoint.enter(1, first) == 2

    def test_another_start_is_another_training(self, train, file):
        train(stop=2, network=self.network(0))
        assert Checkpoint(file, 0).enter(0, self.network(0)) == 2
        assert Checkpoint(file, 0).enter(0, self.network(1)) == 0


class TestDamage:
    def test_every_part_of_the_file_is_watched(self, train, file):
        train(stop=1)
        content = file.read_bytes()
        step = len(content) // 40
        for position in [*range(0, len(content), step), len(content) - 1]:
            damaged = bytearray(content)
            damaged[position] ^= 4
            file.write_bytes(damaged)
            with pytest.warns(UserWarning, match="is damaged, so the training begins"):
                assert _read(file) is None
        file.write_bytes(content)
        assert _read(file)["epoch"] == 1

    @pytest.mark.parametrize("n_bytes", [0, 10, 32, 1000])
    def test_cut_off(self, train, file, n_bytes):
        train(stop=1)
        file.write_bytes(file.read_bytes()[:n_bytes])
        with pytest.warns(UserWarning, match="is damaged"):
            assert _read(file) is None


def test_hash_of_weights():
    def digest(module):
        hashed = hashlib.sha256()
        hash_weights(module, hashed)
        return hashed.hexdigest()

    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    first = digest(module)
    assert digest(module.to(memory_format=torch.channels_last)) == first
    with torch.no_grad():
        module[1].running_mean[2] += 1e-6
    assert digest(module) != first
    assert digest(nn.Linear(2, 2).double()) != digest(nn.Linear(2, 2))


class TestGenerators:
    def test_of_the_cpu(self):
        with torch.random.fork_rng(devices=[]):
            states = generator_states(CPU)
            first = torch.rand(3)
            restore_generators(states, CPU)
            assert torch.equal(torch.rand(3), first)
        assert states.keys() == {"cpu"}

    @pytest.mark.gpu
    def test_of_a_gpu(self):
        device = torch.device("cuda")
        with torch.random.fork_rng(devices=[device]):
            states = generator_states(device)
            first = torch.rand(3, device=device)
            restore_generators({name: state.clone() for name, state in states.items()}, device)
            assert torch.equal(torch.rand(3, device=device), first)
