"""PBC, from small archives that pass for it."""

import hashlib
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from skblood.datasets import _pbc, fetch_pbc, load_npz

CLASSES = [
    "basophil",
    "eosinophil",
    "erythroblast",
    "ig",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
]
FILES = [
    "basophil/BA_1.jpg",
    "eosinophil/EO_1.jpg",
    "erythroblast/ERB_1.jpg",
    "ig/IG_5.jpg",
    "ig/MMY_2.jpg",
    "ig/MY_1.jpg",
    "ig/PMY_7.jpg",
    "lymphocyte/LY_1.jpg",
    "monocyte/MO_1.jpg",
    "neutrophil/BNE_3.jpg",
    "neutrophil/SNE_1.jpg",
    "neutrophil/SNE_2.jpg",
    "platelet/PLATELET_1.jpg",
]
LABELS = [name.split("/")[0] for name in FILES]
NAMES = [name.split("/")[1] for name in FILES]
ROOT = "PBC_dataset_normal_DIB"


def draw(i):
    """Return a picture of the usual size whose centre of 200 x 200 pixels has its own colour."""
    image = Image.new("RGB", (360, 363))
    image.paste((20 * i, 250 - 20 * i, 128), (80, 81, 280, 281))
    return image


def encode(image):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95)
    return file.getvalue()


def pack(contents):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.fixture(scope="module")
def contents():
    """What the archive holds, in another order, with the strays of the published one."""
    images = {f"{ROOT}/{name}": encode(draw(i)) for i, name in enumerate(FILES)}
    return dict(
        reversed(
            [
                *images.items(),
                (f"{ROOT}/neutrophil/.DS_169665.jpg", b"no image"),
                (f"{ROOT}/.DS_Store", b"no image"),
                (f"__MACOSX/{ROOT}/basophil/._BA_1.jpg", b"no image"),
            ]
        )
    )


@pytest.fixture(autouse=True)
def served(server, monkeypatch, contents):
    """A server of the archive; the numbers of images are those of FILES."""
    monkeypatch.setattr(_pbc, "_URL", server.url)

    def publish(contents):
        server.content = pack(contents)
        checksum = f"sha256:{hashlib.sha256(server.content).hexdigest()}"
        monkeypatch.setattr(_pbc, "_CHECKSUM", checksum)

    server.publish = publish
    publish(contents)
    counts = {label: LABELS.count(label) for label in CLASSES}
    monkeypatch.setattr(_pbc, "_PUBLISHED", counts)
    return server


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def archive(home, served):
    """The archive, put into the data home by hand."""
    home.mkdir()
    path = home / f"{ROOT}.zip"
    path.write_bytes(served.content)
    return path


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


class TestPaths:
    def test_dataset(self, home):
        cells = fetch_pbc(home)
        assert cells.paths is cells.data
        assert cells.data.tolist() == [str(home / ROOT / name) for name in FILES]
        assert cells.target.tolist() == LABELS
        assert cells.target_names.tolist() == CLASSES
        for part in ["CC BY 4.0", "Acevedo", "snkd93bnjr", "13 images (basophil 1"]:
            assert part in cells.DESCR

    def test_frame(self, home):
        frame = fetch_pbc(home).frame
        assert list(frame) == ["file", "label", "subtype"]
        assert frame["file"].tolist() == NAMES
        assert frame["label"].tolist() == LABELS
        subtypes = ["BA", "EO", "ERB", "IG", "MMY", "MY", "PMY", "LY", "MO", "BNE", "SNE", "SNE"]
        assert frame["subtype"].tolist() == [*subtypes, "PLATELET"]

    def test_return_X_y(self, home):
        X, y = fetch_pbc(home, return_X_y=True)
        assert len(X) == 13
        assert y.tolist() == LABELS

    def test_files_are_those_of_the_archive(self, home, contents):
        fetch_pbc(home)
        for name in FILES:
            assert (home / ROOT / name).read_bytes() == contents[f"{ROOT}/{name}"]
        assert visible(home / ROOT / "neutrophil") == ["BNE_3.jpg", "SNE_1.jpg", "SNE_2.jpg"]

    def test_home_of_the_environment(self, home, monkeypatch):
        monkeypatch.setenv("SKBLOOD_DATA_HOME", str(home))
        assert fetch_pbc().data[0].startswith(str(home))


