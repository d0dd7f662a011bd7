"""Training set of a stream: plan, validation images set aside, summary, hash."""

import numpy as np
import pytest
import torch

from skblood.images import Layout, StreamedImages
from skblood.training import StreamedSet, TrainingSet, _streamed_set as module

CLASSES = np.array(["dark", "pale"])
CODES = np.arange(60) % 2
CPU = torch.device("cpu")


@pytest.fixture
def streamed(make_stream):
    """60 different images in six parts."""
    images = np.random.default_rng(0).integers(0, 256, (60, 4, 4, 3)).astype(np.uint8)
    return StreamedImages(make_stream(images, 10), Layout(None, 1.0, "bilinear"))


@pytest.fixture
def plan(streamed):
    """Return a function that plans the training set of the stream."""

    def plan(sample_weight=None, **options):
        sample_weight = np.ones(60) if sample_weight is None else sample_weight
        return StreamedSet.plan(streamed, CODES, CLASSES, sample_weight=sample_weight, **options)

    return plan


@pytest.mark.parametrize("class_weight", [None, "balanced", {"dark": 3, "pale": 1}])
def test_weights_as_in_memory(plan, streamed, class_weight):
    sample_weight = np.repeat([0, 1, 2, 4.5], 15)
    data = plan(sample_weight=sample_weight)
    stored = TrainingSet.plan(streamed.sample, CODES, CLASSES, sample_weight=sample_weight)
    assert data.rows.tolist() == list(range(15, 60))
    train, _ = data.samples(class_weight, CPU)
    # There, images of a large weight are drawn several times.
    in_memory, _ = stored.samples(class_weight, CPU)
    expected = np.bincount(in_memory.rows, in_memory.weights)[15:]
    assert train.weights.mean() == pytest.approx(1)
    assert train.weights / train.weights.sum() == pytest.approx(expected / expected.sum())
    assert train.targets.tolist() == CODES[15:].tolist()


class TestSplit:
    def test_without_groups(self, plan):
        data = plan().split(0.2, seed=0)
        valid = np.setdiff1d(np.arange(60), data.rows)
        assert (
            np.bincount(CODES[valid]).tolist() == [6, 6] == np.bincount(data.valid_codes).tolist()
        )
        assert np.array_equal(data.valid_images.pixels, data.images.sample.pixels[valid])
        assert plan().split(0.2, seed=0).rows.tolist() == data.rows.tolist()
        assert plan().split(0.2, seed=1).rows.tolist() != data.rows.tolist()

    @pytest.mark.parametrize("n_held", [60, 4])
    def test_of_whole_groups(self, plan, monkeypatch, n_held):
        monkeypatch.setattr(module, "_VALID_BYTES", n_held * 48)
        patients = np.repeat(["a", "b", "c", "d", "e"], 12)
        data = plan(groups=patients).split(0.2, seed=0)
        valid = np.setdiff1d(np.arange(60), data.rows)
        assert len(valid) == 12
        assert len(set(patients[valid])) == 1
        assert len(data.valid_codes) == min(12, n_held)
        assert set(data.valid_codes.tolist()) == {0, 1}

    def test_no_more_than_can_be_held(self, plan, monkeypatch):
        monkeypatch.setattr(module, "_VALID_BYTES", 6 * 48)
        data = plan().split(0.5, seed=0)
        assert len(data.valid_codes) == 6
        assert len(data.rows) == 54

    def test_images_left_out_are_in_no_part(self, plan):
        data = plan(sample_weight=np.arange(60) >= 20).split(0.25, seed=0)
        assert len(data.valid_codes) == 10
        assert data.rows.min() >= 20


def test_summary(plan):
    summary = plan(sample_weight=np.arange(60) % 3).split(0.2, seed=0).describe()
    assert summary["n_images"] == 32
    assert summary["n_validation_images"] == 8
    assert summary["class_counts"] == {"dark": 16, "pale": 16}
    assert summary["cell_size"] is None
    assert plan().describe()["fingerprint"] == plan().describe()["fingerprint"]
    assert plan().describe()["fingerprint"] != summary["fingerprint"]


def test_hash(plan, streamed):
    now = plan().hash()
    assert plan().hash() == now
    assert plan(sample_weight=np.arange(60) + 1).hash() != now
    assert plan(groups=np.arange(60) // 2).hash() != now
    assert plan().split(0.2, seed=0).hash() != now
    streamed.stream.buffer_bytes = 999
    assert plan().hash() != now


def test_channel_statistics(plan, streamed):
    stored = TrainingSet.plan(streamed.sample, CODES, CLASSES)
    for ours, theirs in zip(plan().channel_statistics(), stored.channel_statistics(), strict=True):
        assert ours == pytest.approx(theirs)


def test_copies_of_validation_images_are_found(plan, streamed):
    data = plan().validated_on(streamed.sample[[3, 8]], CODES[[3, 8]])
    assert data.count_leaked() == 0
    train, valid = data.samples(None, CPU)
    with pytest.warns(UserWarning, match="2 images of X are among those of the validation"):
        list(train.batches(8, CPU, True))
    assert len(valid) == 2
