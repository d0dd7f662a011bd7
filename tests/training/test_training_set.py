"""What a fit was given, planned, split and put on the device."""

import json

import numpy as np
import pytest
import torch

from skblood.estimators._training_set import TrainingSet, channel_statistics
from skblood.images import content_keys

CPU = torch.device("cpu")
CLASSES = np.array(["blast", "eosinophil", "smear"])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def plan(rng):
    """Return a function that plans 24 images: 12, 8 and 4 of the three classes."""

    def make(sample_weight=None, canonical=True):
        images = rng.integers(0, 256, (24, 4, 4, 3), dtype=np.uint8)
        codes = np.repeat([0, 1, 2], [12, 8, 4])
        return TrainingSet.plan(images, codes, CLASSES, sample_weight, canonical)

    return make


class TestChannelStatistics:
    @pytest.mark.parametrize("shape", [(600, 3, 5, 3), (600, 4, 4, 1), (300, 7)], ids=str)
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
    def test_is_what_numpy_says(self, rng, shape, dtype):
        images = (rng.random(shape) * (255 if dtype == np.uint8 else 1)).astype(dtype)
        rows = rng.integers(0, len(images), 1000)
        mean, std = channel_statistics(images, rows)
        pixels = images[rows].reshape(-1, shape[-1]).astype(np.float64)
        pixels /= 255 if dtype == np.uint8 else 1
        assert mean.dtype == std.dtype == np.float64
        assert mean == pytest.approx(pixels.mean(0), rel=1e-9)
        assert std == pytest.approx(pixels.std(0), rel=1e-6)

    def test_a_row_counts_as_often_as_it_stands(self):
        images = np.array([[0.0], [1.0], [50.0]])
        mean, std = channel_statistics(images, np.array([0, 1, 1, 1]))
        assert mean == pytest.approx([0.75])
        assert std == pytest.approx([np.sqrt(3) / 4])

    @pytest.mark.parametrize("offset", [1e6, -1e6, 1e9])
    def test_large_numbers_of_little_variance(self, rng, offset):
        images = rng.normal(size=(1000, 2)) + offset
        mean, std = channel_statistics(images, np.arange(1000))
        assert mean == pytest.approx(images.mean(0))
        assert std == pytest.approx(images.std(0), rel=1e-4)

    def test_float32_is_summed_in_float64(self, rng):
        images = (rng.normal(size=(20000, 1)) + 4096).astype(np.float32)
        mean, std = channel_statistics(images, np.arange(20000))
        assert mean == pytest.approx(images.mean(0, dtype=np.float64), rel=1e-12)
        assert std == pytest.approx(images.std(0, dtype=np.float64), rel=1e-9)

    def test_constant_channel_has_no_spread(self):
        images = np.full((5, 2, 2, 3), 77, np.uint8)
        mean, std = channel_statistics(images, np.arange(5))
        assert mean == pytest.approx([77 / 255] * 3)
        assert std.tolist() == [0, 0, 0]

    def test_read_only(self, rng):
        images = rng.random((5, 4))
        images.setflags(write=False)
        assert channel_statistics(images, np.arange(5))[0] == pytest.approx(images.mean(0))


class TestSamples:
    def test_without_any_weights(self, plan):
        train, valid = plan().samples(None, CPU)
        assert valid is None
        assert train.weights.tolist() == [1.0] * 24
        assert train.images.dtype == torch.uint8
        assert torch.bincount(train.targets).tolist() == [12, 8, 4]

    @pytest.mark.parametrize(
        "class_weight", ["balanced", {"blast": 1, "smear": 30}, {"eosinophil": 0.001}], ids=str
    )
    @pytest.mark.parametrize("weighted", [True, False])
    def test_weights_average_one(self, plan, rng, class_weight, weighted):
        sample_weight = 3 * rng.random(24) if weighted else None
        train, _ = plan(sample_weight).samples(class_weight, CPU)
        assert train.weights.mean().item() == pytest.approx(1)
        assert train.weights.dtype == torch.float32

    def test_balanced_classes_weigh_the_same(self, plan):
        train, _ = plan().samples("balanced", CPU)
        sums = torch.bincount(train.targets, train.weights)
        assert sums.tolist() == pytest.approx([8, 8, 8])

    def test_balanced_counts_visits(self, plan):
        sample_weight = np.repeat([1.0, 2.0, 1.0], [12, 8, 4])
        train, _ = plan(sample_weight).samples("balanced", CPU)
        sums = torch.bincount(train.targets, train.weights)
        assert len(train) == 32
        assert sums.tolist() == pytest.approx([32 / 3] * 3)

    def test_classes_of_a_dict_are_labels(self, plan):
        train, _ = plan().samples({"smear": 3}, CPU)
        by_class = [set(train.weights[train.targets == code].tolist()) for code in range(3)]
        assert [len(weights) for weights in by_class] == [1, 1, 1]
        blast, eosinophil, smear = (weights.pop() for weights in by_class)
        assert smear / blast == pytest.approx(3)
        assert blast == eosinophil

    def test_targets_belong_to_their_images(self, plan):
        data = plan()
        train, _ = data.samples(None, CPU)
        assert np.array_equal(train.targets, data.codes[train.rows])