class TestWhereItComesFrom:
    def test_downloaded_and_extracted_once(self, home, served):
        fetch_pbc(home)
        times = {name: (home / ROOT / name).stat().st_mtime_ns for name in FILES}
        (home / f"{ROOT}.zip").unlink()
        fetch_pbc(home)
        assert {name: (home / ROOT / name).stat().st_mtime_ns for name in FILES} == times
        assert served.asked == [None]
        assert visible(home) == [ROOT]

    def test_broken_off_and_gone_on_with(self, home, served, contents):
        served.breaks = [65536]
        served.publish({"padding": bytes(100_000), **contents})
        assert len(fetch_pbc(home).data) == 13
        assert served.asked == [None, "bytes=65536-"]

    def test_archive_put_there_by_hand(self, home, archive, served):
        before = archive.stat().st_mtime_ns
        assert len(fetch_pbc(home, download=False).data) == 13
        assert archive.stat().st_mtime_ns == before
        assert served.asked == []

    @pytest.mark.parametrize("nested", [ROOT, f"{ROOT}/{ROOT}"])
    def test_folder_put_there_by_hand(self, home, contents, served, nested):
        with zipfile.ZipFile(io.BytesIO(served.content)) as archive:
            archive.extractall((home / nested).parent)
        assert fetch_pbc(home, download=False).frame["file"].tolist() == NAMES
        assert served.asked == []
        assert visible(home) == (
            ["PBC_dataset_normal_DIB", "__MACOSX"] if nested == ROOT else [ROOT]
        )

    def test_download_false(self, home, served):
        with pytest.raises(OSError, match=r"DIB\.zip' is not there. Pass download=True, or: Down"):
            fetch_pbc(home, download=False)
        assert served.asked == []
        assert not home.exists()

    def test_no_network(self, home, closed_url, monkeypatch):
        monkeypatch.setattr(_pbc, "_URL", closed_url)
        with pytest.raises(OSError, match="by hand and save it as") as caught:
            fetch_pbc(home)
        assert str(home / f"{ROOT}.zip") in str(caught.value)

    def test_home_that_is_a_file(self, home):
        home.write_text("a file")
        with pytest.raises(OSError, match=r"cannot be written to the folder .*home.*data_home="):
            fetch_pbc(home)

    def test_another_process_was_first(self, home, monkeypatch):
        """It has extracted while this one waited for the lock."""
        fetch_pbc(home)
        monkeypatch.setattr(_pbc, "_extract", lambda *args: pytest.fail("extracted again"))
        _pbc._provide(home / ROOT, download=False)

    def test_damaged_archive_is_replaced(self, home, archive, served):
        archive.write_bytes(b"<html>Who are you?</html>")
        assert len(fetch_pbc(home).data) == 13
        assert archive.read_bytes() == served.content

    def test_download_that_is_another_file(self, home, served):
        served.content = b"<html>Who are you?</html>"
        with pytest.raises(OSError, match=r"does not match .*by hand"):
            fetch_pbc(home)
        assert visible(home) == []

    def test_broken_off_while_extracting(self, home, monkeypatch):
        def fail(source, target):
            target.write(b"half")
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(_pbc.shutil, "copyfileobj", fail)
            with pytest.raises(KeyboardInterrupt):
                fetch_pbc(home)
        assert visible(home) == [f"{ROOT}.zip"]
        assert not list(home.glob(f".{ROOT}-*"))
        assert len(fetch_pbc(home).data) == 13

    def test_names_that_lead_elsewhere(self, home, served, contents, tmp_path):
        odd = [
            "../../ig/MY_6.jpg",
            "ig/../../EVIL_1.jpg",
            "/EVIL_2.jpg",
            "ig/..",
            "../ig/C:EVIL_3.jpg",
        ]
        served.publish({**contents, **dict.fromkeys(odd, b"odd")})
        with pytest.warns(UserWarning, match="but ig 5 instead of 4"):
            fetch_pbc(home)
        assert (home / ROOT / "ig" / "MY_6.jpg").read_bytes() == b"odd"
        assert not list(tmp_path.rglob("*EVIL*"))

    def test_folder_with_other_numbers_of_images(self, home):
        fetch_pbc(home)
        (home / ROOT / "ig" / "MY_1.jpg").unlink()
        (home / ROOT / "ghosts").mkdir()
        (home / ROOT / "ghosts" / "G_1.jpg").touch()
        with pytest.warns(UserWarning, match="ghosts 1 instead of 0, ig 3 instead of 4") as caught:
            cells = fetch_pbc(home)
        assert len(cells.data) == 13
        assert caught[0].filename == __file__


