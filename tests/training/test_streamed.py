"""Batches of a stream: shuffle buffer, reading ahead, what cannot be read."""

import threading
import warnings
from itertools import chain

import numpy as np
import pytest
import torch

from skblood.images import EncodedImage, Layout, StreamedImages, content_keys, read_images
from skblood.training._samples import Samples
from skblood.training._streamed import StreamedSamples

CPU = torch.device("cpu")
BROKEN = EncodedImage(b"no image", "broken.png")


def numbered(n):
    """Return images of 4 x 4 whose red pixels are their number."""
    images = np.full((n, 4, 4, 3), 200, np.uint8)
    images[..., 0] = np.arange(n).astype(np.uint8)[:, None, None]
    return images


@pytest.fixture
def make(make_stream):
    """Return a function that makes samples of numbered images in parts of ten."""

    def make(n=50, rows=None, codes=None, images=None, keys=None, **options):
        images = numbered(n) if images is None else images
        streamed = StreamedImages(make_stream(images, 10, **options), Layout(None, 1.0, "bilinear"))
        rows = np.arange(len(images)) if rows is None else np.array(rows)
        codes = (rows + 100) if codes is None else codes[rows]
        weights = (rows / 10).astype(np.float32)
        return StreamedSamples(streamed, rows, codes, weights, keys)

    return make


def run(samples, batch_size=8, seed=0, shuffle=True):
    """Return the numbers of the images in each batch of an epoch."""
    torch.manual_seed(seed)
    return [x[:, 0, 0, 0].tolist() for x, _ in samples.batches(batch_size, CPU, shuffle)]


def readers():
    """Return the threads that read shards."""
    return [each for each in threading.enumerate() if each.name.startswith("skblood-shards")]


@pytest.mark.parametrize(
    ("n", "batch_size"), [(10, 10), (11, 10), (21, 10), (4, 2), (5, 2), (100, 33)]
)
@pytest.mark.parametrize("buffer_size", [1, 12, 1000])
def test_batches_are_as_large_as_in_memory(make, n, batch_size, buffer_size):
    samples = make(n, buffer_bytes=buffer_size * 48)
    stored = Samples(torch.zeros(n, 1), torch.arange(n), torch.zeros(n), torch.zeros(n))
    expected = [len(x) for x, _ in stored.batches(batch_size, CPU)]
    assert [len(batch) for batch in run(samples, batch_size)] == expected
    assert len(samples.batches(batch_size, CPU)) == len(expected)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("rows", [range(50), [0, 3, 5, 17, 18, 49]])
def test_every_sample_once_with_its_own_target_and_weight(make, rows, shuffle):
    samples, seen = make(50, rows, buffer_bytes=6 * 48), []
    batches = samples.batches(4, CPU, shuffle)
    for i, (images, (targets, weights)) in enumerate(batches):
        numbers = images[:, 0, 0, 0].long()
        assert images.shape[1:] == (3, 4, 4)
        assert torch.equal(targets, numbers + 100)
        assert torch.equal(weights, numbers / 10)
        assert batches.positions(i) == numbers.tolist()
        seen += numbers.tolist()
    assert sorted(seen) == list(rows)
    assert shuffle or seen == list(rows)


def test_seeded_by_torchs_generator(make):
    samples = make(50, buffer_bytes=20 * 48)
    first = run(samples)
    assert run(samples) == first
    assert run(samples, seed=1) != first
    torch.manual_seed(0)
    epochs = [[y.tolist() for _, (y, _) in samples.batches(8, CPU, True)] for _ in range(2)]
    assert epochs[0] != epochs[1]
    before = torch.get_rng_state()
    list(samples.batches(8, CPU))
    assert torch.equal(torch.get_rng_state(), before)


