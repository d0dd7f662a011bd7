"""fetch_pbc, on small archives in place of PBC."""

import hashlib
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from skblood.datasets import _pbc, fetch_pbc, load_npz

ROOT = "PBC_dataset_normal_DIB"
FILES = [
    *("basophil/BA_1.jpg", "eosinophil/EO_1.jpg", "erythroblast/ERB_1.jpg", "ig/IG_5.jpg"),
    *("ig/MMY_2.jpg", "ig/MY_1.jpg", "ig/PMY_7.jpg", "lymphocyte/LY_1.jpg", "monocyte/MO_1.jpg"),
    *("neutrophil/BNE_3.jpg", "neutrophil/SNE_1.jpg", "platelet/PLATELET_1.jpg"),
]
LABELS = [name.split("/")[0] for name in FILES]
NAMES = [name.split("/")[1] for name in FILES]


def draw(i):
    """Return an image of the usual size, with a color of its own in the central 200 pixels."""
    image = Image.new("RGB", (360, 363))
    image.paste((20 * i, 250 - 20 * i, 128), (80, 81, 280, 281))
    return image


def encode(image):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95)
    return file.getvalue()


@pytest.fixture(scope="module")
def archive():
    """An archive with the images in another order, and hidden files as in the published one."""
    contents = {f"{ROOT}/{name}": encode(draw(i)) for i, name in enumerate(FILES)}
    hidden = ["neutrophil/.DS_169665.jpg", ".DS_Store"]
    contents |= {f"{ROOT}/{name}": b"no image" for name in hidden}
    contents[f"__MACOSX/{ROOT}/basophil/._BA_1.jpg"] = b"no image"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in reversed(contents):
            archive.writestr(name, contents[name])
    return file.getvalue()


@pytest.fixture(autouse=True)
def published(server, monkeypatch, archive, classes):
    server.content = archive
    monkeypatch.setattr(_pbc, "_URL", server.url)
    monkeypatch.setattr(_pbc, "_CHECKSUM", f"sha256:{hashlib.sha256(archive).hexdigest()}")
    monkeypatch.setattr(_pbc, "_PUBLISHED", {label: LABELS.count(label) for label in classes})


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_dataset(home, classes, server, monkeypatch):
    monkeypatch.setenv("SKBLOOD_DATA_HOME", str(home))
    cells = fetch_pbc()
    assert cells.paths is cells.data
    assert cells.data.tolist() == [str(home / ROOT / name) for name in FILES]
    assert cells.target.tolist() == LABELS
    assert cells.target_names.tolist() == classes
    assert list(cells.frame) == ["file", "label", "subtype"]
    assert cells.frame["file"].tolist() == NAMES
    assert cells.frame["label"].tolist() == LABELS
    assert cells.frame["subtype"].tolist() == [name.split("_")[0] for name in NAMES]
    for part in ["CC BY 4.0", "Acevedo", "snkd93bnjr", "12 images (basophil 1"]:
        assert part in cells.DESCR
    # The archive is extracted once, and not needed any more.
    (home / f"{ROOT}.zip").unlink()
    X, y = fetch_pbc(home, return_X_y=True)
    assert (X.tolist(), y.tolist()) == (cells.data.tolist(), LABELS)
    assert visible(home) == [ROOT]
    assert server.n_requests == 1


def test_archive_placed_by_hand(home, archive, server):
    home.mkdir()
    (home / f"{ROOT}.zip").write_bytes(archive)
    assert len(fetch_pbc(home, download=False).data) == 12
    assert server.n_requests == 0


@pytest.mark.parametrize("parent", ["", ROOT])
def test_folder_placed_by_hand(home, archive, server, parent):
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        file.extractall(home / parent)
    assert fetch_pbc(home, download=False).frame["file"].tolist() == NAMES
    assert server.n_requests == 0


def test_no_archive(home, server):
    with pytest.raises(OSError, match=r"DIB\.zip' is missing or damaged. Pass download=True"):
        fetch_pbc(home, download=False)
    assert not home.exists()
    server.content = b"<html>Log in</html>"
    with pytest.raises(OSError, match=r"does not match .*by hand"):
        fetch_pbc(home)
    assert visible(home) == []


