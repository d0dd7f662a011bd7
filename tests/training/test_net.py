"""TrainingNet: what is optimized, in which precision, and how training ends."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from skblood import NonFiniteLossError, TrainingInterrupted
from skblood.networks import CellNetwork, create_backbone, make_head
from skblood.training import OPTIMIZERS
from skblood.training._callbacks import BestEpoch, ValidationScore


@pytest.fixture
def cellnet():
    """Return a function that makes a network with a cellnet_t for 4 x 4 images."""

    def make(trainable="all"):
        torch.manual_seed(0)
        shape = (4, 4, 3)
        body = create_backbone("cellnet_t", weights=None, trainable=trainable, image_shape=shape)
        return CellNetwork([body], make_head(body.num_features, (), 2, dropout=0.0))

    return make


class TestOptimizer:
    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_names(self, make_net, name):
        groups = make_net(optimizer=name, lr=0.03, weight_decay=0.1).optimizer_.param_groups
        assert {group["lr"] for group in groups} == {0.03}
        momenta = {group.get("momentum") for group in groups}
        assert momenta == ({0.9} if name in ("sgd", "rmsprop") else {None})

    def test_classes_and_partials(self, make_net, make_samples):
        for optimizer in (torch.optim.NAdam, partial(torch.optim.SGD, momentum=0.5)):
            net = make_net(optimizer=optimizer, weight_decay=0.1).train_for(make_samples(), None, 1)
            kind = getattr(optimizer, "func", optimizer)
            assert type(net.optimizer_) is kind
            assert [g["weight_decay"] for g in net.optimizer_.param_groups] == [0.1, 0.0]
        assert net.optimizer_.param_groups[0]["momentum"] == 0.5

    @pytest.mark.parametrize("trainable", ["all", 1, "head"])
    def test_only_trained_matrices_decay(self, make_net, cellnet, trainable):
        network = cellnet(trainable)
        decay, none = make_net(network, weight_decay=0.1).optimizer_.param_groups
        assert (decay["weight_decay"], none["weight_decay"]) == (0.1, 0.0)
        trained = [p for p in network.parameters() if p.requires_grad]
        assert {id(p) for p in decay["params"]} == {id(p) for p in trained if p.ndim > 1}
        assert {id(p) for p in none["params"]} == {id(p) for p in trained if p.ndim <= 1}

    def test_network_without_biases(self, make_net, make_network):
        network = make_network()
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
        ("optimizer", "lr"), [("adam", 0.01), ("adamw", 0.01), ("sgd", 0.005), ("rmsprop", 0.001)]
    )
    def test_learns(self, make_net, make_samples, optimizer, lr):
        net = make_net(optimizer=optimizer, lr=lr).train_for(make_samples(64), None, 30)
        assert accuracy(net, make_samples(64, seed=1)) >= 0.95
        assert net.history[-1]["train_loss"] < 0.5 * net.history[0]["train_loss"]

    def test_history(self, make_net, make_samples):
        """Losses of the batches included, as skorch's own callbacks expect them."""
        net = make_net(callbacks=[ValidationScore("accuracy", np.array(["dark", "bright"]))])
        net.train_for(make_samples(24), make_samples(12, seed=1), 2)
        assert [row["epoch"] for row in net.history] == [1, 2]
        for row in net.history:
            assert {"train_loss", "valid_loss", "valid_accuracy", "dur"} <= row.keys()
            for part, sizes in (("train", [8, 8, 8]), ("valid", [6, 6])):
                batches = [b for b in row["batches"] if f"{part}_loss" in b]
                assert [b[f"{part}_batch_size"] for b in batches] == sizes
                assert row[f"{part}_batch_count"] == len(sizes)
                mean = np.mean([b[f"{part}_loss"] for b in batches])
                assert row[f"{part}_loss"] == pytest.approx(mean)
            assert isinstance(row["valid_loss_best"], bool)

    def test_shuffled_for_training_only(self, make_net, make_samples):
        net, samples = make_net(), make_samples(24)
        assert net.get_iterator(samples, training=True).shuffle is True
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
        net = make_net(augment=augment).train_for(make_samples(16), make_samples(6), 1)
        assert seen == [(8, torch.float32, True)] * 2
        optimized = [p for group in net.optimizer_.param_groups for p in group["params"]]
        assert {id(p) for p in optimized} == {id(p) for p in net.module_.parameters()}

    def test_features_are_not_augmented(self, make_net, make_samples):
        samples = make_samples(16)
        samples.images = torch.rand(16, 48)
        net = make_net(augment=lambda images: pytest.fail("features were augmented"))
        assert len(net.train_for(samples, None, 1).history) == 1

    def test_bfloat16(self, make_net, make_samples, cellnet):
        network, seen = cellnet(), []
        for layer in (network.head[0], network.head):
            layer.register_forward_hook(lambda layer, _, y: seen.append((layer.training, y.dtype)))
        net = make_net(network, autocast_dtype=torch.bfloat16)
        net.train_for(make_samples(8), make_samples(8), 3)
        hidden, logits = torch.bfloat16, torch.float32
        steps = [(mode, dtype) for mode in (True, False) for dtype in (hidden, logits)]
        assert seen == steps * 3
        assert {p.dtype for p in network.parameters()} == {torch.float32}


