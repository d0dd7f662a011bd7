"""Forms of X that are not read: each message prints no data, and its advice works."""

import contextlib
import io
import os
import re
import zipfile

import numpy as np
import pandas as pd
import PIL.Image
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from skblood import CellEmbedder, MLPCellClassifier, TransferCellClassifier, adapt, audit
from skblood.datasets import find_unreadable, make_blood_cells
from skblood.evaluation import evaluate
from skblood.images import read_images, resize_images

N, SIDE = 24, 16


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Pixels, labels, and paths of the same cells."""
    X, y = make_blood_cells(N, image_size=SIDE, random_state=0)
    folder = tmp_path_factory.mktemp("cells")
    paths = [str(folder / f"{i}.png") for i in range(N)]
    for image, path in zip(X, paths, strict=True):
        PIL.Image.fromarray(image).save(path)
    return X, y, paths


@pytest.fixture(scope="module")
def clf(cells):
    X, y, _ = cells
    return MLPCellClassifier((8,), max_epochs=1, random_state=0).fit(X, y)


class Pairs(Dataset):
    """Images with their labels, channels first, as torchvision's datasets give them."""

    def __init__(self, images):
        self.images = torch.from_numpy(images).permute(0, 3, 1, 2)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError
        return self.images[i], 0


class Opener:
    """Opens a file when it is asked to, as fsspec does."""

    def __init__(self, path):
        self.path = path

    def open(self):
        return open(self.path, "rb")


def contents(paths):
    return [open(path, "rb").read() for path in paths]


def in_archive(paths):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path in paths:
            archive.write(path, path.lstrip("/"))
    return [zipfile.Path(file, path.lstrip("/")) for path in paths]


def polars_dicts(paths):
    dicts = [{"bytes": data, "path": "x"} for data in contents(paths)]
    return pytest.importorskip("polars").Series(dicts)


OTHER_FORMS = {
    "paths as bytes": lambda X, paths: [os.fsencode(path) for path in paths],
    "views of bytes": lambda X, paths: [memoryview(data) for data in contents(paths)],
    "an array of text bytes": lambda X, paths: np.array(contents(paths)),
    "a polars column of dicts": lambda X, paths: polars_dicts(paths),
    "bytes": lambda X, paths: contents(paths),
    "an array of bytes": lambda X, paths: np.array(contents(paths), dtype=object),
    "dicts of bytes": lambda X, paths: [{"bytes": x, "path": None} for x in contents(paths)],
    "dicts of paths": lambda X, paths: [{"bytes": None, "path": path} for path in paths],
    "buffers": lambda X, paths: [io.BytesIO(x) for x in contents(paths)],
    "paths in an archive": lambda X, paths: in_archive(paths),
    "files to be opened": lambda X, paths: [Opener(path) for path in paths],
    "pairs": lambda X, paths: [(PIL.Image.open(path), "a") for path in paths],
    "lists of one path": lambda X, paths: [[path] for path in paths],
    "a Dataset of pairs": lambda X, paths: Pairs(X),
    "a DataLoader of pairs": lambda X, paths: DataLoader(Pairs(X), 5),
    "a generator": lambda X, paths: (path for path in paths),
    "a dict": lambda X, paths: {"image": paths},
    "channels first": lambda X, paths: X.transpose(0, 3, 1, 2),
    "tensors, channels first": lambda X, paths: torch.from_numpy(X).permute(0, 3, 1, 2),
    "floats, channels first": lambda X, paths: X.transpose(0, 3, 1, 2) / 255,
    "a list, channels first": lambda X, paths: [x.transpose(2, 0, 1) for x in X],
    "deep": lambda X, paths: X.astype(np.uint16),
    "deeper": lambda X, paths: np.rint(X * (4095 / 255)).astype(np.uint16),
}
# Code in a message: after "Pass", with as many closing as opening brackets.
CODE = [
    r"torch\.cat\(\[x for x, y in X\]\)",
    r"\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)* for x in X\]",
    r"X\[\"image\"\]",
    r"X\.\w+\([\d, ]+\)",
    r"X\.astype\(np\.uint8\)",
    r"X / 4095",
    r"list\(X\)",
]


def follow(X, message):
    """Return X as the message says that it should be passed."""
    codes = [found[0] for pattern in CODE if (found := re.search(pattern, message))]
    if "X / 4095" in codes:  # two cases are named, and the range that was given
        codes = ["X.astype(np.uint8)" if "..255." in message else "X / 4095"]
    return eval(codes[0], {"X": X, "np": np, "io": io, "os": os, "torch": torch, "PIL": PIL})


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("form", OTHER_FORMS)
@pytest.mark.parametrize("call", ["fit", "predict", "audit"])
def test_advice_ends_in_success(cells, clf, form, call):
    images, y, paths = cells
    X = OTHER_FORMS[form](images, paths)
    calls = {
        "fit": lambda X: MLPCellClassifier((8,), max_epochs=1, random_state=0).fit(X, y),
        "predict": lambda X: clf.predict_proba(X),
        "audit": audit,
    }
    for _ in range(4):  # what one message advises may need another step
        try:
            result = calls[call](X)
            break
        except (TypeError, ValueError) as error:
            assert len(str(error)) < 300, "prints data"
            X = follow(X, str(error))
    expected = calls[call](images)
    if call == "predict":
        np.testing.assert_allclose(result, expected, atol=0.02)
    elif call == "fit":
        np.testing.assert_allclose(
            result.predict_proba(images), expected.predict_proba(images), atol=0.02
        )
    else:
        assert len(result.findings) == len(expected.findings)


