"""TrainingNet: what is optimized, in which precision, and how training ends."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from skblood.augment import CellAugment
from skblood.networks import CellNetwork, create_backbone, make_head
from skblood.training import OPTIMIZERS, BestEpoch, ValidationScore


@pytest.fixture
def cellnet():
    """A function that makes a network with a cellnet_t for 4 x 4 images."""

    def make(trainable="all"):
        torch.manual_seed(0)
        shape = (4, 4, 3)
        body = create_backbone("cellnet_t", weights=None, trainable=trainable, image_shape=shape)
        return CellNetwork([body], make_head(body.num_features, (), 2, dropout=0.0))

    return make


class TestOptimizer:
    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_options(self, make_net, name):
        net = make_net(optimizer=OPTIMIZERS[name], lr=0.03, weight_decay=0.1, momentum=0.7)
        assert type(net.optimizer_) is OPTIMIZERS[name]
        assert {group["lr"] for group in net.optimizer_.param_groups} == {0.03}
        momenta = {group.get("momentum") for group in net.optimizer_.param_groups}
        assert momenta == ({0.7} if name in ("sgd", "rmsprop") else {None})

    @pytest.mark.parametrize("trainable", ["all", 1, "head"])
    def test_only_matrices_decay(self, make_net, cellnet, trainable):
        network = cellnet(trainable)
        net = make_net(network, weight_decay=0.1)
        decay, none = net.optimizer_.param_groups
        assert (decay["weight_decay"], none["weight_decay"]) == (0.1, 0.0)
        trained = [p for p in network.parameters() if p.requires_grad]
        assert {id(p) for p in decay["params"]} == {id(p) for p in trained if p.ndim > 1}
        assert {id(p) for p in none["params"]} == {id(p) for p in trained if p.ndim <= 1}
        assert len(decay["params"]) + len(none["params"]) == len(trained)

    def test_network_without_biases(self, make_net):
        network = make_net().module_
        network.head = nn.Linear(48, 2, bias=False)
        assert len(make_net(network).optimizer_.param_groups) == 1

    def test_frozen_part_is_not_changed(self, make_net, make_samples, cellnet):
        network = cellnet(1)
        before = {name: t.clone() for name, t in network.state_dict().items()}
        make_net(network, weight_decay=0.5).train_for(make_samples(), None, 2)
        changed = {n for n, t in network.state_dict().items() if not torch.equal(t, before[n])}
        trained = ("backbones.0.body.stages.2.", "head.")
        assert changed == {name for name in before if name.startswith(trained)}


def accuracy(net, samples):
    with torch.no_grad():
        images = samples.images.permute(0, 3, 1, 2)
        predicted = net.module_.eval()(net.module_.prepare(images)).argmax(1)
    return (predicted == samples.targets).float().mean().item()


class TestTraining:
    @pytest.mark.parametrize(
        ("optimizer", "lr"), [("adam", 0.01), ("adamw", 0.01), ("sgd", 0.02), ("rmsprop", 0.003)]
    )
    def test_learns(self, make_net, make_samples, optimizer, lr):
        net = make_net(optimizer=OPTIMIZERS[optimizer], lr=lr, momentum=0.5)
        net.train_for(make_samples(64), None, 30)
        assert accuracy(net, make_samples(64, seed=1)) >= 0.95
        assert net.history[-1]["train_loss"] < 0.5 * net.history[0]["train_loss"]

    def test_history(self, make_net, make_samples):
        score = ValidationScore("accuracy", np.array(["dark", "bright"]))
        net = make_net(callbacks=[score])
        net.train_for(make_samples(24), make_samples(10, seed=1), 3)
        assert [row["epoch"] for row in net.history] == [1, 2, 3]
        for row in net.history:
            assert {"train_loss", "valid_loss", "valid_accuracy", "dur"} <= row.keys()
            assert (row["train_batch_count"], row["valid_batch_count"]) == (3, 2)

    def test_losses_of_the_batches_are_in_the_history(self, make_net, make_samples):
        """As skorch's own callbacks, Checkpoint for one, expect them."""
        net = make_net(batch_size=8)
        net.train_for(make_samples(24), make_samples(12), 2)
        for row in net.history:
            train = [batch for batch in row["batches"] if "train_loss" in batch]
            valid = [batch for batch in row["batches"] if "valid_loss" in batch]
            assert [batch["train_batch_size"] for batch in train] == [8, 8, 8]
            assert [batch["valid_batch_size"] for batch in valid] == [6, 6]
            assert row["train_loss"] == pytest.approx(np.mean([b["train_loss"] for b in train]))
            assert row["valid_loss"] == pytest.approx(np.mean([b["valid_loss"] for b in valid]))
            assert isinstance(row["valid_loss_best"], bool)

    def test_weight_zero_is_as_good_as_absent(self, make_net, make_samples):
        """The loss does not see it; the order is kept, so that nothing else differs."""
        whole, part = make_samples(16), make_samples(16)
        whole.weights[8:] = 0
        whole.weights *= 2
        part.rows, part.targets, part.weights = part.rows[:8], part.targets[:8], part.weights[:8]
        nets = []
        for samples, batch_size in ((whole, 16), (part, 8)):
            net = make_net(batch_size=batch_size, iterator_train__shuffle=False)
            nets.append(net.train_for(samples, None, 3))
        losses = [[row["train_loss"] for row in net.history] for net in nets]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)

    @pytest.mark.parametrize("shuffle", [True, False])
    def test_shuffle_is_for_training_only(self, make_net, make_samples, shuffle):
        net, samples = make_net(iterator_train__shuffle=shuffle), make_samples(24)
        assert net.get_iterator(samples, training=True).shuffle is shuffle
        assert net.get_iterator(samples, training=False).shuffle is False

    @pytest.mark.parametrize("kind", ["function", "module"])
    def test_augmentation_is_for_training_only(self, make_net, make_samples, kind):
        seen = []

        class Recorder(nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = nn.Parameter(torch.ones(1))

            def forward(self, images):
                seen.append((len(images), images.dtype, images.max() <= 1))
                return images

        augment = Recorder() if kind == "module" else Recorder().forward
        net = make_net(augment=augment)
        net.train_for(make_samples(16), make_samples(6), 1)
        assert seen == [(8, torch.float32, True)] * 2
        optimized = [p for group in net.optimizer_.param_groups for p in group["params"]]
        assert {id(p) for p in optimized} == {id(p) for p in net.module_.parameters()}

    def test_features_are_not_augmented(self, make_net, make_samples):
        samples = make_samples(16)
        samples.images = torch.rand(16, 48)
        net = make_net(augment=CellAugment())
        net.train_for(samples, None, 1)
        assert len(net.history) == 1

    def test_bfloat16(self, make_net, make_samples, cellnet):
        network, dtypes = cellnet(), []
        for layer in (network.head[0], network.head):
            layer.register_forward_hook(lambda *args: dtypes.append(args[2].dtype))
        net = make_net(network, autocast_dtype=torch.bfloat16)
        net.train_for(make_samples(32), make_samples(8), 5)
        hidden, logits = torch.bfloat16, torch.float32
        assert dtypes == [hidden, logits] * 5 * 5
        assert {p.dtype for p in network.parameters()} == {torch.float32}
        assert net.history[-1]["train_loss"] < 0.5 * net.history[0]["train_loss"]

    def test_mode_changes_with_the_step(self, make_net, make_samples, cellnet):
        network, modes = cellnet(), []
        network.head.register_forward_hook(lambda head, *args: modes.append(head.training))
        make_net(network).train_for(make_samples(8), make_samples(8), 2)
        assert modes == [True, False] * 2


class Ends(Callback):
    def __init__(self, error, ended):
        self.error, self.ended = error, ended

    def on_epoch_end(self, net, **kwargs):
        if self.error is not None and len(net.history) == 2:
            raise self.error

    def on_train_end(self, net, **kwargs):
        self.ended.append(len(net.history))


def hopeless(patience=1):
    """A callback that stops: no improvement is large enough for it."""
    options = {"threshold": 100, "threshold_mode": "abs", "sink": lambda text: None}
    return EarlyStopping(monitor="train_loss", patience=patience, **options)


class TestEnd:
    @pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
    @pytest.mark.parametrize("others", [[], [hopeless(5)]], ids=["alone", "beside EarlyStopping"])
    def test_what_a_callback_raises_is_raised(self, make_net, make_samples, error, others):
        ended = []
        net = make_net(callbacks=[Ends(error, ended), *others])
        with pytest.raises(error):
            net.train_for(make_samples(), None, 5)
        assert ended == [2]

    def test_skorchs_early_stopping_ends_quietly(self, make_net, make_samples):
        ended = []
        net = make_net(callbacks=[Ends(None, ended), hopeless(3)])
        assert net.train_for(make_samples(), None, 9) is net
        assert ended == [len(net.history)] == [4]

    def test_interrupt_after_an_early_stop_is_raised(self, make_net, make_samples):
        """Stopping once does not swallow Ctrl-C ever after."""
        ended = []
        net = make_net(callbacks=[hopeless(1), Ends(KeyboardInterrupt, ended)])
        net.train_for(make_samples(), None, 1)
        with pytest.raises(KeyboardInterrupt):
            net.train_for(make_samples(), None, 1)

    def test_our_own_early_stopping_restores_the_best(self, make_net, make_samples):
        class Spoil(Callback):
            """The third epoch and those after it are bad."""

            def on_batch_begin(self, net, training=None, **kwargs):
                if not training and len(net.history) > 2:
                    nn.init.zeros_(net.module_.head[-1].weight)

        valid = make_samples(16, seed=1)
        score = ValidationScore("accuracy", np.array([0, 1]))
        best = BestEpoch(score.name, 3, 1e-4)
        net = make_net(callbacks=[score, Spoil(), best], lr=0.05)
        net.train_for(make_samples(64), valid, 50)
        assert best.best_epoch_ in (1, 2)
        assert len(net.history) < 10
        assert accuracy(net, valid) == net.history[best.best_epoch_ - 1]["valid_accuracy"] > 0.5
