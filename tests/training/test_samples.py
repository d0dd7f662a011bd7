"""Tensors, samples and the batches of an epoch."""

import numpy as np
import pytest
import torch

from skblood.inference import to_tensor
from skblood.training import Samples
from skblood.training._samples import as_nchw

CPU = torch.device("cpu")


def readonly(array):
    array.setflags(write=False)
    return array


FORMS = {
    "plain": lambda images: images,
    "read-only": readonly,
    "upside down": lambda images: images[:, ::-1],
    "backwards, read-only": lambda images: readonly(images[::-1]),
    "every other": lambda images: images[::2],
    "fortran": np.asfortranarray,
    "float rows": lambda images: images.reshape(len(images), -1).astype(np.float32),
}


class TestToTensor:
    @pytest.mark.parametrize("form", FORMS)
    def test_same_numbers_and_no_warning(self, form):
        images = FORMS[form](np.arange(4 * 5 * 6 * 3, dtype=np.uint8).reshape(4, 5, 6, 3))
        tensor = to_tensor(images, CPU)
        assert np.array_equal(tensor.numpy(), images)
        assert tensor.numpy().dtype == images.dtype

    @pytest.mark.parametrize("form", ["plain", "read-only", "every other"])
    def test_no_copy_on_the_cpu(self, form):
        images = FORMS[form](np.zeros((4, 5, 6, 3), dtype=np.uint8))
        assert np.shares_memory(to_tensor(images, CPU).numpy(), images)

    def test_memory_map(self, tmp_path):
        np.save(tmp_path / "images.npy", np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3))
        images = np.load(tmp_path / "images.npy", mmap_mode="r")
        assert to_tensor(images, CPU).sum() == np.arange(48).sum()


def numbered(n, rows=None):
    """Return samples of 1 x 1 images whose pixel is their number, and their target, too."""
    rows = torch.arange(n) if rows is None else torch.as_tensor(rows)
    images = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1)
    return Samples(images, rows, rows + 100, rows / 10)


class TestBatches:
    @pytest.mark.parametrize(
        ("n", "batch_size", "sizes"),
        [
            (10, 10, [10]),
            (11, 10, [6, 5]),
            (21, 10, [7, 7, 7]),
            (5, 10, [5]),
            (4, 2, [2, 2]),
            (5, 2, [3, 2]),  # rather than an image alone, which has no batch statistics
            (1, 64, [1]),
        ],
    )
    def test_sizes(self, n, batch_size, sizes):
        batches = numbered(n).batches(batch_size, CPU)
        assert [len(images) for images, _ in batches] == sizes
        assert len(batches) == len(sizes)

    @pytest.mark.parametrize("batch_size", [2, 7, 16, 33, 99, 100])
    def test_sizes_differ_by_one_at_most(self, batch_size):
        sizes = [len(images) for images, _ in numbered(100).batches(batch_size, CPU)]
        assert max(sizes) <= batch_size
        assert max(sizes) - min(sizes) <= 1

    @pytest.mark.parametrize("shuffle", [True, False])
    def test_every_visit_once_with_its_own_target_and_weight(self, shuffle):
        rows = [0, 0, 3, 5, 5, 5, 9]
        samples = numbered(10, rows)
        seen = []
        for images, (targets, weights) in samples.batches(3, CPU, shuffle):
            assert images.shape[1:] == (1, 1, 1)
            pixels = images.view(-1).long()
            assert torch.equal(targets, pixels + 100)
            assert torch.equal(weights, pixels / 10)
            seen += pixels.tolist()
        assert len(samples) == len(seen) == 7
        assert sorted(seen) == rows
        assert shuffle or seen == rows

    def test_shuffled_by_torchs_generator_anew_each_epoch(self):
        def epochs(seed):
            torch.manual_seed(seed)
            batches = numbered(50).batches(8, CPU, shuffle=True)
            return [torch.cat([y for _, (y, _) in batches]).tolist() for _ in range(2)]

        first, second = epochs(0)
        assert first != second
        assert sorted(first) == sorted(second)
        assert epochs(0) == [first, second]
        assert epochs(1)[0] != first

    def test_unshuffled_draws_nothing(self):
        before = torch.get_rng_state()
        list(numbered(50).batches(8, CPU))
        assert torch.equal(torch.get_rng_state(), before)

    def test_stored_images_are_not_shared(self):
        """What is done to a batch in place does not reach the images."""
        samples = numbered(4)
        for images, _ in samples.batches(4, CPU):
            images.fill_(0)
        assert samples.images.flatten().tolist() == [0, 1, 2, 3]


def test_as_nchw():
    images = torch.rand(2, 5, 4, 3)
    assert torch.equal(as_nchw(images)[:, 1], images[..., 1])
    assert as_nchw(images).is_contiguous(memory_format=torch.channels_last)
    features = torch.rand(2, 7)
    assert as_nchw(features) is features