def test_batches_mix_the_open_parts(make):
    batches = run(make(200, buffer_bytes=80 * 48, n_open=8), batch_size=40)
    n_parts = [len({number // 10 for number in batch}) for batch in batches]
    assert min(n_parts) >= 6


def test_a_full_buffer_is_a_full_shuffle(make):
    # Each place in the epoch is reached by images of all parts alike.
    epochs = np.array([np.concatenate(run(make(50), seed=seed)) for seed in range(60)])
    mean = epochs.mean(0)
    assert np.abs(mean - 24.5).max() < 4 * epochs.std() / np.sqrt(60)


@pytest.mark.parametrize("n_open", [1, 3])
def test_only_the_buffer_and_what_is_ahead_is_read(make, n_open):
    samples = make(3000, buffer_bytes=64 * 48, n_open=n_open)
    stream = samples.images.stream
    stream.n_read = 0
    batches = iter(samples.batches(8, CPU, True))
    next(batches)
    batches.close()
    assert stream.n_read <= 64 + 4 * (256 + 32 * n_open)


class TestSortedShards:
    def test_classes_of_sorted_shards_are_spread_over_the_epoch(self, make):
        codes = np.repeat(np.arange(4), 50)  # of 20 parts of ten images
        samples = make(200, codes=codes, n_open=1, buffer_bytes=1)
        batches = samples.batches(10, CPU, True)
        for seed in range(30):  # in the first half of an epoch, about half of each class's parts
            parts = batches._draw_parts(np.random.default_rng(seed))
            assert sorted(parts) == list(range(20))
            assert np.isin(np.bincount(parts[:10] // 5), [1, 2, 3, 4]).all()

    def test_a_small_buffer_holds_images_of_all_open_shards(self, make):
        codes = np.repeat(np.arange(5), 40)
        samples = make(200, codes=codes, n_open=10, buffer_bytes=20 * 48)
        for seed in range(5):
            assert len({n // 10 for n in chain(*run(samples, 10, seed)[:2])}) >= 8

    def test_a_buffer_of_one_class_warns(self, make):
        samples = make(50, codes=np.arange(50) // 25, buffer_bytes=9 * 48, n_open=1)
        with pytest.warns(UserWarning, match="All . images of the shuffle buffer are of one class"):
            run(samples, batch_size=4)

    @pytest.mark.parametrize("options", [{"n_open": 5}, {"n_open": 1, "buffer_bytes": 50 * 48}])
    def test_no_warning_if_classes_are_mixed(self, make, options):
        options = {"buffer_bytes": 25 * 48} | options
        assert run(make(50, codes=np.arange(50) // 25, **options), batch_size=4)

    def test_no_warning_in_the_given_order(self, make):
        assert run(make(50, codes=np.arange(50) // 25), shuffle=False)


class TestUnreadable:
    def images(self, *places, n=21):
        return [BROKEN if i in places else image for i, image in enumerate(numbered(n))]

    def test_raised_with_the_name(self, make):
        with pytest.raises(ValueError, match=r"broken\.png: not an image"):
            run(make(images=self.images(20)))
        assert readers() == []

    @pytest.mark.parametrize("places", [(20,), (3, 7), tuple(range(10)), tuple(range(1, 20))])
    def test_skipped_and_told_once(self, make, places):
        samples = make(images=self.images(*places), on_error="skip")
        with pytest.warns(UserWarning, match="cannot be trained on") as caught:
            batches = run(samples, batch_size=5)
        assert "broken.png" in str(caught[0].message)
        assert sorted(chain(*batches)) == [i for i in range(21) if i not in places]
        assert min(map(len, batches)) >= 2
        assert run(samples, batch_size=5) == batches

    def test_nothing_left(self, make):
        samples = make(images=self.images(*range(1, 21)), on_error="skip")
        with pytest.raises(ValueError, match="1 image is left"):
            run(samples)


class TestCopiesOfValidationImages:
    keys = content_keys(numbered(20)[[4, 15]])[:, 0]

    def test_left_out_and_told_once(self, make):
        samples = make(20, keys=self.keys)
        with pytest.warns(UserWarning, match="2 images of X are among those of the validation"):
            batches = run(samples)
        assert sorted(chain(*batches)) == [i for i in range(20) if i not in (4, 15)]
        assert run(samples) == batches


class TestThread:
    def test_an_error_of_the_stream_is_raised_here(self, make):
        samples = make(50)
        samples.images.stream.read_part = lambda part, size: 1 / 0
        with pytest.raises(ZeroDivisionError):
            run(samples)
        assert readers() == []

    @pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, RuntimeError])
    def test_none_is_left_after_an_interrupt(self, make, error):
        batches = iter(make(2000, buffer_bytes=16 * 48).batches(4, CPU, True))
        next(batches)
        assert len(readers()) == 1
        with pytest.raises(error):
            batches.throw(error)
        assert readers() == []

    def test_a_part_that_has_changed(self, make):
        samples = make(50)
        samples.images.stream.parts[3].pop()
        with pytest.raises(ValueError, match="part 3 has changed since it was opened"):
            run(samples)
        samples.images.stream.parts[3] *= 2
        with pytest.raises(ValueError, match="part 3 has changed since it was opened"):
            run(samples)


class TestPixels:
    @pytest.mark.parametrize("crop", [1.0, 0.5])
    @pytest.mark.parametrize("size", [None, (6, 6), (12, 12), (5, 9)])
    def test_as_read_from_files(self, make_stream, size, crop):
        images = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3)).astype(np.uint8)
        stream = make_stream(images, 10)
        streamed = StreamedImages(stream, Layout(size, crop, "bilinear"))
        chunks = list(streamed.chunks(range(3), np.ones(30, bool)))
        pixels = np.concatenate([pixels for _, pixels in chunks])
        expected = StreamedImages.resized(streamed, read_images(list(stream), size=size, crop=crop))
        assert streamed.shape == (30, *pixels.shape[1:])
        assert np.array_equal(pixels, expected)

    def test_of_several_sizes(self, make_stream):
        images = [np.full((8, 8, 3), 99, np.uint8)] * 40 + [np.full((9, 8, 3), 99, np.uint8)] * 40
        streamed = StreamedImages(make_stream(images, 40), Layout((4, 4), 1.0, "bilinear"))
        assert [len(x) for _, x in streamed.chunks([1], np.ones(80, bool))] == [40]

    def test_several_sizes_without_image_size(self, make_stream):
        images = [np.full((8, 8, 3), 99, np.uint8)] * 1100 + [np.full((9, 8, 3), 99, np.uint8)] * 10
        streamed = StreamedImages(make_stream(images, 1110), Layout(None, 1.0, "bilinear"))
        with pytest.raises(ValueError, match=r"fitted with \(8, 8, 3\)|Set image_size"):
            list(streamed.chunks([0], np.arange(1110) >= 1100))

    def test_some_rows(self, make):
        streamed = make(50).images
        rows, images = streamed.select(np.array([2, 30, 31]))
        assert rows.tolist() == [2, 30, 31] == images.pixels[:, 0, 0, 0].tolist()

    def test_some_rows_of_which_one_cannot_be_read(self, make):
        images = [*numbered(9), BROKEN]
        with warnings.catch_warnings():
            streamed = make(images=images, on_error="skip").images
        rows, found = streamed.select(np.array([2, 9]))
        assert rows.tolist() == [2] == found.pixels[:, 0, 0, 0].tolist()
