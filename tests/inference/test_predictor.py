"""Passes of a network over images: batches, precision, memory, stored features."""

import numpy as np
import pytest
import torch

from skblood.images import CellImages, resize_batch
from skblood.inference import FeatureStore, Predictor, _predictor as module, pass_dtype
from skblood.inference._device import autocast_dtype
from skblood.networks import BackboneSpec, HeadSpec, NetworkSpec, build_network

CPU = torch.device("cpu")
IMAGES = np.random.default_rng(0).integers(0, 256, (75, 28, 28, 3), dtype=np.uint8)
BFLOAT16 = autocast_dtype("auto", CPU) == torch.bfloat16


def make_spec(trained="all", precision="float32", **changes):
    fields = {
        "backbones": (BackboneSpec("cellnet_t", None, trained),),
        "head": HeadSpec((8,), 0.5),
        "classes": tuple("abcd"),
        "input_shape": (28, 28, 3),
        "image_shape": (28, 28, 3),
        "precision": precision,
    }
    return NetworkSpec(**{**fields, **changes})


def make_predictor(spec, store=None):
    torch.manual_seed(0)
    network = build_network(spec)
    torch.manual_seed(0)
    with torch.no_grad():
        for each in network.modules():  # of a fresh network, bfloat16 would round nothing
            if isinstance(each, torch.nn.BatchNorm2d):
                each.weight.uniform_(0.5, 1.5)
    return Predictor(network, spec, "cpu", store)


@pytest.fixture(scope="module")
def predictor():
    return make_predictor(make_spec())


def sizes_of(predictor, images):
    """Return the sizes of the batches that pass the network."""
    sizes = []

    def step(x):
        sizes.append(len(x))
        return predictor.network.encode(x)

    assert len(predictor.run(step, images)) == len(images)
    return sizes


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", ["logits", "features", "penultimate"])
def test_alone_and_in_company(precision, method):
    if precision == "bfloat16" and not BFLOAT16:
        pytest.skip("this CPU emulates bfloat16")
    predictor = make_predictor(make_spec(precision=precision))
    figures = getattr(predictor, method)
    together = figures(CellImages(IMAGES))
    order = np.random.default_rng(1).permutation(75)
    assert np.abs(figures(CellImages(IMAGES[order])) - together[order]).max() < 1e-5
    for n in (1, 2, 3, 5, 33, 65):
        some = figures(CellImages(IMAGES[:n]))
        assert np.abs(some - together[:n]).max() < 1e-5
    assert not np.allclose(together[0], together[1])


def test_rows_of_numbers_agree_to_the_bit():
    predictor = make_predictor(make_spec(is_pixels=False, image_shape=(1, 20, 3)))
    rows = np.random.default_rng(0).normal(size=(70, 1, 20, 3)).astype(np.float32)
    together = predictor.logits(CellImages(rows))
    for n in (1, 5, 33):
        assert np.array_equal(predictor.logits(CellImages(rows[:n])), together[:n])


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(1, [1]), (2, [2]), (3, [4]), (9, [16]), (33, [64]), (64, [64]), (75, [64, 64])],
)
def test_short_ladder_of_batch_sizes(predictor, n, sizes):
    assert sizes_of(predictor, IMAGES[:n]) == sizes


def test_is_what_the_network_says(predictor):
    resized = make_predictor(make_spec(image_shape=(20, 20, 3), image_size=(20, 20)))
    for each, size in ((predictor, (28, 28)), (resized, (20, 20))):
        with torch.no_grad():
            pixels = torch.from_numpy(IMAGES[:9]).permute(0, 3, 1, 2)
            expected = each.network.eval()(resize_batch(pixels, size) / 255)
        found = each.logits(CellImages(IMAGES[:9]))
        assert found.dtype == np.float64
        assert np.allclose(found, expected, atol=1e-5)
        hidden = torch.from_numpy(each.penultimate(CellImages(IMAGES[:9])))
        assert np.allclose(each.network.head[-1](hidden).detach(), expected, atol=1e-5)


