"""Fingerprints: which changes of an image they survive, and what they keep apart."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.spatial import cKDTree

from skblood.datasets import load_image_folder, load_npz, make_blood_cells
from skblood.images import map_images, read_images, resize_images
from skblood.pretrained import FINGERPRINT_FILES, find_training_overlap
from skblood.pretrained._fingerprints import (
    LENGTH,
    RADIUS,
    compute_fingerprints,
    match_fingerprints,
)


@pytest.fixture(scope="module")
def cells():
    """240 synthetic cells of 64 px, of which the first 140 are in the tree."""
    return make_blood_cells(240, image_size=64, random_state=0)[0]


@pytest.fixture(scope="module")
def tree(cells):
    return cKDTree(compute_fingerprints(cells[:140])[:, 0])


def compress(images):
    buffers = [io.BytesIO() for _ in images]
    for image, buffer in zip(images, buffers, strict=True):
        Image.fromarray(image).save(buffer, "JPEG", quality=60)
    return np.stack([np.asarray(Image.open(buffer)) for buffer in buffers])


def embed_in_original(images):
    """Return images as PBC's originals are: the cell in the central 200 px of 360 x 363."""
    large = np.full((len(images), 363, 360, 3), 200, np.uint8)
    large[:, 81:281, 80:280] = resize_images(images, (200, 200), "bicubic")
    return large


FORMS = {
    "28 px": lambda images: resize_images(images, (28, 28), "bicubic"),
    "150 px": lambda images: resize_images(images, (150, 150)),
    "jpeg": compress,
    "brighter": lambda images: (images * 0.8 + 30).round().astype(np.uint8),
    "gray": lambda images: (images @ [0.299, 0.587, 0.114]).astype(np.uint8)[..., None],
    "original": embed_in_original,
    "small original": lambda images: resize_images(embed_in_original(images), (64, 64)),
}


@pytest.mark.parametrize("change", FORMS.values(), ids=FORMS)
def test_changed_images_match_and_others_do_not(cells, tree, change):
    """Synthetic cells are more alike than real ones: a few false matches are expected."""
    matches = match_fingerprints(compute_fingerprints(change(cells[100:200])), tree)
    assert matches[:40].mean() >= 0.95
    assert matches[40:].sum() <= 2


def test_noise_blank_images_and_other_crops_do_not_match(cells, tree):
    noise = np.random.default_rng(0).integers(0, 256, size=(50, 40, 40, 3), dtype=np.uint8)
    blank = np.full((3, 40, 40, 3), [[[[0]]], [[[128]]], [[[255]]]], np.uint8)
    odd = compute_fingerprints(np.concatenate([noise, blank]))
    assert not match_fingerprints(odd, tree).any()
    assert match_fingerprints(compute_fingerprints(cells[:40, 15:, 15:]), tree).mean() < 0.2


def test_codes(cells, monkeypatch):
    codes = compute_fingerprints(cells[:20])
    assert codes.shape == (20, 2, LENGTH) == (20, 2, 16) and codes.dtype == np.int8
    assert np.abs(np.linalg.norm(codes.astype(float), axis=2) - 127).max() < 2
    assert compute_fingerprints(cells[:0]).shape == (0, 2, LENGTH)
    monkeypatch.setattr("skblood.pretrained._fingerprints._CHUNK", 1)
    assert np.array_equal(compute_fingerprints(cells[:20]), codes)
    # An image of a single cosine, in the central 80 %, has a single coefficient.
    wave = np.cos(np.pi * 2 * (np.arange(60) + 0.5 - 6) / 48)
    image = np.broadcast_to(np.rint(128 + 100 * wave)[None, :, None], (60, 60, 3))
    code = np.sort(np.abs(compute_fingerprints(image[None].astype(np.uint8))[0, 0]))
    assert code[-1] >= 126 and code[-2] <= 1


def test_files_of_the_package(cells):
    for file, least in zip(FINGERPRINT_FILES["blood8-2"], (10_000, 450), strict=True):
        codes = np.load(file, allow_pickle=False)
        assert codes.dtype == np.int8 and codes.shape[1] == LENGTH
        assert least < len(codes)
        assert file.stat().st_size < 200_000
        assert len(np.unique(codes, axis=0)) == len(codes)
    assert not find_training_overlap(cells).any()


@pytest.mark.real
class TestRealCells:
    """PBC (Acevedo et al. 2020), BloodMNIST recipe, own split."""

    def test_training_cells_at_three_sizes(self, real_data):
        paths, _ = load_image_folder(real_data / "pbc" / "128px" / "train", return_X_y=True)
        assert find_training_overlap(read_images(paths[::40])).all()
        X = load_npz(real_data / "pbc" / "pbc_28.npz", "train").data[::40]
        assert find_training_overlap(X).all()
        assert find_training_overlap(resize_images(X, (224, 224))).all()

    def test_other_parts_hold_the_known_copies_only(self, real_data):
        """Two pairs of byte-identical files cross from train to test, and three to val."""
        for part, n in {"val": 3, "test": 2}.items():
            X = load_npz(real_data / "pbc" / "pbc_28.npz", part).data
            assert find_training_overlap(X).sum() == n

    def test_cells_of_the_second_laboratory(self, real_data):
        paths = sorted((real_data / "labs" / "chula").glob("*/*.webp"))[::10]
        X = read_images(paths, size=(128, 128))
        assert find_training_overlap(X, ["blood8-2"]).all()
        assert not find_training_overlap(X, ["pbc"]).any()

    def test_originals(self, real_data):
        """Originals exist for val only, and are compared with the 128 px cells of val."""
        folder = real_data / "pbc"
        paths, _ = load_image_folder(folder / "128px" / "val", return_X_y=True)
        tree = cKDTree(compute_fingerprints(read_images(paths))[:, 0])
        originals, _ = load_image_folder(folder / "originals_val", return_X_y=True)
        codes, _ = map_images(lambda image: compute_fingerprints(image[None])[0], originals[::4])
        codes = np.stack(codes)
        assert match_fingerprints(codes, tree).all()
        distance, _ = tree.query(codes[:, 1])
        assert distance.max() <= RADIUS < tree.query(codes[:, 1], k=2)[0][:, 1].min()
