"""Right and damaged image files of all kinds: read right, or named; no noise, no bomb goes off."""

import io
import threading
import warnings

import numpy as np
import pytest
from PIL import Image

from skblood.images import quiet, read_images
from tests.robustness._odd_files import make_files, outcomes_of_files, right_files
from tests.robustness._outcome import ANSWER

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_files(tmp_path_factory.mktemp("odd"), 300, np.random.default_rng(0))


def test_each_is_read_right_or_named(files):
    outcomes = outcomes_of_files(files)
    assert not [o.detail for o in outcomes if not o.is_allowed]
    right = sum(file.tolerance is not None for file in files)
    assert len(files) == 300
    assert right >= 30
    assert sum(o.kind == ANSWER for o in outcomes) > right


def test_every_kind_is_there(files):
    kinds = {file.kind for file in files}
    assert {"CMYK", "EXIF 6", "16-bit png", "16-bit tiff", "palette", "animated gif"} <= kinds
    assert {"bomb", "dangling", "folder", "device", "text", "zip", "empty"} <= kinds
    damaged = [file for file in files if file.is_random]
    assert len(damaged) > 200


def test_ten_are_named_in_one_error(files):
    bad = [file for file in files if file.tolerance is None and not file.is_random]
    with pytest.raises(ValueError, match=rf"^{len(bad)} of {len(bad)} image files") as error:
        read_images([file.path for file in bad])
    lines = str(error.value).splitlines()[1:11]
    for file, line in zip(bad[:10], lines, strict=True):
        assert str(file.path) in line


# Where a file keeps the upper left corner of what is shown, by its EXIF orientation.
CORNERS = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("top", "left"),
    6: ("bottom", "left"),
    7: ("bottom", "right"),
    8: ("top", "right"),
}


def test_exif_turns_are_the_standards():
    """Written down once more: the files that all else is compared with must be right."""
    cell = np.zeros((24, 24, 3), np.uint8)
    cell[:6, :6] = 255
    files = {kind: content for kind, _, content, _, _ in right_files(cell)}
    parts = {"top": slice(0, 6), "left": slice(0, 6), "bottom": slice(-6, None)}
    parts["right"] = parts["bottom"]
    for tag, (row, column) in CORNERS.items():
        with Image.open(io.BytesIO(files[f"EXIF {tag}"])) as image:
            pixels = np.asarray(image)
        assert (pixels[parts[row], parts[column]] == 255).all(), tag
        assert pixels.mean() < 20


class TestQuiet:
    def test_pillow_is_not_heard(self, tmp_path):
        """A TIFF whose directory names more than the file holds makes Pillow warn."""
        path = tmp_path / "cell.tiff"
        Image.new("L", (8, 8)).save(path, tiffinfo={270: "x" * 200})
        content = path.read_bytes()
        start = int.from_bytes(content[4:8], "little")
        n_entries = int.from_bytes(content[start : start + 2], "little")
        entries = range(start + 2, start + 2 + 12 * n_entries, 12)
        at = next(i for i in entries if content[i : i + 2] == (270).to_bytes(2, "little"))
        damaged = bytearray(content)
        damaged[at + 4 : at + 8] = (10**6).to_bytes(4, "little")
        path.write_bytes(damaged)
        with pytest.warns(UserWarning, match="Tag data larger"), Image.open(path) as image:
            image.getexif()
        read_images([path], unreadable={})  # warnings are errors here

    def test_filters_are_as_before_when_threads_overlap(self):
        before, inside = warnings.filters[:], threading.Barrier(2)
        first_left = threading.Event()

        def first():
            with quiet():
                inside.wait(10)
            first_left.set()

        thread = threading.Thread(target=first)
        thread.start()
        with quiet():
            inside.wait(10)
            assert first_left.wait(10)
            assert warnings.filters != before
        thread.join()
        assert warnings.filters == before

    def test_filters_are_as_before_after_an_error(self):
        before = warnings.filters[:]
        with pytest.raises(KeyError), quiet():
            raise KeyError
        assert warnings.filters == before
