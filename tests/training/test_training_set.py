"""What a fit was given: planned, split and put on the device."""

import numpy as np
import pytest
import torch

from skblood.images import CellImages
from skblood.training import TrainingSet, channel_statistics

CPU = torch.device("cpu")
CLASSES = np.array(["blast", "eosinophil", "smear"])
CODES = np.repeat([0, 1, 2], [12, 8, 4])


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (24, 4, 4, 3), dtype=np.uint8)


@pytest.fixture
def plan(pixels):
    """Return a function that plans 24 images: 12, 8 and 4 of the three classes."""

    def make(rows=slice(None), codes=CODES, **options):
        return TrainingSet.plan(CellImages(pixels[rows]), codes[rows], CLASSES, **options)

    return make


class TestChannelStatistics:
    @pytest.mark.parametrize("shape", [(300, 3, 5, 3), (300, 4, 4, 1), (300, 7)], ids=str)
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
    def test_is_what_numpy_says(self, shape, dtype):
        rng = np.random.default_rng(0)
        images = (rng.random(shape) * (255 if dtype == np.uint8 else 1)).astype(dtype)
        images.setflags(write=False)
        rows = rng.integers(0, len(images), 1000)
        mean, std = channel_statistics(images, rows)
        pixels = images[rows].reshape(-1, shape[-1]).astype(np.float64)
        pixels /= 255 if dtype == np.uint8 else 1
        assert mean.dtype == std.dtype == np.float64
        assert mean == pytest.approx(pixels.mean(0), rel=1e-9)
        assert std == pytest.approx(pixels.std(0), rel=1e-6)


class TestPlan:
    def test_copies_are_one_image_of_their_weight(self, plan):
        rows = [0, 1, 2, 12, 1, 1]
        data = plan(rows)
        assert sorted(data.rows) == [0, 1, 1, 2, 3]  # 3 of 6 images, in units of the mean 1.5
        assert np.bincount(data.rows, data.weights) * 1.5 == pytest.approx([1, 3, 1, 1])
        weighted = plan([0, 1, 2, 12], sample_weight=np.array([1.0, 3, 1, 1]))
        assert np.array_equal(data.keys[data.rows], weighted.keys[weighted.rows])
        assert np.array_equal(data.weights, weighted.weights)
        assert data.representative.tolist() == [0, 1, 2, 3, 1, 1]

    def test_zero_leaves_out(self, plan):
        data = plan(sample_weight=np.r_[np.zeros(10), np.ones(14)])
        assert sorted(data.rows) == list(range(10, 24))
        assert (data.representative[:10] == -1).all()
        with pytest.raises(ValueError, match=r"1 image is left to train on.*two or more"):
            plan(sample_weight=np.r_[1.0, np.zeros(23)])


class TestSamples:
    @pytest.mark.parametrize(
        "class_weight", ["balanced", {"blast": 1, "smear": 30}, {"eosinophil": 0.001}], ids=str
    )
    def test_weights_average_one(self, plan, class_weight):
        weights = 3 * np.random.default_rng(0).random(24)
        train, _ = plan(sample_weight=weights).samples(class_weight, CPU)
        assert train.weights.mean().item() == pytest.approx(1)
        assert train.weights.dtype == torch.float32
        ratio = train.weights.double().numpy() / weights[train.rows]
        counts = np.bincount(train.rows, minlength=24)[train.rows]
        blast, smear = ((ratio * counts)[train.targets == code] for code in (0, 2))
        assert np.ptp(blast) == pytest.approx(0, abs=1e-4)
        if isinstance(class_weight, dict) and "smear" in class_weight:
            assert smear.mean() / blast.mean() == pytest.approx(30, rel=1e-4)

    def test_balanced_counts_weights(self, plan):
        weight = np.repeat([1.0, 2.0, 1.0], [12, 8, 4])
        for options in ({}, {"sample_weight": weight}):
            train, _ = plan(**options).samples("balanced", CPU)
            sums = torch.bincount(train.targets, train.weights)
            assert sums.tolist() == pytest.approx([len(train) / 3] * 3)
        without = plan(sample_weight=(CODES < 2) * 1.0).samples("balanced", CPU)[0]
        sums = torch.bincount(without.targets, without.weights)
        assert sums.tolist() == pytest.approx([10, 10])

    def test_no_weight_is_left(self, plan):
        with pytest.raises(ValueError, match="leaves no class a weight"):
            plan(slice(0, 12)).samples({"blast": 0}, CPU)


class TestValidation:
    @pytest.mark.parametrize("seed", range(3))
    def test_copies_and_groups_stay_together(self, plan, seed):
        rows = np.r_[np.arange(24), np.arange(24)[::2]]
        codes = np.r_[CODES, (CODES[::2] + 1) % 3]  # copies of other labels
        data = plan(rows, codes=np.resize(codes, 36)).split(0.3, seed)
        groups = rows // 2
        grouped = plan(rows, groups=groups).split(0.3, seed)
        for each, names in ((data, rows), (grouped, groups)):
            train, valid = (set(names[part]) for part in (each.rows, each.valid_rows))
            assert not train & valid
            assert train | valid == set(names)

    def test_images_that_the_user_gave(self, plan, pixels):
        data = plan().validated_on(CellImages(255 - pixels[:5]), np.array([0, 0, 1, 2, 2]))
        train, valid = data.samples({"smear": 3}, CPU)
        assert len(train) == 24
        assert np.array_equal(valid.images, 255 - pixels[:5])
        assert valid.targets.tolist() == [0, 0, 1, 2, 2]
        assert valid.weights.tolist() == pytest.approx([5 / 9, 5 / 9, 5 / 9, 15 / 9, 15 / 9])
        assert data.count_leaked() == 0
        leaking = plan().validated_on(CellImages(pixels[:5]), np.zeros(5, int))
        assert leaking.count_leaked() == 5


class TestDescribe:
    def test_fingerprint(self, plan, pixels):
        plain, order = plan().describe(), np.random.default_rng(1).permutation(24)
        assert plan(order).describe() == plain
        weighted = plan(sample_weight=np.linspace(0.5, 3, 24)).describe()
        assert plain["class_weights"] == plain["class_counts"] != weighted["class_weights"]
        assert weighted | {"class_weights": plain["class_weights"]} == plain
        without = plan(sample_weight=np.r_[0.0, np.ones(23)]).describe()
        assert without == plan(slice(1, None)).describe() != plain
        relabelled = plan(codes=np.roll(CODES, 1)).describe()
        changed = pixels.copy()
        changed[0, 0, 0, 0] ^= 1
        changed = TrainingSet.plan(CellImages(changed), CODES, CLASSES).describe()
        assert len({each["fingerprint"] for each in (plain, relabelled, changed)}) == 3


def test_hash(plan):
    """Equal for what trains alike, in whatever order; different for all that counts."""
    order = np.random.default_rng(1).permutation(24)
    assert plan(order).hash() == plan().hash()
    others = [
        plan(),
        plan(slice(1, None)),
        plan(sample_weight=np.linspace(0.5, 1, 24)),
        plan(codes=np.roll(CODES, 1)),
        plan(groups=np.arange(24) // 2),
        plan().validated_on(CellImages(plan().images.pixels[:5]), np.zeros(5, int)),
    ]
    assert len({each.hash() for each in others}) == len(others)
