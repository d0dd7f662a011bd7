"""TrainingNet: what is optimized, in which precision, and how training ends."""

import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping

from skblood import NonFiniteLossError
from skblood.networks import CellNetwork, create_backbone, make_head
from skblood.training import OPTIMIZERS


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

    @pytest.mark.parametrize("trainable", ["all", 1, "head"])
    def test_only_trained_matrices_decay(self, make_net, cellnet, trainable):
        network = cellnet(trainable)
        decay, none = make_net(network, weight_decay=0.1).optimizer_.param_groups
        assert (decay["weight_decay"], none["weight_decay"]) == (0.1, 0.0)
        trained = [p for p in network.parameters() if p.requires_grad]
        assert {id(p) for p in decay["params"]} == {id(p) for p in trained if p.ndim > 1}
        assert {id(p) for p in none["params"]} == {id(p) for p in trained if p.ndim <= 1}


class TestTraining:
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