def test_interrupted_while_extracting(home, monkeypatch):
    def extract(file, folder):
        file.extract(f"{ROOT}/ig/MY_1.jpg", folder)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", extract)
        with pytest.raises(KeyboardInterrupt):
            fetch_pbc(home)
    assert visible(home) == [f"{ROOT}.zip"]
    assert not list(home.glob(f".{ROOT}-*"))
    assert len(fetch_pbc(home).data) == 12


def test_other_process_was_first(home, monkeypatch):
    fetch_pbc(home)
    monkeypatch.setattr(zipfile.ZipFile, "extractall", lambda *args: pytest.fail("extracted"))
    _pbc._extract(home / ROOT, download=False)


def test_incomplete_folder(home):
    fetch_pbc(home)
    (home / ROOT / "ig" / "MY_1.jpg").unlink()
    (home / ROOT / "ghosts").mkdir()
    (home / ROOT / "ghosts" / "G_1.jpg").touch()
    with pytest.warns(UserWarning, match="ghosts 1 instead of 0, ig 3 instead of 4") as caught:
        assert len(fetch_pbc(home).data) == 12
    assert caught[0].filename == __file__


def test_images(home):
    cells = fetch_pbc(home, size=28)
    assert cells.images is cells.data
    assert cells.data.shape == (12, 28, 28, 3) and cells.data.dtype == np.uint8
    assert cells.frame["file"].tolist() == NAMES
    for i, image in enumerate(cells.data):
        inner = image[3:-3, 3:-3].reshape(-1, 3)  # the rim is blurred by the JPEG compression
        np.testing.assert_allclose(inner - [20.0 * i, 250 - 20 * i, 128], 0, atol=4)


def test_images_equal_those_of_pillow(home):
    fetch_pbc(home)
    noise = np.random.default_rng(0).integers(0, 256, (369, 366, 3), dtype=np.uint8)
    path = home / ROOT / FILES[3]
    path.write_bytes(encode(Image.fromarray(noise)))
    with Image.open(path) as image:
        cell = image.crop((83, 84, 283, 284)).resize((64, 64), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(fetch_pbc(home, size=64).data[3], np.asarray(cell))


def test_images_that_cannot_be_used(home):
    fetch_pbc(home)
    (home / ROOT / FILES[2]).write_bytes(encode(Image.new("RGB", (224, 224))))
    (home / ROOT / FILES[5]).write_bytes(b"no image")
    expected = r"^2 images .*size=None:\n.*ERB_1.jpg: 224 x 224.*\n.*MY_1.jpg: not an image"
    with pytest.raises(ValueError, match=expected):
        fetch_pbc(home, size=28)


def test_wrong_size(home):
    with pytest.raises(ValueError, match=r"None or one of \(28, 64, 128, 224\), got 32"):
        fetch_pbc(home, size=32)
    assert not home.exists()


def test_published_numbers(monkeypatch, classes):
    monkeypatch.undo()
    assert sum(_pbc._PUBLISHED.values()) == 17092
    assert list(_pbc._PUBLISHED) == classes


@pytest.mark.real
def test_pixels_of_real_cells(real_data, classes):
    """200 originals of the validation split, and the same cells in the prepared file."""
    import pandas as pd

    split = pd.read_csv(real_data / "pbc" / "split.csv")
    # The rows of the file are those of the split, by class and name.
    val = split[split["split"] == "val"].sort_values(["label", "file"], ignore_index=True)
    X, y = load_npz(real_data / "pbc" / "pbc_28.npz", "val", return_X_y=True)
    assert [classes[code] for code in y] == val["label"].tolist()
    paths = real_data / "pbc" / "originals_val" / val["label"] / val["file"]
    rows = [i for i, path in enumerate(paths) if path.is_file()]
    assert len(rows) == 200
    np.testing.assert_array_equal(_pbc._read([str(paths[i]) for i in rows], 28), X[rows])
    assert (split["subtype"] == split["file"].str.partition("_")[0]).all()