ARROW = {
    "polars frame": lambda paths: pytest.importorskip("polars").DataFrame({"path": paths}),
    "polars column": lambda paths: pytest.importorskip("polars").Series(paths),
    "pyarrow table": lambda paths: pytest.importorskip("pyarrow").table({"path": paths}),
    "pyarrow column": lambda paths: pytest.importorskip("pyarrow").chunked_array([paths]),
    "pyarrow array": lambda paths: pytest.importorskip("pyarrow").array(paths),
}


@pytest.mark.parametrize("form", ARROW)
def test_columns_of_other_libraries(cells, clf, form):
    images, y, paths = cells
    X = ARROW[form](paths)
    np.testing.assert_allclose(clf.predict_proba(X), clf.predict_proba(images), atol=1e-6)
    assert clf.score(X, y) == clf.score(images, y) and find_unreadable(X) == {}
    assert len(audit(X).findings) == len(audit(images).findings)
    with pytest.raises(ValueError, match=r"a missing value at 0 \(1 of 2\)"):
        clf.predict(ARROW[form]([None, paths[0]]))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT], ids=str)
@pytest.mark.parametrize("form", [list, pd.Series, lambda x: np.array(x, dtype=object)])
@pytest.mark.parametrize("place", [0, 1, slice(None)], ids=str)
def test_missing_paths(cells, clf, missing, form, place):
    X = list(cells[2])
    X[place] = [missing] * N if place == slice(None) else missing
    n, first = (N, 0) if place == slice(None) else (1, place)
    expected = rf"a missing value at {first} \({n} of {N}\).*labels out"
    with pytest.raises(ValueError, match=expected):
        clf.predict(form(X) if n == 1 else X)
    with pytest.raises(ValueError, match=expected):
        find_unreadable(form(X) if n == 1 else X)


EMPTY = [
    *([], (), np.empty((0, SIDE, SIDE, 3), np.uint8), np.empty((0, 3 * SIDE**2))),
    *(np.array([]), torch.empty(0, SIDE, SIDE, 3), pd.Series([], dtype=str)),
    *(pd.DataFrame({"path": []}), pd.DataFrame(np.empty((0, 3 * SIDE**2)))),
]


@pytest.mark.parametrize("X", EMPTY, ids=lambda X: f"{type(X).__name__}{np.shape(X)}")
def test_empty(cells, clf, X):
    calls = [
        lambda: MLPCellClassifier().fit(X, []),
        lambda: TransferCellClassifier("cellnet_t").partial_fit(X, [], classes=["a", "b"]),
        lambda: clf.fit(cells[0], cells[1], X_val=X, y_val=[]),
        *(lambda: clf.predict(X), lambda: clf.predict_proba(X), lambda: clf.score(X, [])),
        *(lambda: clf.read_images(X), lambda: CellEmbedder("cellnet_t").fit(X)),
        *(lambda: read_images(X), lambda: audit(X), lambda: find_unreadable(X)),
        *(lambda: evaluate(clf, X, []), lambda: adapt(clf, X)),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="X holds no images: it is empty"):
            call()


@pytest.mark.parametrize(
    "make",
    [
        lambda X: X[:, ::2, ::2],
        lambda X: X[:, ::2, ::2, 0] / 255,
        lambda X: list(X[:, 1:, 1:, 0]),
        lambda X: [PIL.Image.fromarray(x).resize((20, 20)) for x in X],
    ],
)
def test_images_unlike_those_of_the_fit(cells, clf, make):
    X = make(cells[0])
    with pytest.raises(ValueError, match="but the model was fitted with") as error:
        clf.predict(X)
    code = re.search(r"Pass (.*), of skblood\.images", str(error.value))[1]
    known = {"X": X, "read_images": read_images, "resize_images": resize_images}
    assert clf.predict(eval(code, known)).shape == (N,)


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy])
def test_one_image_channels_first(cells, clf, convert):
    X = convert(np.ascontiguousarray(cells[0][0].transpose(2, 0, 1)))
    with pytest.raises(ValueError, match="may be one color image, channels first") as error:
        clf.predict(X)
    code, gray = re.search(r"first: pass (.*)\. If .* pass (.*)\.$", str(error.value)).groups()
    assert (clf.predict_proba(eval(code)) == clf.predict_proba(cells[0][:1])).all()
    assert clf.predict_proba(eval(gray)).shape == (3, len(clf.classes_))


@pytest.mark.parametrize("X", [np.arange(5.0), [1.0, 2.0], 3, None, object(), [{"a": 1}], [["a"]]])
def test_no_data_in_messages(clf, X):
    with pytest.raises((TypeError, ValueError)) as error:
        clf.predict(X)
    assert len(str(error.value)) < 300 and "array=" not in str(error.value)


@pytest.mark.filterwarnings("ignore:X has feature names")
def test_rows_of_text_are_not_printed(clf):
    secret = pd.DataFrame({"path": ["Jane Doe 1960.png"] * 3, "n": [1, 2, 3]})
    frames = [secret, secret.to_numpy()]
    with contextlib.suppress(ImportError):
        import polars

        frames.append(polars.DataFrame({"path": secret["path"].tolist(), "n": [1, 2, 3]}))
    for X in frames:
        with pytest.raises(ValueError, match="holds no table of numbers") as error:
            MLPCellClassifier((8,)).fit(X, ["a", "b", "a"])
        assert "Jane" not in str(error.value)
        with pytest.raises(ValueError, match="holds no table of numbers") as error:
            clf.predict(X)
        assert "Jane" not in str(error.value) and error.value.__suppress_context__
