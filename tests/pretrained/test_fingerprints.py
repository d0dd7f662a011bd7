"""Fingerprints: what they know again, and what they do not take for one another."""

import io

import numpy as np
import pytest
from PIL import Image

from skblood.datasets import load_image_folder, load_npz, make_blood_cells
from skblood.images import map_images, read_images, resize_images
from skblood.pretrained import _seen
from skblood.pretrained._fingerprints import LENGTH, RADIUS, as_tree, fingerprints, known


@pytest.fixture(scope="module")
def cells():
    """300 drawn cells of 128 px."""
    return make_blood_cells(300, image_size=128, random_state=0)[0]


@pytest.fixture(scope="module")
def tree(cells):
    return as_tree(fingerprints(cells[:200])[:, 0])


def resized(side, interpolation="bilinear"):
    return lambda images: resize_images(images, (side, side), interpolation)


def compressed(images):
    """As JPEG of middling quality."""
    buffers = [io.BytesIO() for _ in images]
    for image, buffer in zip(images, buffers, strict=True):
        Image.fromarray(image).save(buffer, "JPEG", quality=60)
    return np.stack([np.asarray(Image.open(buffer)) for buffer in buffers])


def brighter(images):
    return (images * 0.8 + 30).round().astype(np.uint8)


def framed(images):
    """As the originals of PBC: the cell in the middle 200 px of 360 x 363."""
    large = np.full((len(images), 363, 360, 3), 200, np.uint8)
    large[:, 81:281, 80:280] = resize_images(images, (200, 200), "bicubic")
    return large


def framed_and_small(images):
    """As an estimator with image_size=64 reads originals."""
    return resize_images(framed(images), (64, 64))


FORMS = {
    "28 px": resized(28, "bicubic"),
    "48 px": resized(48),
    "64 px": resized(64),
    "224 px": resized(224, "bicubic"),
    "jpeg": compressed,
    "brighter": brighter,
    "gray": lambda images: (images @ [0.299, 0.587, 0.114]).astype(np.uint8)[..., None],
    "original": framed,
    "small original": framed_and_small,
}


class TestKnownAgain:
    @pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
    def test_in_every_form(self, cells, tree, form):
        found = known(fingerprints(form(cells[:40])), tree)
        assert found.mean() >= 0.95

    @pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
    def test_others_are_not(self, cells, tree, form):
        """Drawn cells are more alike than real ones; two of one type may be taken for another."""
        assert known(fingerprints(form(cells[200:])), tree).sum() <= 2

    def test_noise_and_blanks_are_not(self, tree):
        rng = np.random.default_rng(0)
        noise = rng.integers(0, 256, size=(50, 40, 40, 3), dtype=np.uint8)
        blank = np.full((3, 40, 40, 3), [[[[0]]], [[[128]]], [[[255]]]], np.uint8)
        assert not known(fingerprints(np.concatenate([noise, blank])), tree).any()

    def test_another_crop_is_not(self, cells, tree):
        """What no framing of the two shows is not looked for."""
        assert known(fingerprints(cells[:40, 30:, 30:]), tree).mean() < 0.2


class TestCodes:
    def test_form(self, cells):
        codes = fingerprints(cells[:3])
        assert codes.shape == (3, 2, LENGTH) and codes.dtype == np.int8
        assert LENGTH == 16
        norms = np.linalg.norm(codes.astype(float), axis=2)
        assert np.abs(norms - 127).max() < 2  # whatever the contrast

    def test_one_at_a_time_or_all(self, cells, monkeypatch):
        together = fingerprints(cells[:20])
        alone = np.concatenate([fingerprints(cells[i : i + 1]) for i in range(20)])
        assert np.array_equal(together, alone)
        monkeypatch.setattr("skblood.pretrained._fingerprints._CHUNK", 1)
        assert np.array_equal(fingerprints(cells[:20]), together)

    def test_none(self):
        codes = fingerprints(np.empty((0, 20, 20, 3), np.uint8))
        assert codes.shape == (0, 2, LENGTH)

    def test_a_wave_is_itself(self):
        """An image of one cosine wave has that wave, and no other."""
        across = (np.arange(60) + 0.5 - 6) / 48  # from 0 to 1 in the part that is looked at
        wave = np.cos(np.pi * 2 * across)
        image = np.broadcast_to(np.rint(128 + 100 * wave)[None, :, None], (60, 60, 3))
        code = fingerprints(image[None].astype(np.uint8))[0, 0]
        assert np.abs(code).max() >= 126
        assert np.sort(np.abs(code))[-2] <= 1

    def test_the_images_are_left_as_they_are(self, cells):
        copy = cells[:5].copy()
        copy.setflags(write=False)
        fingerprints(copy)
        assert np.array_equal(copy, cells[:5])


class TestFile:
    def test_it_is_small_and_distinct(self):
        codes = np.load(_seen._FILE, allow_pickle=False)
        assert codes.dtype == np.int8 and codes.shape[1] == LENGTH
        assert len(codes) > 10_000
        assert _seen._FILE.stat().st_size < 200_000
        assert len(np.unique(codes, axis=0)) == len(codes)

    def test_drawn_cells_are_not_in_it(self, cells):
        assert not _seen.seen(cells).any()


@pytest.mark.real
class TestRealCells:
    """PBC (Acevedo et al. 2020), BloodMNIST recipe, own split."""

    def test_training_cells_of_128_px(self, real_data):
        paths, _ = load_image_folder(real_data / "pbc" / "128px" / "train", return_X_y=True)
        assert _seen.seen(read_images(paths[::40])).all()

    @pytest.mark.parametrize("side", [28, 64, 224])
    def test_training_cells_of_28_px_and_made_larger(self, real_data, side):
        X = load_npz(real_data / "pbc" / "pbc_28.npz", "train").data[::40]
        assert _seen.seen(resize_images(X, (side, side))).all()

    def test_test_cells_are_not_but_for_copies(self, real_data):
        """Two pairs of byte-identical files cross from train to test, and three to val."""
        for part, n in {"val": 3, "test": 2}.items():
            X = load_npz(real_data / "pbc" / "pbc_28.npz", part).data
            assert _seen.seen(X).sum() == n

    def test_originals(self, real_data):
        """There are originals of val only: the 128 px cells of val are what is looked for."""
        folder = real_data / "pbc"
        paths, _ = load_image_folder(folder / "128px" / "val", return_X_y=True)
        tree = as_tree(fingerprints(read_images(paths))[:, 0])
        originals, _ = load_image_folder(folder / "originals_val", return_X_y=True)
        codes, _ = map_images(lambda image: fingerprints(image[None])[0], originals[::4])
        codes = np.stack(codes)
        assert known(codes, tree).all()
        distance, _ = tree.query(codes[:, 1])
        assert distance.max() <= RADIUS < tree.query(codes[:, 1], k=2)[0][:, 1].min()