class Ends(Callback):
    def __init__(self, error, ended):
        self.error, self.ended = error, ended

    def on_epoch_end(self, net, **kwargs):
        if self.error is not None and len(net.history) == 2:
            raise self.error

    def on_train_end(self, net, **kwargs):
        self.ended.append(len(net.history))


def hopeless(patience):
    """Return a callback that stops: no improvement is large enough for it."""
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
        net = make_net(callbacks=[hopeless(1), Ends(KeyboardInterrupt, [])])
        net.train_for(make_samples(), None, 1)
        with pytest.raises(KeyboardInterrupt):
            net.train_for(make_samples(), None, 1)

    def test_best_epoch_is_restored(self, make_net, make_samples):
        class Spoil(Callback):
            """The third epoch and those after it are bad."""

            def on_batch_begin(self, net, training=None, **kwargs):
                if not training and len(net.history) > 2:
                    nn.init.zeros_(net.module_.head[-1].weight)

        valid = make_samples(16, seed=1)
        score = ValidationScore("accuracy", np.array([0, 1]))
        best = BestEpoch(score.name, 3)
        net = make_net(callbacks=[score, Spoil(), best], lr=0.05)
        net.train_for(make_samples(64), valid, 50)
        assert best.best_epoch_ in (1, 2)
        assert len(net.history) < 10
        assert accuracy(net, valid) == net.history[best.best_epoch_ - 1]["valid_accuracy"] > 0.5


class TestNonFiniteLoss:
    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_message_and_positions(self, make_net, make_samples, dtype):
        n_batches = []

        def spoil(images):
            n_batches.append(1)
            return images * torch.inf if len(n_batches) == 5 else images

        samples = make_samples(24)
        net = make_net(augment=spoil, autocast_dtype=dtype)
        net.iterator_train__shuffle = False
        match = r"training loss is (nan|inf) in epoch 2, batch 2 of 3, at a learning rate of 0.01\."
        with pytest.raises(NonFiniteLossError, match=match) as caught:
            net.train_for(samples, None, 3)
        assert caught.value.positions == list(range(8, 16))
        assert ("precision='float32'" in str(caught.value)) == (dtype == torch.bfloat16)

    def test_validation(self, make_net, make_samples):
        valid = make_samples(12, seed=1)
        valid.images = valid.images.float()
        valid.images[7] = torch.nan
        with pytest.raises(NonFiniteLossError, match=r"validation loss is nan.*batch 2 of 2") as e:
            make_net().train_for(make_samples(), valid, 1)
        assert 7 in e.value.positions

    def test_errors_survive_a_process(self):
        error = pickle.loads(pickle.dumps(NonFiniteLossError("no number", [1, 2])))
        assert (str(error), error.positions) == ("no number", [1, 2])
        assert isinstance(error, ValueError)
        error = pickle.loads(pickle.dumps(TrainingInterrupted("after 2 epochs", "a model")))
        assert (str(error), error.estimator) == ("after 2 epochs", "a model")
        assert isinstance(error, KeyboardInterrupt)
        assert not isinstance(error, Exception)  # which a search catches