class TestImages:
    @pytest.mark.parametrize("size", [28, 64, 128, 224])
    def test_centre_of_the_originals(self, home, size):
        cells = fetch_pbc(home, size=size)
        assert cells.images is cells.data
        assert cells.data.shape == (13, size, size, 3)
        assert cells.data.dtype == np.uint8
        assert cells.target.tolist() == LABELS
        assert cells.frame["file"].tolist() == NAMES
        for i, image in enumerate(cells.data):
            # The border has the blur of JPEG, as wide as one of its blocks.
            rim = size // 10
            inner = image[rim:-rim, rim:-rim].reshape(-1, 3)
            np.testing.assert_allclose(inner - [20.0 * i, 250 - 20 * i, 128], 0, atol=4)

    def test_recipe_is_that_of_pillow(self, home):
        noise = np.random.default_rng(0).integers(0, 256, (369, 366, 3), dtype=np.uint8)
        fetch_pbc(home)
        path = home / ROOT / FILES[3]
        path.write_bytes(encode(Image.fromarray(noise)))
        with Image.open(path) as image:
            pixels = np.asarray(image)[84:284, 83:283]
        expected = Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(fetch_pbc(home, size=64).data[3], np.asarray(expected))

    def test_files_that_were_resized_before(self, home):
        fetch_pbc(home)
        path = home / ROOT / FILES[2]
        path.write_bytes(encode(Image.new("RGB", (224, 224))))
        with pytest.raises(ValueError, match=r"ERB_1.jpg' has 224 x 224 pixels; the originals"):
            fetch_pbc(home, size=28)

    @pytest.mark.parametrize("size", [32, "28", (28, 28)])
    def test_size(self, home, size):
        with pytest.raises(ValueError, match=r"None or one of \(28, 64, 128, 224\), got "):
            fetch_pbc(home, size=size)
        assert not home.exists()


@pytest.mark.real
def test_pixels_of_real_cells(real_data):
    """200 originals of the validation split, and the same cells in the file made of all of them."""
    import pandas as pd

    split = pd.read_csv(real_data / "pbc" / "split.csv")
    # The rows of the file are those of the split, by class and name.
    val = split[split["split"] == "val"].sort_values(["label", "file"], ignore_index=True)
    X, y = load_npz(real_data / "pbc" / "pbc_28.npz", "val", return_X_y=True)
    assert [CLASSES[code] for code in y] == val["label"].tolist()
    paths = real_data / "pbc" / "originals_val" / val["label"] / val["file"]
    rows = [i for i, path in enumerate(paths) if path.is_file()]
    assert len(rows) == 200
    np.testing.assert_array_equal(_pbc._read([str(paths[i]) for i in rows], 28), X[rows])
    assert all(_pbc._FILE_NAME.fullmatch(name) for name in split["file"])
    assert (split["subtype"] == split["file"].str.partition("_")[0]).all()


def test_published_numbers(monkeypatch):
    monkeypatch.undo()
    assert sum(_pbc._PUBLISHED.values()) == 17092
    assert list(_pbc._PUBLISHED) == CLASSES
