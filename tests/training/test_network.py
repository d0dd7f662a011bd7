"""Head, network, loss and the forward pass over many images."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from skblood.images import resize_batch
from skblood.inference import forward_all
from skblood.networks import ACTIVATIONS, CellNetwork, create_backbone, make_head
from skblood.networks._module import OutputLayer
from skblood.training import WeightedLoss

CPU = torch.device("cpu")


def cellnets(*sizes):
    return [create_backbone("cellnet_t", weights=None, image_shape=(s, s, 3)) for s in sizes]


@pytest.fixture
def network():
    torch.manual_seed(0)
    backbones = cellnets(16, 16)
    return CellNetwork(backbones, make_head(96, (8,), 4, dropout=0.5), (16, 16)).eval()


class TestMakeHead:
    @pytest.mark.parametrize(
        ("hidden", "kinds"),
        [
            ((), [nn.Dropout, OutputLayer]),
            ((8,), [nn.Linear, nn.ReLU, nn.Dropout, OutputLayer]),
            ((8, 4), [nn.Linear, nn.ReLU, nn.Dropout] * 2 + [OutputLayer]),
        ],
        ids=str,
    )
    def test_layers(self, hidden, kinds):
        head = make_head(6, hidden, 3, dropout=0.25)
        assert [type(layer) for layer in head] == kinds
        widths = [m.out_features for m in head if isinstance(m, nn.Linear)]
        assert widths == [*hidden, 3]
        assert {m.p for m in head if isinstance(m, nn.Dropout)} == {0.25}
        assert head(torch.rand(5, 6)).shape == (5, 3)

    @pytest.mark.parametrize("activation", ACTIVATIONS)
    def test_activation(self, activation):
        head = make_head(6, (8,), 3, dropout=0.0, activation=activation)
        assert type(head[1]) is ACTIVATIONS[activation]


class TestCellNetwork:
    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
    def test_prepare_resizes_and_scales_pixels(self, interpolation):
        network = CellNetwork(cellnets(16), nn.Identity(), (16, 12), interpolation)
        images = torch.randint(256, (3, 3, 20, 24), dtype=torch.uint8)
        prepared = network.prepare(images)
        assert prepared.dtype == torch.float32
        assert torch.equal(prepared, resize_batch(images, (16, 12), interpolation) / 255)

    def test_prepare_keeps_the_images_own_size(self):
        images = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8)
        prepared = CellNetwork(cellnets(16), nn.Identity()).prepare(images)
        assert prepared.flatten().tolist() == pytest.approx([0, 0.2, 1])
        assert images.flatten().tolist() == [0, 51, 255]

    @pytest.mark.parametrize("shape", [(2, 5), (2, 3, 9, 9)], ids=str)
    def test_prepare_passes_what_is_float(self, network, shape):
        x = torch.rand(shape)
        assert network.prepare(x) is x

    def test_features_of_two_backbones_side_by_side(self, network):
        x = torch.rand(2, 3, 16, 16)
        one, other = (backbone(x) for backbone in network.backbones)
        assert torch.equal(network.encode(x), torch.cat([one, other], 1))
        assert not torch.equal(one, other)

    def test_features_go_to_the_head(self, network):
        x = torch.rand(2, 3, 16, 16)
        features = network.encode(x)
        assert torch.equal(network(features), network(x))
        network.scale = nn.Hardtanh(-0.1, 0.1)
        assert torch.equal(network(features), network.head(features.clamp(-0.1, 0.1)))

    @pytest.mark.parametrize(
        ("trainable", "frozen"), [(("head", "head"), True), (("head", 1), False), (("all",), False)]
    )
    def test_frozen_if_all_backbones_are(self, trainable, frozen):
        shape = (16, 16, 3)
        backbones = [
            create_backbone("cellnet_t", weights=None, trainable=t, image_shape=shape)
            for t in trainable
        ]
        assert CellNetwork(backbones, nn.Identity()).frozen is frozen


class TestForwardAll:
    IMAGES = np.random.default_rng(0).integers(0, 256, (19, 20, 20, 3), dtype=np.uint8)

    @pytest.mark.parametrize("step", ["forward", "encode"])
    @pytest.mark.parametrize("batch_size", [4, 16])
    def test_an_image_has_the_same_figures_in_any_company(self, network, step, batch_size):
        def figures(images):
            return forward_all(network, getattr(network, step), images, batch_size, CPU)

        together = figures(self.IMAGES)
        alone = np.concatenate([figures(self.IMAGES[i : i + 1]) for i in range(19)])
        order = np.random.default_rng(1).permutation(19)
        assert np.array_equal(alone, together)
        assert np.array_equal(figures(self.IMAGES[order]), together[order])
        assert np.array_equal(figures(self.IMAGES[3:9]), together[3:9])

    def test_is_what_the_network_says(self, network):
        out = forward_all(network, network, self.IMAGES, 8, CPU)
        with torch.no_grad():
            pixels = torch.from_numpy(self.IMAGES).permute(0, 3, 1, 2)
            expected = network(resize_batch(pixels, (16, 16)) / 255)
        assert (out.shape, out.dtype) == ((19, 4), np.float32)
        assert np.allclose(out, expected, atol=1e-5)

    def test_batches_are_filled_up(self, network):
        sizes = []

        def step(x):
            sizes.append(len(x))
            return network.encode(x)

        assert len(forward_all(network, step, self.IMAGES, 8, CPU)) == 19
        assert sizes == [8, 8, 8]

    def test_pixels_in_bfloat16_and_logits_in_float32(self, network):
        dtypes = []
        network.backbones[0].register_forward_hook(lambda *args: dtypes.append(args[2].dtype))
        exact = forward_all(network, network, self.IMAGES, 8, CPU)
        out = forward_all(network, network, self.IMAGES, 8, CPU, torch.bfloat16)
        assert dtypes == [torch.float32] * 3 + [torch.bfloat16] * 3
        assert out.dtype == np.float32
        assert np.allclose(out, exact, atol=0.02)
        assert not np.array_equal(out, out.astype(np.float16))

    def test_features_are_never_rounded(self, network):
        features = np.random.default_rng(0).random((9, 96), dtype=np.float32)
        exact, low = (
            forward_all(network, network, features, 4, CPU, dtype)
            for dtype in (torch.float32, torch.bfloat16)
        )
        assert np.array_equal(exact, low)

    def test_too_large_a_batch_becomes_smaller(self, network):
        sizes = []

        def step(x):
            sizes.append(len(x))
            if len(x) > 5:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return network(x)

        out = forward_all(network, step, self.IMAGES, 16, CPU)
        assert sizes == [16, 8, 4, 4, 4, 4, 4]
        assert np.allclose(out, forward_all(network, network, self.IMAGES, 16, CPU), atol=1e-5)

    def test_no_memory_for_one_image(self, network):
        def step(x):
            raise torch.OutOfMemoryError("CUDA out of memory.")

        with pytest.raises(MemoryError, match=r"no memory left for .* one image of"):
            forward_all(network, step, self.IMAGES, 4, CPU)

    def test_evaluation_mode_without_gradients(self, network):
        network.train()
        before = {name: b.clone() for name, b in network.named_buffers()}
        twice = [forward_all(network, network, self.IMAGES, 8, CPU) for _ in range(2)]
        assert np.array_equal(*twice)
        assert all(torch.equal(b, before[name]) for name, b in network.named_buffers())

    def test_read_only_features(self, network):
        features = np.random.default_rng(0).random((5, 96), dtype=np.float32)[::-1]
        features.setflags(write=False)
        out = forward_all(network, network, features, 4, CPU)
        with torch.no_grad():
            assert np.allclose(out, network(torch.from_numpy(features.copy())), atol=1e-6)


class TestWeightedLoss:
    LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.0, 0.0, 0.0], [-3.0, 1.0, 4.0], [5.0, 1.0, 0.0]])
    CODES = torch.tensor([0, 2, 1, 0])
    ONES = torch.ones(4)

    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    def test_unit_weights_give_the_cross_entropy(self, smoothing):
        loss = WeightedLoss("cross_entropy", smoothing)(self.LOGITS, (self.CODES, self.ONES))
        expected = F.cross_entropy(self.LOGITS, self.CODES, label_smoothing=smoothing)
        assert torch.allclose(loss, expected)

    @pytest.mark.parametrize("kind", ["cross_entropy", "focal"])
    def test_weights(self, kind):
        loss = WeightedLoss(kind, 0.1)
        weights = torch.tensor([0.0, 2.0, 0.5, 3.0])
        each = [
            loss(self.LOGITS[i : i + 1], (self.CODES[i : i + 1], self.ONES[:1])) for i in range(4)
        ]
        expected = (torch.stack(each) * weights).sum() / 4
        assert torch.allclose(loss(self.LOGITS, (self.CODES, weights)), expected)

    def test_focal_by_hand(self):
        p = np.exp(self.LOGITS.numpy())
        p = (p / p.sum(1, keepdims=True))[range(4), self.CODES.numpy()]
        loss = WeightedLoss("focal", 0.0)(self.LOGITS, (self.CODES, self.ONES))
        assert loss.item() == pytest.approx(np.mean(-((1 - p) ** 2) * np.log(p)), rel=1e-5)

    def test_smoothing_by_hand(self):
        logp = F.log_softmax(self.LOGITS, 1).numpy()
        true = logp[range(4), self.CODES.numpy()]
        loss = WeightedLoss("cross_entropy", 0.3)(self.LOGITS, (self.CODES, self.ONES))
        assert loss.item() == pytest.approx(-np.mean(0.7 * true + 0.3 * logp.mean(1)), rel=1e-5)