def test_precision():
    """Pixels pass in bfloat16; features, which have more digits, and logits do not."""
    low, exact = (make_predictor(make_spec(precision=p)) for p in ("bfloat16", "float32"))
    dtypes = []
    low.network.backbones[0].register_forward_hook(lambda *args: dtypes.append(args[2].dtype))
    found = low.logits(CellImages(IMAGES[:8]))
    assert dtypes == [torch.bfloat16]
    assert np.allclose(found, exact.logits(CellImages(IMAGES[:8])), atol=0.05)
    assert not np.array_equal(found, found.astype(np.float16))
    features = np.random.default_rng(0).random((9, 48), dtype=np.float32)
    assert np.array_equal(*(each.run(each.network, features) for each in (low, exact)))


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((28, 28, 3), torch.bfloat16), ((28, 20, 3), torch.float32), ((16, 16, 3), torch.float32)],
)
def test_narrow_images_are_computed_in_float32(shape, dtype):
    assert pass_dtype(make_spec(precision="bfloat16", image_shape=shape), CPU) is dtype


class TestMemory:
    def test_too_large_a_batch_becomes_smaller(self, predictor):
        sizes = []

        def step(x):
            sizes.append(len(x))
            if len(x) > 20:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return predictor.network(x)

        out = predictor.run(step, IMAGES)
        assert sizes == [64, 32, *[16] * 5]
        assert np.allclose(out, predictor.run(predictor.network, IMAGES), atol=1e-5)

    def test_no_memory_for_one_image(self, predictor):
        def step(x):
            raise torch.OutOfMemoryError("CUDA out of memory.")

        with pytest.raises(MemoryError, match=r"memory for .* and 1 images of"):
            predictor.run(step, IMAGES)


class TestFrozen:
    @pytest.fixture
    def store(self, tmp_path):
        return FeatureStore(tmp_path)

    def test_weights_are_hashed_once(self, store, monkeypatch):
        calls, original = [], module.hash_weights

        def hash_weights(*args):
            calls.append(1)
            return original(*args)

        monkeypatch.setattr(module, "hash_weights", hash_weights)
        predictor = make_predictor(make_spec("head"), store)
        first = predictor.logits(CellImages(IMAGES))
        for _ in range(5):
            assert np.array_equal(predictor.logits(CellImages(IMAGES)), first)
        assert len(calls) == 1
        assert store.n_computed == len(IMAGES)

    def test_key_of_all_that_features_depend_on(self, store):
        images = CellImages(IMAGES[:3])
        base = make_spec("head")
        make_predictor(base, store).features(images)
        same = make_spec("head", head=HeadSpec(()), classes=("x", "y"))
        make_predictor(same, store).features(images)
        assert store.n_computed == 3
        changes = [
            {"image_size": (20, 20), "image_shape": (20, 20, 3)},
            {"precision": "bfloat16"},
            {"backbones": (BackboneSpec("cellnet_t", None, "head", "image"),)},
            {"image_size": (28, 28), "interpolation": "nearest"},
        ]
        for n, change in enumerate(changes, start=2):
            make_predictor(make_spec(**{"trained": "head", **change}), store).features(images)
            assert store.n_computed == 3 * n
        other = make_predictor(base, store)
        with torch.no_grad():
            next(other.network.backbones.parameters()).mul_(0.5)
        other.features(images)
        assert store.n_computed == 3 * 6


def test_not_finite(predictor):
    broken = make_predictor(make_spec())
    with torch.no_grad():
        broken.network.head[-1].bias[1] = torch.inf
    with pytest.raises(ValueError, match=r"no finite number for 4 of 4 images.*X\[0\].*lower lr"):
        broken.logits(CellImages(IMAGES[:4]))


@pytest.mark.parametrize("store", [None, FeatureStore()])
def test_features_not_finite(store):
    """The position is that in X, also where features were stored before."""
    images = np.zeros((300, 16, 16, 3), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.arange(300) % 256, np.arange(300) // 256
    images[280] = 255
    broken = make_predictor(make_spec(trained="head"), store)
    broken.network.encode = lambda x: x.mean((2, 3)) / (x.mean((2, 3)) < 0.99)
    for first in (0, 270):
        with pytest.raises(ValueError, match=rf"for 1 of {300 - first} .*X\[{280 - first}\]"):
            broken.features(CellImages(images[first:]))
