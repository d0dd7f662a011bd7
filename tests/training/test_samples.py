"""Samples on the device and the batches of an epoch."""

import pytest
import torch

from skblood.training._samples import Samples

CPU = torch.device("cpu")


def numbered(n, rows=None):
    """Return samples of 1 x 1 images whose pixel is their number, as is their target."""
    rows = torch.arange(n) if rows is None else torch.as_tensor(rows)
    images = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1)
    return Samples(images, rows, rows + 100, rows / 10)


@pytest.mark.parametrize(
    ("n", "batch_size", "sizes"),
    [
        (10, 10, [10]),
        (11, 10, [6, 5]),
        (21, 10, [7, 7, 7]),
        (4, 2, [2, 2]),
        (5, 2, [3, 2]),  # an image alone has no batch statistics
        (1, 64, [1]),
        (100, 33, [25, 25, 25, 25]),
    ],
)
def test_sizes(n, batch_size, sizes):
    batches = numbered(n).batches(batch_size, CPU)
    assert [len(images) for images, _ in batches] == sizes
    assert len(batches) == len(sizes)


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_sample_once_with_its_own_target_and_weight(shuffle):
    rows = [9, 0, 3, 5, 0, 5, 5]
    samples, seen = numbered(10, rows), []
    for images, (targets, weights) in samples.batches(3, CPU, shuffle):
        pixels = images.view(-1).long()
        assert torch.equal(targets, pixels + 100)
        assert torch.equal(weights, pixels / 10)
        images.fill_(0)  # does not reach the stored images
        seen += pixels.tolist()
    assert len(samples) == 7
    assert sorted(seen) == sorted(rows)
    assert shuffle or seen == sorted(rows)  # the order of X
    assert samples.images.flatten().tolist() == list(range(10))


def test_shuffled_anew_each_epoch_by_torchs_generator():
    def epochs(seed):
        torch.manual_seed(seed)
        batches = numbered(50).batches(8, CPU, shuffle=True)
        return [torch.cat([y for _, (y, _) in batches]).tolist() for _ in range(2)]

    first, second = epochs(0)
    assert first != second
    assert epochs(0) == [first, second]
    assert epochs(1)[0] != first
    before = torch.get_rng_state()
    list(numbered(50).batches(8, CPU))
    assert torch.equal(torch.get_rng_state(), before)