class TestValidation:
    @pytest.mark.parametrize("weighted", [True, False])
    def test_images_that_were_set_aside(self, plan, weighted):
        weights = np.tile([2.0, 1.0], 12) if weighted else None
        data = plan(weights).split(0.25, seed=0)
        train, valid = data.samples("balanced", CPU)
        assert not set(train.rows.tolist()) & set(valid.rows.tolist())
        assert set(train.rows.tolist()) | set(valid.rows.tolist()) == set(range(24))
        assert np.array_equal(valid.targets, data.codes[valid.rows])
        assert torch.bincount(data_codes_once(valid)).tolist() == [3, 2, 1]
        assert valid.weights.mean().item() == pytest.approx(1)
        assert train.weights.mean().item() == pytest.approx(1)

    def test_images_that_the_user_brought(self, plan, rng):
        images = rng.integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
        data = plan().validated_on(images, np.array([0, 0, 1, 2, 2]))
        train, valid = data.samples({"smear": 3}, CPU)
        assert len(train) == 24
        assert np.array_equal(valid.images, images)
        assert valid.rows.tolist() == list(range(5))
        assert valid.targets.tolist() == [0, 0, 1, 2, 2]
        assert valid.weights.tolist() == pytest.approx([5 / 9, 5 / 9, 5 / 9, 15 / 9, 15 / 9])

    def test_statistics_are_those_of_the_training_images(self, plan):
        data = plan().split(0.25, seed=0)
        mean, _ = data.channel_statistics()
        assert mean == pytest.approx(data.images[data.rows].mean((0, 1, 2)) / 255)
        assert mean != pytest.approx(data.images.mean((0, 1, 2)) / 255, abs=1e-6)

    @pytest.mark.parametrize("n_views", [1, 3])
    def test_encoded(self, plan, n_views):
        def encode(images, keys, view):
            assert np.array_equal(keys, content_keys(images))
            return images.reshape(len(images), -1).astype(np.float32) + 1000 * view

        data = plan().split(0.25, seed=0)
        encoded = data.encoded(encode, range(n_views))
        assert np.array_equal(encoded.rows, data.rows)
        train, valid = encoded.samples(None, CPU)
        plain = torch.from_numpy(data.images.reshape(24, -1)).float()
        visits = torch.arange(len(train)).repeat(20)
        seen = train.take(visits) - plain[train.rows[visits]]
        assert seen.unique().tolist() == [1000.0 * view for view in range(n_views)]
        assert torch.equal(valid.take(torch.arange(len(valid))), plain[valid.rows])


def data_codes_once(samples):
    """Return the class code of each distinct image."""
    _, first = np.unique(samples.rows.numpy(), return_index=True)
    return samples.targets[first]


class TestDescription:
    """What a model says of its training data, and knows them again by."""

    @pytest.fixture
    def images(self, rng):
        return rng.integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)

    @staticmethod
    def describe(images, codes, weights=None, classes=CLASSES):
        return TrainingSet.plan(images, np.array(codes), classes, weights, True).describe()

    def test_counts(self, images):
        described = self.describe(images, [0, 0, 1, 1, 1, 0])
        assert described["n_images"] == 6
        assert described["n_validation_images"] == 0
        assert described["class_counts"] == {"blast": 3, "eosinophil": 3, "smear": 0}

    def test_it_holds_python_objects_alone(self, images):
        classes = np.array([1, 2, 3])
        described = self.describe(images, [0, 0, 1, 1, 2, 2], classes=classes)
        assert list(described["class_counts"].items()) == [(1, 2), (2, 2), (3, 2)]
        assert {type(label) for label in described["class_counts"]} == {int}
        assert json.loads(json.dumps(described))["fingerprint"] == described["fingerprint"]

    def test_the_order_of_the_images_has_no_part(self, images):
        codes = np.array([0, 1, 2, 0, 1, 2])
        order = np.array([5, 0, 3, 1, 4, 2])
        assert self.describe(images[order], codes[order]) == self.describe(images, codes)

    def test_weights_and_visits_have_no_part_but_images_left_out_do(self, images):
        codes = [0, 1, 2, 0, 1, 2]
        plain = self.describe(images, codes)
        assert self.describe(images, codes, np.array([3.0, 1, 1, 1, 0.5, 1])) == plain
        without = self.describe(images, codes, np.array([0.0, 1, 1, 1, 1, 1]))
        assert without == self.describe(images[1:], codes[1:])
        assert without["fingerprint"] != plain["fingerprint"]

    def test_a_pixel_or_a_label_changes_the_fingerprint(self, images):
        codes = [0, 1, 2, 0, 1, 2]
        changed = images.copy()
        changed[0, 0, 0, 0] ^= 1
        found = {
            self.describe(images, codes)["fingerprint"],
            self.describe(changed, codes)["fingerprint"],
            self.describe(images, [1, 1, 2, 0, 1, 2])["fingerprint"],
            self.describe(images, [1, 0, 2, 0, 1, 2])["fingerprint"],
        }
        assert len(found) == 4
        assert all(len(each) == 64 for each in found)

    def test_images_set_aside_are_counted_apart(self, plan):
        data = plan().split(0.25, seed=0)
        described = data.describe()
        assert (described["n_images"], described["n_validation_images"]) == (18, 6)
        assert sum(described["class_counts"].values()) == 18
        assert described["fingerprint"] != plan().describe()["fingerprint"]

    def test_images_to_validate_on_that_were_brought(self, plan, images):
        described = plan().validated_on(images, np.zeros(6, dtype=int)).describe()
        assert (described["n_images"], described["n_validation_images"]) == (24, 6)

    def test_more_images_are_added_to_the_former(self, images):
        first = TrainingSet.plan(images, np.zeros(6, dtype=int), CLASSES, None, True)
        second = TrainingSet.plan(images[::-1], np.ones(6, dtype=int), CLASSES, None, True)
        both = second.describe(first.describe())
        assert both["n_images"] == 12
        assert both["class_counts"] == {"blast": 6, "eosinophil": 6, "smear": 0}
        assert (
            len({each["fingerprint"] for each in (both, first.describe(), second.describe())}) == 3
        )
        assert second.describe(first.describe()) == both
